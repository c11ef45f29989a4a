# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Fire and forget: the playbook inside the job, and looking at it, following it and ending it from outside."""

from __future__ import annotations

import json
import pathlib
import re
import sys

from cluster import wait_for

BENCHMARK = {
    "type": "sa-bench", "isl": 64, "osl": 8, "concurrencies": [2], "num_prompts_mult": 5, "num_warmup_mult": 1,
}  # fmt: skip


def other(cluster, name, *args, node=None, rc=0):
    """Run another playbook than bench.yml; return its text."""
    argv = ["ansible-playbook", f"playbooks/{name}.yml", "-e", f"output_dir={cluster.output}", *args]
    text = cluster.run(*argv, node=node, check=rc == 0)
    assert rc or "failed=0" in text, text
    return text


def submit(cluster, job, *args):
    """Submit *job*; return (job id, run directory)."""
    text = other(cluster, "submit", "-e", f"@{job}", *args)
    job_id, log = re.search(r"Job (\d+) \(.*?\) was submitted.\s+Log: (\S+?)\"", text).groups()
    run_dir = pathlib.Path(log).parent
    assert run_dir == cluster.output / job_id
    assert pathlib.Path(log).exists()
    return job_id, run_dir


def exit_code(cluster, job_id):
    """Wait for the end of the job; return (state, exit code)."""
    wait_for(lambda: job_id not in cluster.jobs(), f"the end of job {job_id}", timeout_s=90)
    told = cluster.run("scontrol", "show", "job", job_id)
    return re.search(r"JobState=(\w+)", told).group(1), int(re.search(r"ExitCode=(\d+):", told).group(1))


def test_a_submitted_run_measures_what_it_was_given_and_ends(cluster):
    # Lengths of its own, or the points of an earlier test would be taken over.
    job = cluster.job_file("fired", benchmark=dict(BENCHMARK, isl=65))
    job_id, run_dir = submit(cluster, job, "-e", "job_tags=nightly,h100")
    cluster.job_file("fired", benchmark=dict(BENCHMARK, concurrencies=[7]))  # too late: the job is frozen
    followed = other(cluster, "logs", "-e", f"job_id={job_id}")
    assert "c=2 measured, valid" in followed
    assert "PLAY RECAP" in followed
    assert exit_code(cluster, job_id) == ("COMPLETED", 0)
    assert json.loads((run_dir / "rollup.json").read_text())["valid"] is True
    assert json.loads((run_dir / f"{job_id}.json").read_text())["tags"] == ["nightly", "h100"]
    text = other(cluster, "status", "-e", f"job_id={job_id}", node="node008")
    for words in ("COMPLETED (exit code 0:0), stage ended", "points: 1 of 1 done", "c=2 done", "results: valid"):
        assert words in text, text
    (log,) = run_dir.glob("logs/*_decode_0.out")
    worker = other(cluster, "logs", "-e", f"job_id={job_id}", "-e", "step=decode_0", "-e", "lines=2")
    assert "\n".join(log.read_text().splitlines()[-2:]) in worker
    wrong = other(cluster, "logs", "-e", f"job_id={job_id}", "-e", "step=decode_9", rc=2)
    assert "The run has no step decode_9. It has: playbook, job, bench_c2, decode_0" in wrong


def test_the_exit_code_of_the_job_is_the_playbooks(cluster):
    broken = {"type": "mocker", "mocker_config": {"aggregated": {}, "prefill": {"no-such-flag": 1}}}
    job_id, run_dir = submit(cluster, cluster.job_file("fired-badly", backend=broken))
    assert exit_code(cluster, job_id) == ("FAILED", 2)
    assert "no-such-flag" in (run_dir / "playbook.log").read_text()
    assert json.loads((run_dir / "rollup.json").read_text())["valid"] is False
    status = other(cluster, "status", "-e", f"job_id={job_id}")
    assert "FAILED (NonZeroExitCode, exit code 2:0), stage ended" in status
    assert re.search(r"prefill_0 on node\d+: exited with code", status), status


