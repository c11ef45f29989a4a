# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that preflight runs on each node: GPUs, leftovers of jobs that are over, its report."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import resource
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import socket_dir
from ansible_collections.srt.slurm.plugins.module_utils.stages.node_check import main as node_check


def test_gpus_are_counted_and_must_be_idle(tmp_path, monkeypatch):
    program = tmp_path / "nvidia-smi"
    program.write_text(
        "#!/bin/sh\ncase \"$*\" in *compute-apps*) echo '4711, python, 7000';; *) echo '0, GPU-a, 7000';; esac\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    problems, count = node_check.gpus(2, True)
    assert count == 1
    assert [p["text"] for p in problems] == [
        "1 of 2 GPUs are visible",
        "1 foreign processes use GPUs: 4711, python, 7000",
    ]
    assert node_check.gpus(1, False) == ([], 1)


def test_an_nvidia_smi_that_hangs_is_a_finding(program, monkeypatch):
    program("nvidia-smi", "case \"$*\" in *compute-apps*) exec sleep 60;; *) echo '0, GPU-a, 70';; esac\n")
    monkeypatch.setattr(node_check, "NVIDIA_SMI_S", 0.2)
    (problem,), count = node_check.gpus(1, True)
    assert (problem["check"], problem["fatal"], count) == ("gpu", True, 1)
    assert problem["text"].startswith("nvidia-smi does not list the processes that use GPUs: ")
    assert "timed out" in problem["text"]
    program("nvidia-smi", "exec sleep 60\n")
    (problem,), count = node_check.gpus(1, True)
    assert (problem["text"].partition(":")[0], count) == ("nvidia-smi does not answer", None)


def make_run_dir(output, job_id, cluster="here@login"):
    """Make the run directory of a job as its submission does."""
    run_dir = output / job_id
    run_dir.mkdir(parents=True)
    (run_dir / f"{job_id}.json").write_text(json.dumps({"slurm_cluster": cluster}))
    return run_dir


def table_of(output, live=(), cluster="here@login", **more):
    """Return what a node of job 42 is told of jobs."""
    known = {"output_dir": str(output), "job_id": "42", "live": list(live), "cluster": cluster}
    return {**known, "newest_step": -1, "longest_s": 120.0, "nonce": "of this look", **more}


@pytest.mark.parametrize(
    ("job", "there", "live", "here", "over"),
    [
        ("7", "here@login", (), "here@login", True),
        ("7", "here@login", ("7",), "here@login", False),
        ("7", "other@login", (), "here@login", False),  # another Slurm knows whether it lives
        ("7", None, (), "here@login", False),
        ("7", "here@login", (), None, False),  # Slurm did not say its name
        ("7", None, (), None, False),
        ("43", "here@login", (), "here@login", False),  # perhaps submitted after Slurm was asked
        ("42", "here@login", (), "here@login", False),
    ],
)
def test_what_is_not_certainly_over_is_left_alone(tmp_path, job, there, live, here, over):
    run_dir, uid = make_run_dir(tmp_path / "out", job, there), os.getuid()
    mark = hashlib.sha256(str(run_dir).encode()).hexdigest()[:8]
    stale = tmp_path / "tmp" / f"srt-{job}-{mark}-nats"
    stale.mkdir(parents=True)
    process = subprocess.Popen(["sleep", "60"], cwd=run_dir, env={"SLURM_JOB_ID": job, "PATH": os.environ["PATH"]})
    try:
        table = table_of(tmp_path / "out", live, here)
        found = node_check.stale(table, uid, str(tmp_path / "tmp"))
        assert found == (([str(stale)], [(process.pid, job)]) if over else ([], []))
        assert node_check.is_over(job, table, uid + 1) is False  # the run directory of somebody else
    finally:
        process.kill()
        process.wait()


def test_the_socket_directory_of_an_adopted_allocation_is_stale_with_the_job(tmp_path):
    run_dir, uid, time_ = make_run_dir(tmp_path / "out", "7"), os.getuid(), "2026-11-22T12:00:00"
    (run_dir / "7.json").write_text(json.dumps({"slurm_cluster": "here@login", "submitted_at": time_}))
    for one in (time_, "2026-11-22T12:00:01"):  # the other one is of another cluster's job
        name = os.path.basename(os.path.dirname(socket_dir.socket_path("7", f"/{one}")))
        (tmp_path / "tmp" / name).mkdir(parents=True)
    mine = os.path.basename(os.path.dirname(socket_dir.socket_path("7", f"/{time_}")))
    found = node_check.stale(table_of(tmp_path / "out"), uid, str(tmp_path / "tmp"))
    assert found == ([str(tmp_path / "tmp" / mine)], [])


def test_only_what_carries_our_mark_and_whose_job_is_over_is_stale(tmp_path):
    output, folder, uid = tmp_path / "out", tmp_path / "tmp", os.getuid()
    marks = {job: hashlib.sha256(str(output / job).encode()).hexdigest()[:8] for job in ("7", "8")}
    ours = [f"srt-7-{marks['7']}-nats", f"srt-{uid}-7-{marks['7']}"]
    for name in (*ours, f"srt-8-{marks['8']}-nats", "srt-7-00000000-x"):
        (folder / name).mkdir(parents=True)
    run_dir = make_run_dir(output, "7")
    ours = subprocess.Popen(["sleep", "60"], cwd=run_dir, env={"SLURM_JOB_ID": "7", "PATH": os.environ["PATH"]})
    other = subprocess.Popen(["sleep", "60"], cwd=run_dir)
    try:
        folders, processes = node_check.stale(table_of(output, live=["8"]), uid, str(folder))
        assert {os.path.basename(path) for path in folders} == {f"srt-{uid}-7-{marks['7']}", f"srt-7-{marks['7']}-nats"}
        assert processes == [(ours.pid, "7")]
        done = node_check.clean(folders, processes)
        assert ours.wait(timeout=10) == -9 and other.poll() is None
        assert len(done) == 3 and len(list(folder.iterdir())) == 2
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_the_report_is_one_line_of_json(tmp_path, capsys, monkeypatch):
    table = {
        **table_of(tmp_path / "out"), "run_dir": str(tmp_path), "clean": True, "nodes": {}, "reader": "",
        "limits": {"free_mib": 0, "shm_mib": 0},
    }  # fmt: skip
    (tmp_path / "table.json").write_text(json.dumps(table))
    monkeypatch.setenv("SLURMD_NODENAME", "node009")
    node_check.main([str(tmp_path / "table.json")])
    report = json.loads(capsys.readouterr().out)
    assert (report["node"], report["nonce"]) == ("node009", "of this look")


@pytest.mark.parametrize(
    ("env", "life", "newest", "longest_s", "above", "over"),
    [
        ({"SLURM_STEP_ID": "5"}, "0", 5, 120.0, True, True),
        ({"SLURM_STEP_ID": "5"}, "0", 4, 0.0, False, False),  # started after the table was made
        ({"SLURM_STEP_ID": "5"}, "1", 4, 120.0, True, True),  # before Slurm requeued the job
        ({"SLURM_STEP_ID": "5", "SLURM_RESTART_COUNT": "1"}, "1", 4, 0.0, False, False),
        ({}, "0", 5, 120.0, True, False),  # it does not say, and is a young process of some step
        ({}, "0", 5, -1.0, True, True),
        ({}, "0", 5, 120.0, False, True),
    ],
)
def test_a_step_started_meanwhile_is_not_a_leftover(tmp_path, monkeypatch, env, life, newest, longest_s, above, over):
    log = make_run_dir(tmp_path / "out", "42") / "logs" / "node001_w_0.out"
    log.parent.mkdir()
    monkeypatch.setenv("SLURM_RESTART_COUNT", life)
    monkeypatch.setattr(node_check, "in_a_step", lambda _pid: above)
    table = table_of(tmp_path / "out", newest_step=newest, longest_s=longest_s)
    with open(log, "w", encoding="utf-8") as stream:
        one = subprocess.Popen(["sleep", "60"], stdout=stream, env={"PATH": os.environ["PATH"], **env})
    try:
        found = node_check.stale(table, os.getuid(), str(tmp_path / "none"), [str(log)])
        assert found == ([], [(one.pid, "42")] if over else [])
    finally:
        one.kill()
        one.wait()


def test_what_is_below_slurm_s_process_of_a_step_is_in_it(tmp_path):
    shell = tmp_path / "slurmstepd"  # a copy, for a link or a script has another name
    shell.write_bytes(pathlib.Path("/bin/sh").read_bytes())
    shell.chmod(0o755)
    with subprocess.Popen([shell, "-c", "sleep 60 & echo $!; wait"], stdout=subprocess.PIPE, text=True) as step:
        try:
            inside = int(step.stdout.readline())
            assert node_check.in_a_step(inside) and node_check.in_a_step(step.pid)
            assert not node_check.in_a_step(os.getpid())
        finally:
            os.kill(inside, 9)


def test_the_age_of_a_process_is_known():
    assert 0 <= node_check.age_s(os.getpid()) < 3600 * 24
    with subprocess.Popen(["sleep", "60"]) as one:
        try:
            assert -0.1 <= node_check.age_s(one.pid) < node_check.age_s(os.getpid())
        finally:
            one.kill()


def test_a_node_allows_enough_open_files_or_says_how_many(monkeypatch):
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (64, resource.RLIM_INFINITY))
    assert node_check.open_files(1 << 40) == []
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (64, 64))
    (problem,) = node_check.open_files(256)
    assert (
        problem["fatal"] and "may open 64 files and connections (ulimit -H -n), but 256 are needed" in problem["text"]
    )
