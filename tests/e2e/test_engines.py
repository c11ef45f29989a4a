# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs of the play on other engines than the main job's: real routers, real dynamo, small stand-in workers."""

from __future__ import annotations

import json
import shlex
import sys

import pytest
from cluster import ROOT

ENGINES = ROOT / "tests" / "support" / "engines"
QUICK = {"type": "sa-bench", "isl": 32, "osl": 4, "concurrencies": [2], "num_prompts_mult": 3, "num_warmup_mult": 0}

# Sends nothing: it shows what a program of the user's own finds.
LOAD = """set -e
[ "$PROFILE_TYPE" = nsys ] && [ "$PROFILE_AGG_START_STEP" = 0 ] && [ -d "$PROFILE_OUTPUT_DIR" ]
[ "$PROFILE_AGG_ENDPOINTS" = "$SRT_AGG_ENDPOINTS" ] && [ "$PROFILE_AGG_IPS" = "$SRT_AGG_IPS" ]
curl -sSf "http://$SRT_FRONTEND_HOST:$SRT_FRONTEND_PORT/v1/models" > /dev/null
"""


@pytest.fixture(scope="module")
def programs(tmp_path_factory):
    """A folder with a python that finds the stand-in engines, and their programs beside it."""
    folder = tmp_path_factory.mktemp("programs")
    for path in (ENGINES / "bin").iterdir():
        (folder / path.name).symlink_to(path)
    wrapper = folder / "python"
    wrapper.write_text(f'#!/bin/sh\nPATH={shlex.quote(str(folder))}:$PATH exec {shlex.quote(sys.executable)} "$@"\n')
    wrapper.chmod(0o755)
    return folder


def run(cluster, programs, name, resources, backend, frontend, *args, **changes):
    """Run a job to its end; return (plan, {log file name: text}). The run is valid; a profiled one has passed."""
    job = cluster.job_file(
        name,
        python=str(programs / "python"),
        resources={"gpu_type": "h100", "gpus_per_node": 8, **resources},
        backend=backend,
        frontend=frontend,
        environment={"PYTHONPATH": str(ENGINES), "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin"},
        **{"benchmark": QUICK, **changes},
    )
    played = cluster.playbook(job, *args)
    logs = {path.name: path.read_text(errors="replace") for path in (cluster.latest / "logs").glob("*.out")}
    assert (cluster.latest / "rollup.json").exists(), played.text[-6000:]
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert played.rc == 0, played.text[-6000:]
    profiled = "profiling" in changes
    assert (rollup["valid"], rollup["passed"]) == (not profiled, profiled) and rollup["results"][0]["output_tps"] > 0
    assert cluster.jobs(name) == []
    return json.loads((cluster.latest / "plan.json").read_text()), logs


@pytest.mark.slow
def test_sglang_router_with_plain_workers(cluster, programs):
    plan, logs = run(
        cluster,
        programs,
        "sgl_agg",
        {"agg_nodes": 1, "agg_workers": 4},
        {"type": "sglang", "sglang_config": {"aggregated": {"tensor-parallel-size": 2}}},
        {"type": "sglang", "args": {"policy": "round_robin"}},
    )
    assert [step["name"] for step in plan["steps"]] == ["agg_0", "agg_1", "agg_2", "agg_3", "frontend_0"]
    node = plan["nodes"][0]["name"]
    for index, gpus in enumerate(("0,1", "2,3", "4,5", "6,7")):
        text = logs[f"{node}_agg_{index}.out"]
        assert f"GPUs {gpus}" in text and f"on port {30000 + index}" in text
    assert sum("Decode batch" in text for text in logs.values()) == 4


