# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder's protocol and the life of steps, over a fake Slurm."""

from __future__ import annotations

import json
import pathlib
import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder import operations, slurm_calls, stopping
from ansible_collections.srt.slurm.plugins.module_utils.holder import steps as holder_steps
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_ends import REASONS
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from fake_holder import FakeDriver, make_step


def start(fake, *steps, **fields):
    specs = [srun.start_request(step, "42", fake.run_dir) for step in steps]
    return fake.request("start", steps=specs, wait_s=10, **fields)


def actions(answer):
    return {action["name"]: action["action"] for action in answer["actions"]}


def events(fake, name=None):
    lines = pathlib.Path(fake.run_dir, "steps.jsonl").read_text().splitlines()
    return [event for event in map(json.loads, lines) if name is None or event.get("name") == name]


def test_start_tells_ids_once_all_run(fake):
    answer = start(fake, make_step("a"), make_step("b"))
    assert actions(answer) == {"a": "started", "b": "started"}
    assert {s["name"]: (s["state"], s["attempt"]) for s in answer["steps"]} == {
        "a": ("running", 1),
        "b": ("running", 1),
    }
    assert len({s["step_id"] for s in answer["steps"]}) == 2
    assert answer["steps"][0]["log"] == "logs/node001_a.out"
    assert [e["event"] for e in events(fake, "a")] == ["start", "running"]


def test_equal_digest_is_kept_another_replaced_and_a_dead_step_started_again(fake):
    first = start(fake, make_step("a"), make_step("b"), make_step("c"))
    fake.slurm.end("c", 1)
    fake.until(lambda steps: steps["c"]["state"] == "ended")
    answer = start(fake, make_step("a"), make_step("b", digest="another"), make_step("c"))
    assert actions(answer) == {"a": "kept", "b": "replaced", "c": "replaced"}
    ids = [{s["name"]: s["step_id"] for s in a["steps"]} for a in (first, answer)]
    assert ids[0]["a"] == ids[1]["a"] and ids[0]["b"] != ids[1]["b"] and ids[0]["c"] != ids[1]["c"]
    assert {s["name"]: s["attempt"] for s in answer["steps"]} == {"a": 1, "b": 2, "c": 2}
    ended = next(e for e in events(fake, "b") if e["event"] == "end")
    assert ended["expected"] and ended["signal"] == 15


def test_restart_replaces_all(fake):
    start(fake, make_step("a"))
    assert actions(start(fake, make_step("a"), restart=True)) == {"a": "replaced"}


def test_log_of_an_earlier_attempt_is_kept(fake, tmp_path):
    start(fake, make_step("a"))
    (tmp_path / "logs" / "node001_a.out").write_text("first")
    start(fake, make_step("a"), restart=True)
    assert (tmp_path / "logs" / "node001_a.out.1").read_text() == "first"
    (tmp_path / "logs" / "node001_a.out").write_text("second")
    start(fake, make_step("a"), restart=True)
    assert (tmp_path / "logs" / "node001_a.out.1").read_text() == "first"
    assert (tmp_path / "logs" / "node001_a.out.2").read_text() == "second"


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


def test_passing_faults_of_slurm_are_tried_again(fake):
    fake.slurm.outcomes["a"] = [
        (1, "srun: error: Unable to create step for job 42: Memory required by task is not available")
    ]
    answer = start(fake, make_step("a"))
    assert answer["steps"][0]["state"] == "running"
    assert [e["event"] for e in events(fake, "a")] == ["start", "retry", "start", "running"]


def test_trying_again_has_an_end(fake):
    fake.slurm.outcomes["a"] = [(1, "srun: error: Unable to contact slurm controller (connect failure)")] * 9
    step = start(fake, make_step("a"))["steps"][0]
    assert step["state"] == "ended" and not step["expected"]
    assert "Unable to contact slurm controller" in step["reason"]
    assert len(fake.slurm.spawned) == 3


def test_another_fault_is_not_tried_again(fake):
    fake.slurm.outcomes["a"] = [(2, "srun: error: node001: task 0: Exited with exit code 2")]
    assert start(fake, make_step("a"))["steps"][0]["exit_code"] == 2
    assert len(fake.slurm.spawned) == 1


def test_a_second_benchmark_does_not_begin_while_one_runs(fake):
    start(fake, make_step("bench_c1", tier="benchmark"))
    assert actions(start(fake, make_step("bench_c2", tier="benchmark"))) == {"bench_c2": "busy"}
    assert "bench_c2" not in fake.records()
    assert actions(start(fake, make_step("bench_c1", tier="benchmark"))) == {"bench_c1": "kept"}
    fake.request("stop", names=["bench_c1"])
    assert actions(start(fake, make_step("bench_c2", tier="benchmark"))) == {"bench_c2": "started"}