def test_status_and_stop_of_a_run_that_goes_on(cluster):
    long = dict(BENCHMARK, concurrencies=[1, 2], osl=200, num_prompts_mult=2000)
    slow = {"type": "mocker", "speedup_ratio": 10}
    job_id, run_dir = submit(cluster, cluster.job_file("fired-long", benchmark=long, backend=slow))
    assert "is there already (" in other(cluster, "submit", "-e", f"@{cluster.folder}/fired-long.yaml")

    def measuring():
        text = other(cluster, "status", "-e", f"job_id={job_id}", node="node007")
        return re.search(r"c=1 running [1-9]\d*/2000", text) and text

    text = wait_for(measuring, "the measurement to begin")
    assert re.search(rf"job {job_id} fired-long: RUNNING, stage benchmark, 0:1\d:\d\d left, lease \d+ s", text), text
    assert "workers: 3 of 3 running" in text
    assert "points: 0 of 2 done" in text
    other(cluster, "stop", "-e", f"job_id={job_id}")
    assert job_id not in cluster.jobs()
    assert processes_of(run_dir) == []
    again = other(cluster, "stop", "-e", f"job_id={job_id}")
    assert re.search(r"changed=0", again)
    text = other(cluster, "status", "-e", f"job_id={job_id}")
    assert "stage ended" in text


def processes_of(run_dir):
    """Return the command lines of all processes that name *run_dir*."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        try:
            argv = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if f"{run_dir}/" in argv:
            found.append(argv)
    return found


def test_a_kept_service_stays_after_its_playbook(cluster):
    job_id, run_dir = submit(cluster, cluster.job_file("fired-kept"), "-e", "keep=600")
    wait_for(lambda: "PLAY RECAP" in (run_dir / "playbook.log").read_text(), "the end of the playbook")
    assert "prefill_0" in cluster.steps(job_id)
    assert "stage kept" in other(cluster, "status", "-e", f"job_id={job_id}")
    other(cluster, "stop")
    assert job_id not in cluster.jobs()


def test_a_run_that_waits_for_its_nodes_shows_why_and_can_be_stopped(cluster):
    job = cluster.job_file("fired-later", sbatch_directives={"begin": "now+1hour"}, environment={"HF_TOKEN": "x-y-z"})
    job_id, run_dir = submit(cluster, job)
    assert (run_dir / ".secrets" / "env.json").exists()
    text = other(cluster, "status")
    assert f"job {job_id} fired-later: PENDING (BeginTime), stage allocation" in text
    other(cluster, "stop")
    assert job_id not in cluster.jobs()
    assert not (run_dir / ".secrets").exists()


def test_secrets_reach_the_workers_of_a_submitted_run(cluster):
    job = cluster.job_file("fired-secret", environment={"HF_TOKEN": "Marker-detached-33aa"})
    job_id, run_dir = submit(cluster, job)
    assert exit_code(cluster, job_id) == ("COMPLETED", 0), (run_dir / "playbook.log").read_text()
    files = [path for path in run_dir.rglob("*") if path.is_file() and b"Marker-detached" in path.read_bytes()]
    assert files == []


def test_a_runtime_environment_of_its_own(cluster):
    """An environment without ansible-core: that it is this one that is used shows in how the job fails."""
    empty, folder = cluster.folder / "requirements.txt", cluster.folder / "runtime"
    empty.write_text("")
    options = [word for key, value in (
        ("runtime_dir", folder), ("setup_requirements", empty), ("setup_python", sys.executable),
    ) for word in ("-e", f"{key}={value}")]  # fmt: skip
    other(cluster, "setup", *options)
    assert (folder / "bin" / "python").exists()
    assert "changed=0" in other(cluster, "setup", *options)
    job_id, run_dir = submit(cluster, cluster.job_file("fired-empty"), "-e", f"runtime_dir={folder}")
    assert exit_code(cluster, job_id) == ("FAILED", 1)
    assert "No module named ansible" in (run_dir / "playbook.log").read_text()
    missing = other(
        cluster, "submit", "-e", f"@{cluster.job_file('fired-nowhere')}", "-e", "runtime_dir=/no/such", rc=2
    )
    assert "/no/such/bin/python cannot be executed" in missing
    assert cluster.jobs("fired-nowhere") == []