def test_sglang_router_prefill_decode_and_a_worker_over_two_nodes(cluster, programs):
    plan, logs = run(
        cluster,
        programs,
        "sgl_pd",
        {"prefill_nodes": 1, "prefill_workers": 2, "decode_nodes": 2, "decode_workers": 1},
        {"type": "sglang", "sglang_config": {"prefill": {"tp-size": 4}, "decode": {"tp-size": 16}}},
        {"type": "sglang", "num_additional_frontends": 1},
        profiling={
            "type": "torch",
            "prefill": {"start_step": 0, "stop_step": 5},
            "decode": {"start_step": 0, "stop_step": 5},
        },
    )
    names = [step["name"] for step in plan["steps"]]
    assert names == ["prefill_0", "prefill_1", "decode_0", "decode_0_r1", "frontend_0", "frontend_1", "nginx"]
    decode = [text for name, text in logs.items() if name.endswith("_decode_0.out")]
    assert len(decode) == 2 and any("rank 1 joined" in text for text in decode)
    assert sum('profile {"activities"' in text for text in logs.values()) == 3
    (point,) = json.loads((cluster.latest / "rollup.json").read_text())["results"]
    assert point["profiled"] == "torch" and point["doubts"] == [
        "the workers were profiled (torch) during the measurement"
    ]
    folders = [path.rpartition("/")[0] for path, _size in traces(cluster, point)]
    assert folders == [f"logs/profiles/{one}" for one in ("decode/decode_0", "prefill/prefill_0", "prefill/prefill_1")]


def traces(cluster, point):
    """Return [(path, size)] of the profiles of a point, which are as they are listed."""
    found = [(one["path"], one["size"]) for one in point["profiles"]]
    assert all((cluster.latest / path).stat().st_size == size > 0 for path, size in found)
    return found


def nsys_job(cluster, programs, name, **environment):
    """Return the file of a job of two workers that nsys profiles, also a second time."""
    return cluster.job_file(
        name,
        python=str(programs / "python"),
        resources={"gpu_type": "h100", "gpus_per_node": 8, "agg_nodes": 1, "agg_workers": 2},
        backend={"type": "sglang"},
        frontend={"type": "sglang"},
        environment={"PYTHONPATH": str(ENGINES), "PATH": f"{programs}:/usr/local/bin:/usr/bin:/bin", **environment},
        benchmark={"type": "custom", "command": LOAD, "concurrencies": [1, 2]},
        profiling={
            "type": "nsys",
            "aggregated": {"start_step": 0},
            "extra_nsys_args": ["--capture-range-end=repeat"],
        },
    )


def test_nsys_captures_the_load_of_each_worker(cluster, programs):
    """Also if everything goes through Slurm, as from a login node."""
    played = cluster.playbook(nsys_job(cluster, programs, "nsys"), env={"SRT_SLURM_TRANSPORT": "srun"})
    assert played.rc == 0, played.text[-6000:]
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    node = json.loads((cluster.latest / "plan.json").read_text())["nodes"][0]["name"]
    for number, point in enumerate(rollup["results"], 1):
        assert point["state"] == "passed"
        assert [path for path, _size in traces(cluster, point)] == [
            f"logs/profiles/agg/{node}_{name}_profile_gpu{gpus}.{number}.nsys-rep"
            for name, gpus in (("agg_0", "0-1-2-3"), ("agg_1", "4-5-6-7"))
        ]


@pytest.mark.slow
def test_a_profiler_that_does_not_start_fails_the_run_without_a_load(cluster, programs):
    played = cluster.playbook(nsys_job(cluster, programs, "refused", FAKE_PROFILE="refuse"))
    assert played.rc == 2 and "profiling could not be started at agg_0 (/start_profile: HTTP 500" in played.text
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert [(one["state"], one["profiled"], one["profiles"]) for one in rollup["results"]] == [
        ("invalid", "nsys", [])
    ] * 2
    assert not list((cluster.latest / "logs").glob("*bench*"))


def test_dynamo_with_dedicated_infra_and_client(cluster, programs):
    plan, _logs = run(
        cluster,
        programs,
        "dyn_dedicated",
        {"prefill_nodes": 1, "prefill_workers": 2, "decode_nodes": 1, "decode_workers": 2},
        {"type": "mocker", "speedup_ratio": 1000, "prefill_environment": {"WHERE": "{node}:{node_id}"}},
        {"type": "dynamo", "num_additional_frontends": 0},
        infra={"etcd_nats_dedicated_node": True},
        benchmark={**QUICK, "client_dedicated_node": True, "colocate_with_frontend": False},
    )
    roles = [node["roles"] for node in plan["nodes"]]
    assert roles == [["infra"], ["head", "prefill"], ["frontend", "decode"], ["bench"]]