def test_stop_goes_by_tiers_and_in_one_call_each(fake):
    tiers = {"nats": "head_infra", "w0": "worker", "w1": "worker", "f": "frontend", "load": "benchmark"}
    start(fake, *[make_step(name, tier=tier) for name, tier in tiers.items()])
    names = {s["step_id"]: s["name"] for s in fake.request("status")["steps"]}
    answer = fake.request("stop", names=list(tiers) + ["unknown"])
    assert [(sig, sorted(names[i] for i in ids)) for sig, ids in fake.slurm.signalled] == [
        ("TERM", ["load"]),
        ("TERM", ["f"]),
        ("TERM", ["w0", "w1"]),
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


def test_a_step_without_a_client_is_adopted_if_its_digest_is_right(fake, monkeypatch):
    monkeypatch.setattr(fake.steps, "_is_gone", lambda step, limit_s=None: limit_s is None)
    monkeypatch.setattr(fake.steps, "_observe", lambda step: None)
    start(fake, make_step("a"), make_step("b"))
    for name in "ab":
        fake.slurm.kill_client(name, task_too=False)
    fake.until(lambda steps: all(s["state"] == "unowned" for s in steps.values()))
    fake.slurm.running = {i: n for i, n in fake.slurm.running.items() if n != "b"}
    fake.steps.note(fake.steps.by_name["b"], "end", state="ended")
    assert actions(start(fake, make_step("a"), make_step("b", digest="new"))) == {"a": "adopted", "b": "replaced"}


def test_a_new_holder_finds_what_an_earlier_one_started(fake, tmp_path):
    start(fake, make_step("a"), make_step("b"), make_step("c"))
    fake.request("stop", names=["c"])
    fake.slurm.running = {i: n for i, n in fake.slurm.running.items() if n == "a"}
    with open(tmp_path / "steps.jsonl", "a", encoding="utf-8") as stream:
        stream.write('{"name": "a", "cut')
    later = FakeDriver(tmp_path, slurm=fake.slurm)
    records = later.records()
    assert (records["a"]["state"], records["b"]["state"], records["c"]["state"]) == ("unowned", "ended", "ended")
    assert records["b"]["expected"] and later.request("wait", checks=[], slice_s=0.05)["ended"] == []
    assert actions(start(later, make_step("a"), make_step("b"))) == {"a": "adopted", "b": "replaced"}
    assert later.records()["b"]["attempt"] == 2
    fake.slurm.running.clear()
    gone = later.until(lambda steps: steps["a"]["state"] == "ended")["a"]
    assert "exit code is unknown" in gone["reason"] and not gone["expected"]


def test_a_controller_that_waits_for_an_answer_is_alive(fake):
    """A wait of some seconds is a sign of life all the time, and the lease counts from its end."""
    start(fake, make_step("a"))
    fake.request("status", lease_s=0.3)
    keeper = threading.Thread(target=fake.holder.keep_lease, daemon=True)
    keeper.start()
    assert fake.request("wait", guard=[], watch=["a"], slice_s=0.9)["ending"] is None
    assert fake.holder.lease.left_s() > 0.1
    keeper.join(5.0)
    assert fake.holder.ending == {"code": "lease_expired", "reason": "no controller for 0.3 s"}


def test_lease_is_renewed_only_by_who_says_so_and_ends_the_job(fake):
    fake.request("status", lease_s=0.2)
    start(fake, make_step("a"))
    fake.request("status", renew=False)
    fake.holder.keep_lease()
    assert fake.holder.ending == {"code": "lease_expired", "reason": "no controller for 0.2 s"}
    fake.holder.finish()
    assert fake.records()["a"]["expected"]
    with pytest.raises(Error, match="^Job 42 is ending: no controller for 0.2 s"):
        start(fake, make_step("b"))
    assert [(e["phase"], e.get("reason")) for e in events(fake) if e["event"] == "holder"] == [
        ("begin", None),
        ("ending", "no controller for 0.2 s"),
        ("ended", None),
    ]


def test_end_is_answered_first(fake):
    start(fake, make_step("a"))
    assert fake.request("end", reason="enough")["ending"] == {"code": "requested", "reason": "enough"}
    fake.holder.keep_lease()
    fake.holder.finish()
    assert fake.records()["a"]["state"] == "ended"


def test_another_protocol_is_refused_with_what_to_do(fake):
    answer = fake.operations.handle({"v": 99, "op": "status"})
    assert not answer["ok"] and "speaks protocol 1" in answer["error"] and "end the job" in answer["error"]


@pytest.mark.parametrize("request_", [{"op": "fly"}, {}, {"op": "start"}, {"op": "wait", "checks": [{}]}])
def test_a_bad_request_gets_an_answer(fake, request_):
    answer = fake.operations.handle(dict(request_, v=operations.PROTOCOL))
    assert answer["ok"] is False and answer["error"]


def test_an_answer_has_only_what_is_new_to_the_controller(fake):
    known = driver.known_of(start(fake, make_step("a"), make_step("b")))
    assert fake.request("status", known=known)["steps"] == []
    fake.slurm.end("b", 3)
    fake.until(lambda steps: steps["b"]["state"] == "ended")
    assert [s["name"] for s in fake.request("status", known=known)["steps"]] == ["b"]


def test_progress_files_are_read_inside_the_run_directory_only(fake, tmp_path):
    (tmp_path / "p.json").write_text('{"done": 3}')
    (tmp_path.parent / "secret.json").write_text('{"a": 1}')
    answer = fake.request("wait", checks=[], slice_s=0.01, progress=["p.json", "../secret.json", "absent.json"])
    assert answer["progress"] == {"p.json": {"done": 3}, "../secret.json": None, "absent.json": None}


def test_a_full_disk_costs_the_record_not_the_service(fake, tmp_path):
    (tmp_path / "steps.jsonl").unlink()
    (tmp_path / "steps.jsonl").mkdir()
    answer = start(fake, make_step("a"))
    assert answer["steps"][0]["state"] == "running" and "steps.jsonl" in answer["trouble"]


def test_two_controllers_start_a_step_once(fake):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(start(fake, make_step("a")))) for _turn in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(actions(a)["a"] for a in answers) == ["kept"] * 7 + ["started"]
    assert len(fake.slurm.spawned) == 1


