# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder's protocol and the life of steps, over a fake Slurm."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder import operations, slurm_calls
from fake_holder import FakeDriver, actions, events, make_step, start


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


def test_an_old_message_is_not_taken_for_the_end_of_a_new_try(fake):
    fake.slurm.outcomes["a"] = [
        (1, "srun: error: Unable to contact slurm controller (connect failure)"),
        (2, "srun: error: node001: task 0: Exited with exit code 2"),
    ]
    step = start(fake, make_step("a"))["steps"][0]
    assert (step["exit_code"], step["reason"]) == (2, "exited with code 2 on node001") and len(fake.slurm.spawned) == 2
