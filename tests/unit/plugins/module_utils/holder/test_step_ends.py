# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How steps end: as planned or not, stopped, replaced, with their job, and what a wait makes of it."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder import steps as holder_steps
from ansible_collections.srt.slurm.plugins.module_utils.holder import stopping
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_ends import REASONS
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from fake_holder import FakeDriver, actions, make_step, start


@pytest.mark.parametrize(
    ("code", "messages", "end"),
    [
        (0, "", {"end_code": "exited", "exit_code": 0, "reason": "exited with code 0"}),
        (
            5,
            "srun: error: node001: task 0: Exited with exit code 5",
            {"end_code": "exited", "exit_code": 5, "node": "node001", "reason": "exited with code 5 on node001"},
        ),
        (
            137,
            "srun: error: node002: task 1: Killed\nsrun: Force Terminated StepId=5.0",
            {"end_code": "killed", "signal": 9, "node": "node002", "reason": "killed by signal 9 on node002"},
        ),
        (
            139,
            "srun: error: node001: task 0: Segmentation fault (core dumped)",
            {"end_code": "killed", "signal": 11, "node": "node001", "reason": "killed by signal 11 on node001"},
        ),
        (
            7,
            "srun: error: node001: task 0: Exited with exit code 7\nsrun: error: node002: task 1: Terminated",
            {"end_code": "exited", "exit_code": 7, "node": "node001", "reason": "exited with code 7 on node001"},
        ),
        (
            0,
            "srun: error: Node failure on node002",
            {"end_code": "node_failed", "node": "node002", "reason": "node failure on node002"},
        ),
        (
            0,
            "srun: error: task 1 launch failed: Slurmd could not connect IO\nsrun: error: task 0 launch failed: x",
            {"end_code": "srun_failed", "reason": "srun failed: task 1 launch failed: Slurmd could not connect IO"},
        ),
        (
            1,
            "srun: error: Unable to create step for job 7: Requested node configuration is not available",
            {
                "end_code": "srun_failed",
                "exit_code": 1,
                "reason": "srun failed: Unable to create step for job 7: Requested node configuration is not available",
            },
        ),
        (143, "", {"end_code": "killed", "signal": 15, "reason": "killed by signal 15"}),
        (
            143,
            "srun: error: node001: task 0: Exited with exit code 143",
            {"end_code": "exited", "exit_code": 143, "node": "node001", "reason": "exited with code 143 on node001"},
        ),
        (-9, "", {"end_code": "client_killed", "reason": "its srun client was killed by signal 9"}),
    ],
)
def test_how_a_step_ended(code, messages, end):
    assert holder_steps.read_end(code, messages) == end


def test_stop_goes_by_tiers_and_in_one_call_each(fake):
    tiers = {"nats": "head_infra", "w0": "worker", "w1": "worker", "f": "frontend", "load": "benchmark"}
    start(fake, *[make_step(name, tier=tier) for name, tier in tiers.items()])
    names = {s["step_id"]: s["name"] for s in fake.request("status")["steps"]}
    answer = fake.request("stop", names=list(tiers) + ["unknown"])
    assert [(sig, sorted(names[i] for i in ids)) for sig, ids in fake.slurm.signalled] == [
        ("TERM", ["load"]),
        ("TERM", ["f", "w0", "w1"]),
        ("TERM", ["nats"]),
    ]
    assert all(s["state"] == "ended" and s["expected"] for s in answer["steps"])
    assert actions(answer) == dict(dict.fromkeys(tiers, "stopped"), unknown="absent")


def test_a_step_that_ignores_term_is_killed_after_its_grace(fake):
    fake.slurm.stubborn.add("a")
    start(fake, make_step("a", stop_grace_s=0.05))
    step = fake.request("stop", names=["a"])["steps"][0]
    assert step["signal"] == 9 and step["expected"]
    assert [name for name, ids in fake.slurm.signalled] == ["TERM", "KILL"]


def test_a_signal_that_came_too_early_is_sent_again(fake):
    start(fake, make_step("a", stop_grace_s=5), make_step("b", stop_grace_s=5))
    fake.slurm.deaf = 2
    steps = fake.request("stop", tiers=["worker"])["steps"]
    assert [s["signal"] for s in steps] == [15, 15] and [name for name, ids in fake.slurm.signalled] == ["TERM"] * 3


def test_a_stop_waits_for_slurm_to_come_back_and_the_grace_begins_then(fake):
    start(fake, make_step("a", stop_grace_s=5))
    fake.slurm.mute = True
    threading.Timer(0.1, setattr, (fake.slurm, "mute", False)).start()
    step = fake.request("stop", names=["a"])["steps"][0]
    assert step["signal"] == 15 and {name for name, ids in fake.slurm.signalled} == {"TERM"}


def test_a_step_that_has_no_id_yet_is_withdrawn_by_its_client(fake, monkeypatch):
    monkeypatch.setattr(fake.slurm, "steps", dict)
    specs = [srun.start_request(make_step("a"), "42", fake.run_dir)]
    fake.request("start", steps=specs, wait_s=0)
    fake.until(lambda steps: steps["a"]["started_at"])
    step = fake.request("stop", names=["a"])["steps"][0]
    assert step["state"] == "ended" and step["expected"] and fake.slurm.clients["a"].signals == [15]