def test_the_environment_of_clients_is_clean(monkeypatch, tmp_path):
    for name in ("SLURM_JOB_ID", "SLURM_CONF", "CUDA_VISIBLE_DEVICES", "PMIX_RANK", "HARMLESS"):
        monkeypatch.setenv(name, "x")
    err = tmp_path / "err"
    client = slurm_calls.Slurm("1").spawn(["env"], {"CUDA_VISIBLE_DEVICES": "3"}, str(err))
    assert client.wait() == 0
    seen = dict(line.split("=", 1) for line in err.read_text().splitlines() if "=" in line)
    assert seen["SLURM_CONF"] == "x" and seen["HARMLESS"] == "x" and seen["CUDA_VISIBLE_DEVICES"] == "3"
    assert "SLURM_JOB_ID" not in seen and "PMIX_RANK" not in seen


def test_a_step_that_cannot_be_ended_is_not_started_twice(fake, monkeypatch):
    monkeypatch.setattr(stopping, "KILL_AGAIN_S", 0.02)
    stop = fake.steps.stopper.stop
    monkeypatch.setattr(fake.steps.stopper, "stop", lambda steps: stop(steps, give_up_s=0.1))
    monkeypatch.setattr(fake.slurm, "signal", lambda step_ids, name: True)
    start(fake, make_step("a", stop_grace_s=0.01))
    with pytest.raises(Error, match="a could not be ended"):
        start(fake, make_step("a", digest="new"))
    assert fake.records()["a"]["state"] == "running" and len(fake.slurm.spawned) == 1


def test_an_old_message_is_not_taken_for_the_end_of_a_new_try(fake):
    fake.slurm.outcomes["a"] = [
        (1, "srun: error: Unable to contact slurm controller (connect failure)"),
        (2, "srun: error: node001: task 0: Exited with exit code 2"),
    ]
    step = start(fake, make_step("a"))["steps"][0]
    assert (step["exit_code"], step["reason"]) == (2, "exited with code 2 on node001") and len(fake.slurm.spawned) == 2


class TakenJob:
    """A job that Slurm is about to give to somebody else."""

    restarts = 0

    def __init__(self, preempted=True, may=True):
        self.preempted, self.may_requeue = lambda: preempted, lambda: may

    @staticmethod
    def words(code):
        return REASONS[code]


@pytest.mark.parametrize("how", ["its log", "slurmctld"])
def test_steps_that_slurm_ends_with_the_job_are_not_to_blame(fake, tmp_path, how):
    start(fake, make_step())
    fake.until(lambda records: records["prefill_0"]["state"] == "running")
    if how == "its log":
        line = "slurmstepd-n: error: *** STEP 42.0 ON node001 CANCELLED AT 2026-11-22T02:41:07 DUE TO PREEMPTION ***\n"
        (tmp_path / "logs" / "node001_prefill_0.out").write_text(line)
    else:
        fake.holder.job = TakenJob()
    fake.slurm.end("prefill_0", 1)
    records = fake.until(lambda records: records["prefill_0"]["state"] == "ended")
    assert records["prefill_0"]["expected"]
    assert fake.holder.ending == {"code": "preempted", "reason": f"signal 15: {REASONS['preempted']}"}
    assert not (tmp_path / "evidence").exists()


def test_a_step_that_fails_in_a_job_that_goes_on_is_to_blame(fake, tmp_path):
    fake.holder.job = TakenJob(preempted=False)
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

    fake.holder.job, fake.holder.play = TakenJob(may=may), Play()
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
