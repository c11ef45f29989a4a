# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The dry run: everything about each job, shown and written."""

from __future__ import annotations

import json
import os
import re
import subprocess

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.stages import dry_run as dryrun
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec

FILE = """\
base:
  name: dry
  model: {path: tiny, precision: fp8}
  resources: {gpu_type: h100, prefill_nodes: 1, prefill_workers: 1, decode_nodes: 2, decode_workers: 2}
  backend:
    type: sglang
    prefill_environment: {MODE: "p"}
    sglang_config:
      prefill: {tp-size: 8}
      decode: {tp-size: 8}
  environment: {WHERE: "{node}", DYN_SYSTEM_PORT: "1"}
  benchmark: {type: sa-bench, isl: 64, osl: 8, concurrencies: [2, 4]}
override_a: {environment: {A: "with space"}}
override_b: {slurm: {time_limit: "1-00:00:00"}}
"""
CLUSTER = """\
default_partition: batch
default_container: latest
gpus_per_node: 8
model_paths: {tiny: /models/tiny}
containers: {latest: "img:1"}
default_mounts: {/data: /data}
"""


@pytest.fixture
def read(tmp_path):
    """Return a function that reads the jobs with some options more."""
    (tmp_path / "j.yaml").write_text(FILE)
    (tmp_path / "srtslurm.yaml").write_text(CLUSTER)
    params = {"job_file": str(tmp_path / "j.yaml"), "cluster_file": str(tmp_path / "srtslurm.yaml")}
    return lambda **more: job_spec.run({**params, "check_paths": False, **more}, Context(check_mode=True))


@pytest.fixture
def prelude(read):
    return read()


def call(prelude, tmp_path, **ctx):
    params = {"jobs": prelude["jobs"], "origins": prelude["origins"], "notes": ["a note"], "lease_s": 120.0}
    params.update(path=str(tmp_path / "dry-runs"), output_dir=str(tmp_path / "out"))
    params["concurrencies"] = prelude["concurrencies"]
    return dryrun.run(params, Context(**ctx))


def test_check_mode_shows_every_job_and_writes_nothing(prelude, tmp_path):
    result = call(prelude, tmp_path, check_mode=True, diff=True)
    assert [job["name"] for job in result["jobs"]] == ["dry_a", "dry_b"]
    assert all(job["path"] is None for job in result["jobs"])
    assert not (tmp_path / "dry-runs").exists() and not (tmp_path / "out").exists()
    text = result["diff"][0]["after"]
    plan = result["jobs"][0]["plan"]
    steps = sum(plan["steps"].values()) + len(plan["points"])
    assert len(re.findall(r"^  srun --jobid=JOBID ", text, re.M)) == steps == 10
    for line in (
        "#SBATCH --partition=batch",
        "[P0 P0 P0 P0 P0 P0 P0 P0]",
        "at most 24.0 GPU hours",
        "model.path: /models/tiny",
        "# srtslurm.yaml:4 (model_paths)",
        "slurm.partition: batch",
        "# srtslurm.yaml:1 (default_partition)",
        "  A='with space'  # j.yaml:13",
        "  MODE=p  # j.yaml:7",
        "  WHERE=node0001  # j.yaml:11",
        "  --tensor-parallel-size  # j.yaml:9",
        "  HEAD_NODE_IP='<addr:node0001>'  # plan",
        "/data:/data  # cluster.default_mounts",
        "/models/tiny:/model  # model.path",
        "bench_c4: concurrency 4, isl 64, osl 8, num_prompts 40",
        "---- nginx.conf",
        "---- sglang_config.yaml",
    ):
        assert line in text, line
    assert "at most 576.0 GPU hours" in result["diff"][1]["after"]


def test_a_value_that_the_plan_decides_is_not_said_to_be_the_jobs(prelude, tmp_path):
    text = call(prelude, tmp_path, check_mode=True, diff=True)["diff"][0]["after"]
    ports = re.findall(r"  DYN_SYSTEM_PORT=(\d+)  # (.*)", text)
    # Workers have ports of their own; the frontends and the load client get what the job says.
    wanted = {True: "j.yaml:11", False: "plan, instead of 1 in j.yaml:11"}
    assert all(place == wanted[port == "1"] for port, place in ports) and len({port for port, _place in ports}) > 2


