# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence of the holder, kept per attempt, and its restarts, over a fake Slurm."""

from __future__ import annotations

import json
import pathlib
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import faults
from ansible_collections.srt.slurm.plugins.module_utils.holder import steps as holder_steps
from ansible_collections.srt.slurm.plugins.module_utils.holder.fatal_lines import LONGEST
from ansible_collections.srt.slurm.plugins.module_utils.secrets import references
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import evidence
from fake_holder import make_step, start


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch):
    monkeypatch.setattr(holder_steps, "RESTART_PAUSES_S", (0.01,))


def kept(fake, name, attempt=1):
    return json.loads(pathlib.Path(fake.run_dir, "evidence", f"{name}.{attempt}.json").read_text())


def test_evidence_is_kept_per_attempt_and_never_overwritten(fake):
    start(fake, make_step("a"))
    log = pathlib.Path(fake.run_dir, "logs", "node001_a.out")
    log.write_text("loading\nRuntimeError: NCCL error in: x.cpp:1\n")
    fake.slurm.end("a", 3, "srun: error: node001: task 0: Exited with exit code 3")
    fake.until(lambda steps: steps["a"]["state"] == "ended")
    first = kept(fake, "a")
    assert (first["step"], first["node"], first["exit_code"]) == ("a", "node001", 3)
    assert (first["kind"], first["retryable"]) == ("nccl", True)
    assert first["fatal"] == "RuntimeError: NCCL error in: x.cpp:1"
    assert first["tail"][0] == "loading"
    start(fake, make_step("a"))
    fake.slurm.end("a", 0)
    fake.until(lambda steps: steps["a"]["state"] == "ended")
    assert kept(fake, "a", 2)["reason"] == "exited with code 0"
    assert kept(fake, "a") == first
    faults.keep(fake.records()["a"] | {"attempt": 1}, fake.run_dir)
    assert kept(fake, "a") == first
    error = evidence.step_error([fake.records()["a"]], fake.run_dir, "now")
    assert error.evidence["evidence"][0]["kept"].endswith("/evidence/a.2.json")


def test_the_last_words_of_a_step_are_kept_without_the_values_of_secrets(fake):
    values = {"A": "hf_hush", "B": "https://me:hush/+*now@host", "C": "first line\nsecond one\n", "D": "on"}
    references.store(fake.run_dir, {f"srt-secret:{name}:1": value for name, value in values.items()})
    start(fake, make_step("a"))
    lines = [
        "second one",
        "https://me:hush/+*now@host/x is on",
        f"{'x' * (LONGEST - 3)}hf_hush",
        "RuntimeError: hf_hush",
    ]
    pathlib.Path(fake.run_dir, "logs", "node001_a.out").write_text("\n".join(lines))
    fake.slurm.end("a", 3, "srun: error: hf_hush is not an option")
    fake.until(lambda steps: steps["a"]["state"] == "ended")
    found = kept(fake, "a")
    assert found["tail"] == [
        "[redacted]",
        "[redacted]/x is on",
        f"{'x' * (LONGEST - 3)}[re",
        "RuntimeError: [redacted]",
    ]
    assert (found["fatal"], found["srun"]) == ("RuntimeError: [redacted]", ["srun: error: [redacted] is not an option"])
    assert "hush" not in json.dumps(fake.records())


def test_what_was_asked_to_end_leaves_no_evidence(fake):
    start(fake, make_step("a"), make_step("bench_c4", tier="benchmark"))
    fake.request("stop", names=["a"])
    fake.slurm.end("bench_c4", 0)
    fake.until(lambda steps: steps["bench_c4"]["state"] == "ended")
    assert not pathlib.Path(fake.run_dir, "evidence").exists()


def test_a_full_disk_costs_the_evidence_and_not_the_service(fake):
    start(fake, make_step("a"))
    pathlib.Path(fake.run_dir, "evidence").write_text("in the way")
    fake.slurm.end("a", 1)
    fake.until(lambda steps: steps["a"]["state"] == "ended")
    assert "evidence of a" in fake.request("status")["trouble"]


