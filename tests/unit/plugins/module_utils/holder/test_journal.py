# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a holder knows of the past: every end of a part of the service, and what an earlier holder left running."""

from __future__ import annotations

import json
import pathlib
import socket

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder import journal, utc
from ansible_collections.srt.slurm.plugins.module_utils.holder import steps as holder_steps
from ansible_collections.srt.slurm.plugins.module_utils.holder.holder import Holder
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_watch import Job
from fake_holder import FakeDriver, make_step, start


@pytest.fixture
def service():
    """The port of a service that listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def ended(answer):
    return [(one["name"], one["attempt"], one["signal"], one["expected"]) for one in answer["ends"]]


@pytest.mark.parametrize(("restarts", "size"), [(0, 0), (1, 5)])
def test_a_holder_records_where_the_output_of_its_job_attempt_begins(tmp_path, monkeypatch, restarts, size):
    (tmp_path / "slurm-42.out").write_text("error")
    monkeypatch.setenv("SLURM_RESTART_COUNT", str(restarts))
    Holder(Job("42", str(tmp_path)), str(tmp_path))
    assert journal.events(str(tmp_path))[-1]["output_begin"] == size


def test_every_end_of_a_step_of_the_service_is_listed(fake, monkeypatch):
    monkeypatch.setattr(holder_steps, "RESTART_PAUSES_S", (0.01,))
    start(fake, make_step("a", restarts=1), make_step("b"), make_step("load", tier="benchmark"))
    fake.slurm.end("a", 137, "srun: error: node001: task 0: Killed")
    fake.until(lambda steps: steps["a"]["attempt"] == 2 and steps["a"]["state"] == "running")
    fake.request("stop", names=["b", "load"])
    answer = start(fake, make_step("b", digest="another"))
    assert {r["name"]: r["state"] for r in answer["steps"]} == {"a": "running", "b": "running", "load": "ended"}
    assert ended(answer) == [("a", 1, 9, False), ("b", 1, 15, True)]
    first = answer["ends"][0]
    assert first["from"] < first["to"] < answer["ends"][1]["to"]
    assert (first["tier"], first["nodes"], first["critical"]) == ("worker", ["node001"], True)
    assert [one["digest"] for one in answer["ends"]] == ["digest of a", "digest of b"]
    assert first["reason"] == "killed by signal 9 on node001"


def test_a_new_holder_knows_the_ends_that_an_earlier_one_saw(fake, tmp_path):
    start(fake, make_step("a"), make_step("b"))
    fake.request("stop", names=["a"])
    start(fake, make_step("a"))
    fake.slurm.running = {i: n for i, n in fake.slurm.running.items() if n == "a"}
    later = FakeDriver(tmp_path, slurm=fake.slurm)
    answer = later.request("status")
    assert [(one["name"], one["attempt"]) for one in answer["ends"]] == [("a", 1), ("b", 1)]
    assert answer["ends"][0] == fake.request("status")["ends"][0]


LISTING = {"tier": "worker", "by": "etcd", "kept_s": 30.0}


@pytest.mark.parametrize(
    ("end", "began_ago_s", "held"),
    [
        ({"ago_s": 5.0, "expected": False, "exit_code": 1}, 60.0, True),
        ({"ago_s": 5.0, "expected": True, "signal": 9}, 60.0, True),
        ({"ago_s": 5.0, "expected": True, "signal": 15}, 60.0, False),  # it took its leave
        ({"ago_s": 40.0, "expected": False, "signal": 9}, 60.0, False),  # its lease is over
        ({"ago_s": 5.0, "expected": False, "signal": 9}, 2.0, False),  # the list has begun anew
        ({"ago_s": 5.0, "expected": False, "signal": 9}, None, True),
        ({"ago_s": 5.0, "expected": False, "signal": 9, "tier": "frontend"}, 60.0, False),
    ],
)
def test_a_list_of_the_service_may_name_one_that_is_dead(end, began_ago_s, held):
    ends, ago_s = journal.Ends(), end.pop("ago_s")
    ends.add({"name": "a", "tier": "worker", "ended_at": utc.utc_now(ago_s), **end})
    began_at = None if began_ago_s is None else utc.utc_now(began_ago_s)
    why = ends.listed_still(LISTING, began_at)
    assert why == ("a has ended, and may be listed for up to 30 s" if held else None)


def test_a_check_that_counts_workers_is_not_done_while_a_dead_one_may_be_counted(fake, service):
    check = {"name": "workers", "kind": "tcp", "host": "127.0.0.1", "port": service, "listing": dict(LISTING, kept_s=1)}
    start(fake, make_step("a"), make_step("b"), make_step("etcd", tier="head_infra"))
    fake.slurm.end("a", 137, "srun: error: node001: task 0: Killed")
    fake.until(lambda steps: steps["a"]["state"] == "ended")
    first = fake.request("wait", wait_id="1", checks=[check], guard=[], slice_s=0.1)
    assert first["checks"][0]["last_error"] == "a has ended, and may be listed for up to 1 s"
    last = fake.request("wait", wait_id="1", checks=[check], guard=[], slice_s=30)
    assert last["completed"] and 0.4 < last["checks"][0]["elapsed_s"] < 20


def test_the_list_of_ends_has_a_bound():
    ends = journal.Ends()
    for number in range(journal.ENDS + 7):
        ends.add({"name": "a", "tier": "worker", "attempt": number})
    assert [one["attempt"] for one in ends.listed] == list(range(7, journal.ENDS + 7))


@pytest.fixture
def left(fake, monkeypatch):
    """A holder with a step that goes on while the next one begins."""
    monkeypatch.setattr(holder_steps, "LOOK_S", 0.01)
    start(fake, make_step("a"))
    return fake


def test_a_slurm_that_is_silent_for_a_moment_does_not_cost_the_steps_that_run(left, tmp_path, monkeypatch):
    answers, steps = [None, None], left.slurm.steps
    monkeypatch.setattr(left.slurm, "steps", lambda: answers.pop() if answers else steps())
    later = FakeDriver(tmp_path, slurm=left.slurm)
    assert answers == [] and later.records()["a"]["state"] == "unowned"
    (action,) = start(later, make_step("a"))["actions"]
    assert action["action"] == "adopted"


def test_a_slurm_that_stays_silent_is_not_taken_for_one_that_runs_nothing(left, tmp_path, monkeypatch):
    monkeypatch.setattr(holder_steps, "PATIENCE_S", 0.03)
    before = pathlib.Path(tmp_path, "steps.jsonl").read_text()
    left.slurm.mute = True
    with pytest.raises(RuntimeError, match="Slurm does not list the running steps"):
        FakeDriver(tmp_path, slurm=left.slurm)
    assert pathlib.Path(tmp_path, "steps.jsonl").read_text() == before


def test_slurm_is_not_asked_when_nothing_can_run(left, tmp_path):
    left.request("stop", names=["a"])
    left.slurm.mute = True
    assert FakeDriver(tmp_path, slurm=left.slurm).records()["a"]["state"] == "ended"
    (tmp_path / "steps.jsonl").write_text(json.dumps({"name": "x", "state": "ended"}) + "\n{")
    assert set(FakeDriver(tmp_path, slurm=left.slurm).records()) == {"x"}