@pytest.mark.slow
def test_dynamo_aggregated_with_a_setup_script_and_addresses_of_an_interface(cluster, programs, tmp_path):
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "my setup.sh").write_text('echo "set up on $(hostname)"\n')
    site = tmp_path / "srtslurm.yaml"
    site.write_text(f"use_segment_sbatch_directive: false\nnetwork_interface: eth0\nconfigs_dir: {tmp_path}/configs\n")
    plan, logs = run(
        cluster,
        programs,
        "dyn_agg",
        {"agg_nodes": 1, "agg_workers": 2},
        {"type": "mocker", "speedup_ratio": 1000},
        {"type": "dynamo"},
        *("-e", f"cluster_file={site}", "-e", json.dumps({"setup_script": "my setup.sh"})),
    )
    node = plan["nodes"][0]
    assert json.loads((cluster.latest / "addresses.json").read_text()) == {
        "interface": "eth0",
        "nodes": [{"name": node["name"], "address": node["address"]}],
    }
    said = sorted(name for name, text in logs.items() if f"set up on {node['name']}" in text)
    assert said == [f"{node['name']}_{step}.out" for step in ("agg_0", "agg_1", "frontend_0")]
    assert [step["name"] for step in plan["steps"]] == ["nats", "etcd", "agg_0", "agg_1", "frontend_0"]


def test_trtllm_serve_by_mpi_over_two_nodes(cluster, programs):
    plan, logs = run(
        cluster,
        programs,
        "trt_pd",
        {"prefill_nodes": 1, "prefill_workers": 2, "gpus_per_prefill": 2, "decode_nodes": 2, "decode_workers": 1},
        {
            "type": "trtllm",
            "sequential_node_start": 1,
            "trtllm_config": {"prefill": {"tensor_parallel_size": 2}, "decode": {"tensor_parallel_size": 16}},
            "decode_environment": {"WHERE": "{node}"},
        },
        {"type": "trtllm_serve", "enable_multiple_frontends": False},
    )
    by_name = {step["name"]: step for step in plan["steps"]}
    assert by_name["decode_0"]["ntasks"] == 16 and len(by_name["decode_0"]["nodes"]) == 2
    ranks = "".join(text for name, text in logs.items() if name.endswith("_decode_0.out"))
    assert all(f"rank {rank} of 16" in ranks for rank in range(16))


def test_vllm_serves_by_itself_over_two_nodes(cluster, programs):
    plan, logs = run(
        cluster,
        programs,
        "vllm_agg",
        {"agg_nodes": 2, "agg_workers": 1},
        {"type": "vllm", "vllm_config": {"aggregated": {"tensor-parallel-size": 16}}},
        {"type": "vllm"},
    )
    assert [step["name"] for step in plan["steps"]] == ["agg_0", "agg_0_r1"]
    assert any("rank 1 joined" in text for text in logs.values())


def test_a_heterogeneous_job(cluster, programs):
    plan, logs = run(
        cluster,
        programs,
        "het",
        {"prefill_nodes": 2, "prefill_workers": 2, "decode_nodes": 2, "decode_workers": 1, "het_jobs": True},
        {"type": "sglang"},
        {"type": "sglang", "enable_multiple_frontends": False},
    )
    groups = {step["name"]: step["srun_options"]["het-group"] for step in plan["steps"]}
    assert groups == {"prefill_0": "0", "prefill_1": "0", "decode_0": "1", "decode_0_r1": "1", "frontend_0": "0"}
    assert "#SBATCH hetjob" in (cluster.latest / "sbatch_script.sh").read_text()
    assert any("rank 1 joined" in text for text in logs.values())