def test_a_step_is_restarted_as_often_as_its_policy_says_without_any_controller(fake):
    start(fake, make_step("a", restarts=2))
    for attempt in (1, 2, 3):
        fake.until(lambda steps, attempt=attempt: (steps["a"]["attempt"], steps["a"]["state"]) == (attempt, "running"))
        fake.slurm.end("a", 1)
    record = fake.until(lambda steps: steps["a"]["state"] == "ended")["a"]
    assert record["attempt"] == 3
    assert [kept(fake, "a", attempt)["attempt"] for attempt in (1, 2, 3)] == [1, 2, 3]
    events = [json.loads(line) for line in pathlib.Path(fake.run_dir, "steps.jsonl").read_text().splitlines()]
    reasons = [event["reason"] for event in events if event["event"] == "restart"]
    assert reasons == ["restart 1 of 2: exited with code 1", "restart 2 of 2: exited with code 1"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), ValueError("the secret X has no value")])
def test_a_step_whose_client_cannot_be_started_leaves_evidence_and_is_restarted(fake, monkeypatch, error):
    real, left = fake.slurm.spawn, [error, error, error]

    def spawn(*args):
        if left:
            raise left.pop()
        return real(*args)

    monkeypatch.setattr(fake.slurm, "spawn", spawn)
    start(fake, make_step("a"))
    assert fake.records()["a"]["state"] == "ended" and not fake.records()["a"]["expected"]
    start(fake, make_step("b", restarts=2))
    fake.until(lambda steps: (steps["b"]["attempt"], steps["b"]["state"]) == (3, "running"))
    for name, attempts in (("a", [1]), ("b", [1, 2])):
        for attempt in attempts:
            assert kept(fake, name, attempt)["reason"] == f"srun could not be started: {error}"
            assert kept(fake, name, attempt)["node"] == "node001"


def test_a_step_that_is_not_started_any_more_leaves_no_evidence(fake, monkeypatch):
    """The job ends in the moment in which its client cannot be started."""

    def spawn(*args):
        fake.holder.end("requested", "enough")
        raise OSError("no")

    monkeypatch.setattr(fake.slurm, "spawn", spawn)
    fake.steps.start([srun.start_request(make_step("a", restarts=2), "42", fake.run_dir)])
    record = fake.until(lambda steps: steps["a"]["state"] == "ended")["a"]
    assert (record["attempt"], record["expected"]) == (1, True)
    assert not pathlib.Path(fake.run_dir, "evidence").exists()


def test_nobody_who_waits_sees_the_end_of_a_step_that_is_restarted(fake):
    start(fake, make_step("a", restarts=1))
    fake.slurm.end("a", 1)
    fake.until(lambda steps: (steps["a"]["attempt"], steps["a"]["state"]) == (2, "running"))
    assert fake.request("wait", checks=[], slice_s=0.05)["ended"] == []


def test_bad_flags_and_lost_nodes_are_not_tried_again(fake):
    start(fake, make_step("a", restarts=5), make_step("b", restarts=5))
    pathlib.Path(fake.run_dir, "logs", "node001_a.out").write_text("error: unrecognized arguments: --x\n")
    fake.slurm.end("a", 2)
    fake.slurm.end("b", 0, "srun: error: Node failure on node001")
    records = fake.until(lambda steps: steps["a"]["state"] == steps["b"]["state"] == "ended")
    assert records["a"]["attempt"] == records["b"]["attempt"] == 1
    assert (kept(fake, "a")["kind"], kept(fake, "a")["retryable"]) == ("usage", False)
    assert (kept(fake, "b")["kind"], kept(fake, "b")["retryable"]) == ("node", True)


KILLED = "srun: error: node001: task 0: Killed"


@pytest.mark.parametrize(
    "log",
    [
        "WARNING tuned.json: No such file or directory, using defaults\n",
        "tuned.json: No such file or directory\n",
        "Traceback (most recent call last):\nModuleNotFoundError: No module named 'flash_attn'\n"
        + "INFO decoding\n" * 6,
        "",
    ],
)
def test_what_a_signal_from_outside_ended_is_not_called_permanent_for_a_line_that_has_nothing_to_do_with_it(fake, log):
    start(fake, make_step("a", restarts=2))
    pathlib.Path(fake.run_dir, "logs", "node001_a.out").write_text(log)
    fake.slurm.end("a", 137, KILLED)
    fake.until(lambda steps: (steps["a"]["attempt"], steps["a"]["state"]) == (2, "running"))
    found = kept(fake, "a")
    assert (found["signal"], found["kind"], found["fatal"]) == (9, None, None)
    assert (found["retryable"], found["permanent"]) == (False, False)