def test_an_unexpected_end_ends_the_wait_at_once(fake):
    start(fake, make_step("a"), make_step("b"))
    threading.Timer(0.05, fake.slurm.end, ("a", 1, "srun: error: node001: task 0: Exited with exit code 1")).start()
    answer = fake.request("wait", checks=[], slice_s=30)
    assert [(r["name"], r["exit_code"], r["node"]) for r in answer["ended"]] == [("a", 1, "node001")]


def test_an_exit_with_zero_is_unexpected_too(fake):
    start(fake, make_step("a"))
    fake.slurm.end("a", 0)
    assert [r["name"] for r in fake.request("wait", checks=[], slice_s=30)["ended"]] == ["a"]


def test_what_does_not_end_a_wait(fake):
    start(fake, make_step("a", critical=False), make_step("b"), make_step("old"), make_step("load", tier="benchmark"))
    fake.slurm.end("a", 1)
    fake.slurm.end("old", 1)
    fake.slurm.end("load", 0)
    fake.request("stop", names=["b"])
    fake.until(lambda steps: all(s["state"] == "ended" for s in steps.values()))
    assert fake.request("wait", checks=[], slice_s=0.05, guard=["a", "b", "load"])["ended"] == []
    assert [r["name"] for r in fake.request("wait", checks=[], slice_s=9, guard=[], watch=["load"])["ended"]] == [
        "load"
    ]


def test_a_killed_client_takes_its_step_along(fake):
    start(fake, make_step("a"))
    fake.slurm.kill_client("a")
    step = fake.until(lambda steps: steps["a"]["state"] == "ended")["a"]
    assert step["reason"] == "its srun client was killed by signal 9" and not step["expected"]


def test_a_step_that_cannot_be_ended_is_not_started_twice(fake, monkeypatch):
    monkeypatch.setattr(stopping, "KILL_AGAIN_S", 0.02)
    stop = fake.steps.stopper.stop
    monkeypatch.setattr(fake.steps.stopper, "stop", lambda steps: stop(steps, give_up_s=0.1))
    monkeypatch.setattr(fake.slurm, "signal", lambda step_ids, name: True)
    start(fake, make_step("a", stop_grace_s=0.01))
    with pytest.raises(Error, match="a could not be ended"):
        start(fake, make_step("a", digest="new"))
    assert fake.records()["a"]["state"] == "running" and len(fake.slurm.spawned) == 1


class EndingJob:
    """A job that Slurm is about to give to somebody else."""

    restarts = 0

    def __init__(self, preempted=True, may=True):
        self.preempted, self.may_requeue = lambda: preempted, lambda: may

    @staticmethod
    def reason_for(code):
        return REASONS[code]


@pytest.mark.parametrize("how", ["its log", "slurmctld"])
def test_steps_that_slurm_ends_with_the_job_are_not_to_blame(fake, tmp_path, how):
    start(fake, make_step())
    fake.until(lambda records: records["prefill_0"]["state"] == "running")
    if how == "its log":
        line = "slurmstepd-n: error: *** STEP 42.0 ON node001 CANCELLED AT 2026-11-22T02:41:07 DUE TO PREEMPTION ***\n"
        (tmp_path / "logs" / "node001_prefill_0.out").write_text(line)
    else:
        fake.holder.job = EndingJob()
    fake.slurm.end("prefill_0", 1)
    records = fake.until(lambda records: records["prefill_0"]["state"] == "ended")
    assert records["prefill_0"]["expected"]
    assert fake.holder.ending == {"code": "preempted", "reason": f"signal 15: {REASONS['preempted']}"}
    assert not (tmp_path / "evidence").exists()


def test_a_step_that_fails_in_a_job_that_goes_on_is_to_blame(fake, tmp_path):
    fake.holder.job = EndingJob(preempted=False)
    start(fake, make_step())
    fake.until(lambda records: records["prefill_0"]["state"] == "running")
    fake.slurm.end("prefill_0", 1)
    fake.until(lambda records: records["prefill_0"]["state"] == "ended")
    assert fake.holder.ending is None
    assert (tmp_path / "evidence" / "prefill_0.1.json").exists()


@pytest.mark.parametrize("may", [True, False])
def test_a_playbook_may_requeue_its_job(fake, may):
    assert fake.request("requeue", exclude=["n1"])["requeue"] is False  # no playbook runs here

    class Play:
        keep = True

    fake.holder.job, fake.holder.play = EndingJob(may=may), Play()
    assert fake.request("requeue", exclude=["n1"])["requeue"] is may
    assert (fake.holder.requeue_without, fake.holder.play.keep) == ((["n1"], False) if may else (None, True))


def test_the_past_of_a_requeued_job_is_not_a_fault_of_today(fake, tmp_path, monkeypatch):
    start(fake, make_step())
    fake.until(lambda records: records["prefill_0"]["state"] == "running")
    fake.slurm.end("prefill_0", 1)
    fake.until(lambda records: records["prefill_0"]["state"] == "ended")
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    later = FakeDriver(tmp_path)
    assert later.records()["prefill_0"]["expected"] and later.records()["prefill_0"]["step_id"] is None
    start(later, make_step())  # its id is 42.0 again
    records = later.until(lambda records: records["prefill_0"]["state"] == "running")
    assert (records["prefill_0"]["attempt"], records["prefill_0"]["step_id"]) == (2, "42.0")
    later.slurm.end("prefill_0", 0)
