# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several jobs in one file: shown, written, refused where one is wanted, and run one after the other."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml
from cluster import ROOT, interrupt


@pytest.fixture
def sweep(cluster):
    """The example of four jobs, with the model of this test."""
    job = yaml.safe_load((ROOT / "examples" / "sweep.yaml").read_text())
    job["job"]["model"]["path"] = str(cluster.model)
    path = cluster.folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


def play(cluster, *argv, inside=False):
    """Run ansible-playbook in the sandbox or, as on a laptop, outside of it."""
    argv = ["ansible-playbook", *map(str, argv), "-e", f"output_dir={cluster.output}"]
    argv = [*cluster.prefix(), *argv] if inside else argv
    return subprocess.run(
        argv, cwd=ROOT, env=cluster.environment, text=True, capture_output=True, timeout=600, check=False
    )


def test_bench_refuses_several_jobs_and_names_the_playbook_for_them(cluster, sweep):
    done = play(cluster, "bench.yml", "-e", f"job_file={sweep}", inside=True)
    assert done.returncode != 0 and "There are 4 jobs" in done.stdout and "playbooks/sweep.yml" in done.stdout
    assert cluster.jobs() == []


def test_check_shows_every_job_without_slurm(cluster, sweep):
    done = play(cluster, "bench.yml", "-e", f"job_file={sweep}", "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("sweep_decode1_seqs64", "sweep_decode1_seqs256", "sweep_decode2_seqs64", "sweep_decode2_seqs256"):
        assert f"#SBATCH --job-name={name}" in done.stdout
    assert done.stdout.count("GPU hours") >= 4 and done.stdout.count("dynamo.mocker") == 10


def test_plan_writes_a_directory_for_each_job(cluster, sweep):
    folder = cluster.folder / "rehearsed"
    done = play(cluster, "playbooks/plan.yml", "-e", f"job_file={sweep}", "-e", f"dry_run_dir={folder}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.iterdir())) == 4
    for one in folder.iterdir():
        plan = json.loads((one / "plan.json").read_text())
        assert one.name.startswith(plan["name"] + "_")
        spec = {key: value for key, value in plan["spec"].items() if key not in ("inputs", "chat_template")}
        assert yaml.safe_load((one / "config.yaml").read_text()) == spec
    assert cluster.jobs() == []


def test_four_jobs_one_after_the_other(cluster, sweep):
    done = play(cluster, "playbooks/sweep.yml", "-e", f"job_file={sweep}", inside=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count(": done, valid, up to") == 8  # when each is done, and all at the end
    rollups = [json.loads(path.read_text()) for path in cluster.output.glob("*/rollup.json")]
    mine = {rollup["job_name"]: rollup for rollup in rollups if rollup["job_name"].startswith("sweep_")}
    assert len(mine) == 4 and all(rollup["valid"] for rollup in mine.values())
    assert mine["sweep_decode2_seqs64"]["decode_workers"] == 2
    assert cluster.jobs() == []
    job = yaml.safe_load(sweep.read_text())
    job["job"].update(sweep={"decode": [2], "seqs": [256]}, sbatch_directives={"partition": "nowhere"})
    job["job"]["benchmark"]["seed"] = 7  # another point than the one that is valid, which needs no nodes
    sweep.write_text(yaml.safe_dump(job))
    done = play(cluster, "playbooks/sweep.yml", "-e", f"job_file={sweep}", inside=True)
    assert done.returncode != 0
    assert "sweep_decode2_seqs256: FAILED, no results" in done.stdout, done.stdout + done.stderr


def test_ctrl_c_in_a_sweep_says_which_job_stays_up(cluster, sweep):
    argv = [*cluster.prefix(), "ansible-playbook", "playbooks/sweep.yml", "-e", f"job_file={sweep}"]
    # Else it has nothing to measure.
    process = subprocess.Popen(
        [*argv, "-e", "force=true", "-e", f"output_dir={cluster.output}"], cwd=ROOT, env=cluster.environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    for line in process.stdout:
        if "srt.slurm.worker : Start" in line:
            break
    interrupt(process)
    rest = process.communicate(timeout=60)[0]
    (job_id,) = cluster.jobs()
    assert re.findall(r"Job (\d+) stays up for its lease of 0:02:00", rest) == [job_id], rest
    (command,) = re.findall("To end it now: (.*)", rest)
    cluster.run("sh", "-c", command)
    assert cluster.jobs() == []
