# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a service in an allocation of somebody else, with its holder killed: by the ids of its steps only."""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import adopted, driver
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.holder import journal, slurm_calls, stopping
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands


def event(name, tier, step_id, state="running", **more):
    """Return a line of steps.jsonl."""
    known = {"t": "2026-01-01T00:00:00Z", "event": state, "name": name, "tier": tier, "digest": "d", "nodes": ["n1"]}
    known.update(state=state, step_id=step_id, critical=True, log=f"logs/{name}.out", stop_grace_s=5)
    return dict(known, **more)


EVENTS = [
    {"event": "holder", "phase": "begin"},
    event("nats", "head_infra", "8.1"),
    event("decode_0", "worker", "8.2", restarts=3, stop_grace_s=0.5),
    event("gone", "worker", "8.3", state="ended"),
    event("old", "worker", "8.4"),  # it ended after its holder
    event("frontend_0", "frontend", "8.5"),
    event("bench_c2", "benchmark", None, state="starting", pid=4711),
    event("bench_c4", "benchmark", None, state="starting", pid=4712),
]
OURS = {"8.1": "nats", "8.2": "decode_0", "8.5": "frontend_0", "8.6": "bench_c2"}
OTHERS = {"8.0": "mine", "8.7": "nats", "8.8": "bench_c4", "8.9": "gone"}  # the last two have our names only


@pytest.fixture
def slurm(queue, tmp_path, monkeypatch):
    """An allocation of somebody else that runs steps of ours, without a holder, and other steps."""
    running, sent = dict(OURS, **OTHERS), []
    made = types.SimpleNamespace(running=running, sent=sent, stubborn=set(), holders=[], answers=True)
    made.works = ["KILL"]  # the signals that a stubborn step obeys

    def call(_timeout_s, *argv):
        if not made.answers:
            return None
        if argv[0] == "scancel":
            signal, step_ids = argv[1].partition("=")[2], argv[2:]
            sent.append((signal, [running.get(step_id) for step_id in step_ids]))
            for step_id in step_ids:
                if signal in made.works or running.get(step_id) not in made.stubborn:
                    running.pop(step_id, None)
        text = "".join(f"{step_id}|{name}\n" for step_id, name in running.items())
        return types.SimpleNamespace(returncode=0, stdout=text)

    def nobody(*_args, **_options):
        raise driver.HolderGone("nobody is there")

    job_id = queue.add(name="mine", comment="", submitted_at="2026-01-01T00:00:07Z", user="me")
    queue.queue[job_id].update(state="RUNNING", nodelist="n[1-2]")
    made.folder = tmp_path / "out" / job_id
    (made.folder / ".secrets").mkdir(parents=True)
    (made.folder / "programs" / "holder").mkdir(parents=True)
    (made.folder / f"{job_id}.json").write_text('{"submitted_at": "2026-01-01T00:00:07Z"}')
    (made.folder / "steps.jsonl").write_text("".join(json.dumps(one) + "\n" for one in EVENTS))
    monkeypatch.setattr(slurm_calls, "call", call)
    monkeypatch.setattr(adopted, "client_of", lambda step_id: {"8.6": "4711", "8.8": "99"}[step_id])
    monkeypatch.setattr(adopted, "GONE_S", 0.2)
    monkeypatch.setattr(commands, "part_ids", lambda job_id: [job_id])
    monkeypatch.setattr(commands, "step_names", lambda job_id: made.holders)
    monkeypatch.setattr(driver, "connect", nobody)
    return made


def absent(do, **options):
    """End the service in job 8."""
    return do("absent", allocation=None, job_id="8", **options)


def test_steps_without_a_holder_end_in_tiers_by_their_ids_and_nothing_else(slurm, queue, do):
    slurm.stubborn = {"decode_0"}
    result = absent(do)
    assert (result["changed"], result["actions"]) == (True, ["ended"])
    assert slurm.running == OTHERS
    assert slurm.sent == [
        ("TERM", ["bench_c2"]), ("TERM", ["decode_0", "frontend_0"]), ("KILL", ["decode_0"]), ("TERM", ["nats"]),
    ]  # fmt: skip
    assert list(queue.queue) == ["8"]
    assert not (slurm.folder / ".secrets").exists()
    last = journal.latest_events(str(slurm.folder))
    assert {last[name]["state"] for name in OURS.values()} == {"ended"}
    assert {last[name]["expected"] for name in OURS.values()} == {True}
    assert absent(do)["changed"] is False


def test_steps_without_a_holder_are_killed_when_end_timeout_s_is_over(slurm, do):
    patient = [dict(one, stop_grace_s=3600) if one.get("name") else one for one in EVENTS]
    (slurm.folder / "steps.jsonl").write_text("".join(json.dumps(one) + "\n" for one in patient))
    slurm.stubborn = {"frontend_0"}
    assert absent(do, end_timeout_s=0.1)["actions"] == ["ended"]
    assert "frontend_0" in [name for signal, names in slurm.sent if signal == "KILL" for name in names]
    assert slurm.running == OTHERS