def test_the_directory(prelude, tmp_path):
    result = call(prelude, tmp_path)
    assert "diff" not in result
    again = call(prelude, tmp_path)
    folders = [job["path"] for job in result["jobs"] + again["jobs"]]
    assert len(set(folders)) == 4
    folder = folders[0]
    assert re.fullmatch(r"dry_a_\d{8}_\d{6}(_\d+)?", os.path.basename(folder))
    wanted = {"config.yaml", "commands.sh", "plan.json", "plan.txt", "sbatch_script.sh", "nats.conf", "nginx.conf"}
    assert wanted | {"sglang_config.yaml"} == set(os.listdir(folder)) == set(result["jobs"][0]["files"])
    for name in ("commands.sh", "sbatch_script.sh"):
        subprocess.run(["bash", "-n", f"{folder}/{name}"], check=True)
    with open(f"{folder}/plan.json", encoding="utf-8") as stream:
        plan = json.load(stream)
    with open(f"{folder}/config.yaml", encoding="utf-8") as stream:
        config = yaml.safe_load(stream)
    read = {key: plan["spec"][key] for key in ("inputs", "chat_template")}
    assert {**config, **read} == plan["spec"]
    with open(f"{folder}/plan.txt", encoding="utf-8") as stream:
        assert stream.read().endswith("a note\n")
    # What was resolved is a job again.
    config.pop("cluster")
    assert jobs.spec_of(config)["environment"] == plan["spec"]["environment"]


def test_selected_points_and_tags_are_shown_and_written(read, tmp_path):
    (job, _other) = call(read(concurrencies="4", job_tags=["nightly", "h100"]), tmp_path)["jobs"]
    assert (job["points"], job["left_out"], job["tags"]) == (["c=4"], ["c=2"], ["nightly", "h100"])
    texts = {}
    for name in ("plan.txt", "commands.sh", "plan.json"):
        with open(f"{job['path']}/{name}", encoding="utf-8") as stream:
            texts[name] = stream.read()
    points = texts["plan.txt"].partition("---- points\n")[2]
    assert points.startswith("bench_c4: concurrency 4, ")
    assert "\nleft out: c=2\n---- tags\nnightly\nh100\n" in points
    assert "bench_c2" not in texts["commands.sh"] and "bench_c4" in texts["commands.sh"]
    assert [point["label"] for point in json.loads(texts["plan.json"])["benchmark"]["points"]] == ["c=2", "c=4"]


def test_without_a_choice_all_points_are_measured(prelude, tmp_path):
    result = call(prelude, tmp_path, check_mode=True, diff=True)
    assert [(job["points"], job["left_out"], job["tags"]) for job in result["jobs"]] == [(["c=2", "c=4"], [], [])] * 2
    assert "left out" not in result["diff"][0]["after"] and "---- tags" not in result["diff"][0]["after"]


def test_commands_hold_the_environment_that_srun_passes_on(prelude, tmp_path):
    folder = call(prelude, tmp_path)["jobs"][0]["path"]
    with open(f"{folder}/commands.sh", encoding="utf-8") as stream:
        text = stream.read()
    assert "A='with space' \\\n" in text and text.count("srun --jobid=JOBID") == 10


def test_the_valid_jobs_are_written_before_the_others_are_named(read, tmp_path):
    (tmp_path / "j.yaml").write_text(FILE.replace('time_limit: "1-00:00:00"', 'tim_limit: "1"'))
    found = read(partial=True)
    assert [job["name"] for job in found["jobs"]] == ["dry_a"]
    defaults = {key: option.get("default") for key, option in dryrun.ARGUMENT_SPEC.items()}
    given = {"jobs": found["jobs"], "problems": found["problems"], "path": str(tmp_path / "dry")}
    with pytest.raises(SpecError, match="slurm.tim_limit: in dry_b: is not a known key") as caught:
        dryrun.run({**defaults, **given}, Context())
    (row,) = caught.value.evidence["jobs"]
    assert "sbatch_script.sh" in os.listdir(row["path"])