def test_an_engine_that_kills_itself_after_a_fault_reports_the_fault_and_may_be_restarted(fake):
    start(fake, make_step("a", restarts=1))
    log = (
        "[2026-01-01 00:00:00 TP3] Scheduler hit an exception: Traceback (most recent call last):\n"
        '  File "x.py", line 1, in f\n'
        "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'\n\n"
        "[2026-01-01 00:00:00] Received sigquit from a child process. It usually means the child failed.\n"
    )
    pathlib.Path(fake.run_dir, "logs", "node001_a.out").write_text(log)
    fake.slurm.end("a", 137, KILLED)
    fake.until(lambda steps: (steps["a"]["attempt"], steps["a"]["state"]) == (2, "running"))
    assert kept(fake, "a")["fatal"] == "FileNotFoundError: [Errno 2] No such file or directory: 'ninja'"
    assert (kept(fake, "a")["kind"], kept(fake, "a")["permanent"]) == ("missing", False)


@pytest.mark.parametrize(("code", "messages"), [(1, "exit code 1"), (137, "exit code 137")])
def test_a_shell_reports_a_signal_by_its_exit_code(fake, code, messages):
    start(fake, make_step("a", restarts=1))
    pathlib.Path(fake.run_dir, "logs", "node001_a.out").write_text("bash: nats-server: command not found\n")
    fake.slurm.end("a", code, f"srun: error: node001: task 0: Exited with {messages}")
    fake.until(lambda steps: steps["a"]["state"] == "ended" or steps["a"]["attempt"] == 2)
    assert kept(fake, "a")["permanent"] == (code == 1)
    assert fake.records()["a"]["attempt"] == (1 if code == 1 else 2)


def test_what_only_hints_at_a_fault_decides_nothing(fake):
    start(fake, make_step("a", restarts=1))
    line = "node001:7:7 [4] os/linux.cc:200 NCCL WARN No device found"
    pathlib.Path(fake.run_dir, "logs", "node001_a.out").write_text(f"{line}\n")
    fake.slurm.end("a", 1, "srun: error: node001: task 0: Exited with exit code 1")
    fake.until(lambda steps: steps["a"]["attempt"] == 2)
    found = kept(fake, "a")
    assert (found["kind"], found["fatal"], found["retryable"], found["permanent"]) == ("nccl", line, False, False)


def test_what_slurm_says_counts_when_it_says_more_than_the_log(fake):
    start(fake, make_step("a"), make_step("b"))
    for name in "ab":
        pathlib.Path(fake.run_dir, "logs", f"node001_{name}.out").write_text("etcd: Connection refused\n")
    fake.slurm.end("a", 137, f"slurmstepd: error: Detected 1 oom_kill event in StepId=42.0.\n{KILLED}")
    said = "slurmstepd: error: execve(): python9: No such file or directory"
    fake.slurm.end("b", 2, f"{said}\nsrun: error: node001: task 0: Exited with exit code 2")
    fake.until(lambda steps: steps["a"]["state"] == steps["b"]["state"] == "ended")
    assert (kept(fake, "a")["kind"], kept(fake, "a")["signal"]) == ("memory", 9)
    assert (kept(fake, "b")["kind"], kept(fake, "b")["permanent"]) == ("missing", True)


def test_a_step_that_waits_for_its_restart_can_be_stopped(fake, monkeypatch):
    monkeypatch.setattr(holder_steps, "RESTART_PAUSES_S", (60.0,))
    start(fake, make_step("a", restarts=1))
    fake.slurm.end("a", 1)
    fake.until(lambda steps: steps["a"]["attempt"] == 2)
    fake.request("stop", names=["a"])
    assert fake.records()["a"]["reason"] == "stopped before it started"


def test_what_outlives_its_step_is_killed_and_nothing_else(fake):
    fake.slurm.node = "node001"
    start(fake, make_step("a"), make_step("b"))
    logs = [pathlib.Path(fake.run_dir, "logs", f"node001_{name}.out").resolve() for name in ("a", "b")]
    left = []
    for log in logs:
        with log.open("w") as stream:
            left.append(subprocess.Popen(["sleep", "60"], stdout=stream, stderr=stream))
    try:
        fake.slurm.end("a", 1)
        assert left[0].wait(timeout=10) == -9
        fake.until(lambda steps: steps["a"]["state"] == "ended")
        assert left[1].poll() is None
    finally:
        for process in left:
            process.kill()
            process.wait()