def test_check_mode_says_that_there_is_something_to_end(slurm, do):
    assert absent(do, ctx=Context(check_mode=True))["actions"] == ["ended"]
    assert slurm.sent == []
    slurm.running.clear()
    assert absent(do, ctx=Context(check_mode=True))["changed"] is False
    assert (slurm.folder / ".secrets").exists()


def test_a_holder_that_runs_and_does_not_answer_is_not_passed_by(slurm, do):
    slurm.holders.append("srt_holder")
    with pytest.raises(SlurmError, match=r"A holder runs in job 8 but does not answer .*Nothing was ended"):
        absent(do)
    assert slurm.sent == []
    assert (slurm.folder / ".secrets").exists()


def test_steps_that_do_not_end_are_named(slurm, do, monkeypatch):
    slurm.stubborn, slurm.works = {"decode_0"}, []
    monkeypatch.setattr(stopping.Stopper.stop_in_tiers, "__defaults__", (0.1, 0.1))
    with pytest.raises(SlurmError, match=r"Steps of job 8 do not end: decode_0 \(8\.2\)"):
        absent(do)
    assert (slurm.folder / ".secrets").exists()


def test_a_slurm_that_does_not_answer_is_not_an_end(slurm, do, monkeypatch):
    monkeypatch.setattr(commands, "PATIENCE_S", 0.1)
    slurm.answers = False
    with pytest.raises(SlurmError, match="does not list the steps of job 8"):
        absent(do)
    assert (slurm.folder / ".secrets").exists()


@pytest.mark.parametrize(
    "state, how, command",
    [("SUSPENDED", "resume", "scontrol resume 8"), ("STOPPED", "go_on", "scancel --signal=CONT 8")],
)
def test_a_suspended_allocation_is_resumed_for_the_end_or_left_alone(
    slurm, queue, do, monkeypatch, state, how, command
):
    queue.queue["8"]["state"] = state
    monkeypatch.setattr(commands, how, lambda job_id: "Access/permission denied")
    with pytest.raises(Error, match=command):
        absent(do)
    assert slurm.sent == []
    assert (slurm.folder / ".secrets").exists()

    def resume(job_id):
        queue.queue[job_id]["state"] = "RUNNING"
        return ""

    monkeypatch.setattr(commands, how, resume)
    assert absent(do)["changed"] is True
    assert slurm.running == OTHERS


def test_the_client_of_a_step_as_slurm_tells_it(program):
    program("squeue", "echo 8; echo 9")
    program("scontrol", '[ "$4" = 8.2 ] && echo "StepId=8.2 UserId=0 CPUFreqReq=Default SrunHost:Pid=login-1:6733"')
    assert adopted.LeftSteps("8").jobs == "8,9"
    assert (adopted.client_of("8.2"), adopted.client_of("8.3")) == ("6733", "")


class Answers:
    """A holder that gives one of *answers* after the other; None: nobody answers."""

    def __init__(self, *answers):
        self.answers = list(answers)

    def request(self, op, **_options):
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            raise driver.HolderGone("nobody is there")
        return answer


@pytest.mark.parametrize(
    ("answers", "steps", "lacks"),
    [
        pytest.param([None], [], True, id="nobody"),
        pytest.param([{"ending": None}], ["srt_holder"], False, id="one that serves"),
        pytest.param([None, None, {"ending": None}], ["srt_holder"], False, id="one that has just begun"),
        pytest.param(
            [{"ending": {"code": "requested", "reason": "x"}}, {"ending": {"code": "requested", "reason": "x"}}, None],
            [],
            True,
            id="one that ended",
        ),
    ],
)
def test_whether_the_allocation_needs_a_holder(slurm, queue, monkeypatch, answers, steps, lacks):
    holder = Answers(*answers)
    monkeypatch.setattr(driver, "connect", lambda *args, **options: holder)
    monkeypatch.setattr(
        commands, "step_names", lambda job_id: steps or ["srt_holder"] * (holder.answers[0] is not None)
    )
    assert adopted.lacks_holder(queue.queue["8"], str(slurm.folder), Context()) is lacks


def test_a_holder_of_another_run_directory_is_not_joined(slurm, queue, monkeypatch):
    monkeypatch.setattr(adopted, "BEGUN_S", 0.2)
    slurm.holders.append("srt_holder")
    with pytest.raises(Error, match="has a service whose run directory is not"):
        adopted.lacks_holder(queue.queue["8"], str(slurm.folder), Context())


def test_no_holder_is_started_while_slurm_does_not_say_what_runs(slurm, queue, do, monkeypatch):
    def silent(job_id):
        raise SlurmError("squeue failed: Unable to contact slurm controller")

    monkeypatch.setattr(commands, "step_names", silent)
    monkeypatch.setattr(adopted.slurm_calls, "account", lambda: "me")
    monkeypatch.setattr(adopted, "start_holder", lambda *args: pytest.fail("a holder was started"))
    with pytest.raises(SlurmError, match="Unable to contact"):
        adopted.lacks_holder(queue.queue["8"], str(slurm.folder), Context())
    with pytest.raises(SlurmError, match="Unable to contact"):
        do("running", allocation=None, job_id="8")
