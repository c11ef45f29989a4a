# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that Slurm suspends: noticed by its holder, waited for by who talks to it, and never held against it."""

from __future__ import annotations

import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver, ending
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder.lease import Heartbeat
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands
from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait
from fake_holder import make_plan

PAUSE = {"from": "2026-11-22T06:00:00.000Z", "to": "2026-11-22T06:00:20.000Z", "s": 20.0}


def test_a_heartbeat_that_stops_is_noticed():
    heartbeat, ago = Heartbeat(), "{:.1f} s ago".format
    assert [heartbeat.beat(now, ago) for now in (100.0, 101.0, 103.5)] == [None] * 3
    assert heartbeat.beat(115.5, ago) == {"from": "12.0 s ago", "to": "0.0 s ago", "s": 12.0}
    assert heartbeat.beat(116.0, ago) is None
    assert len(heartbeat.pauses) == 1


def test_the_lease_does_not_run_while_the_holder_is_paused(fake):
    lease = fake.holder.lease
    lease.heartbeat.last_at = time.monotonic() - 50.0
    lease.renewed_at, lease.lease_s = time.monotonic() - 52.0, 10.0
    answer = fake.request("status", renew=False)
    assert 7.0 < answer["lease"]["left_s"] <= 8.0
    assert [pause["s"] for pause in answer["pauses"]] == [50.0]


@pytest.mark.parametrize(
    ("begin", "end", "seconds"),
    [
        ("", "9", 20.0),
        ("2026-11-22T06:00:19.000Z", "2026-11-22T06:01:00.000Z", 20.0),
        ("2026-11-22T06:00:21.000Z", "9", 0),
        ("", "2026-11-22T05:59:00.000Z", 0),
    ],
)
def test_how_long_the_job_was_paused(begin, end, seconds):
    assert driver.paused_s({"pauses": [PAUSE]}, begin, end) == seconds
    assert driver.paused_s({}, begin, end) == 0


def test_how_long_something_has_had_the_time_of_the_job():
    answer = {"now": "2026-11-22T06:01:00.500Z", "pauses": [PAUSE]}
    assert driver.age_s(answer, "2026-11-22T06:00:30.000Z") == 30.5
    assert driver.age_s(answer, "2026-11-22T06:00:10.000Z") == 30.5
    assert driver.age_s(answer, "2026-11-22T06:02:00.000Z") == 0.0
    assert driver.age_s(answer, None) == 0.0


@pytest.mark.parametrize("still", ["suspended", "stopped"])
def test_a_holder_that_is_suspended_is_waited_for_beyond_all_patience(monkeypatch, tmp_path, still):
    states, lines = [still.upper()] * 3 + ["RUNNING"], []
    talk = driver.HolderDriver("42", str(tmp_path), "n1", patience_s=0.01)
    talk.report = lines.append

    def exchange(text, timeout_s):
        if states[1:]:
            raise driver.HolderGone("no word")
        return "{}"

    monkeypatch.setattr(talk, "_exchange", exchange)
    monkeypatch.setattr(commands, "jobs", lambda job_id, patience_s: [{"id": job_id, "state": states.pop(0)}])
    assert talk.exchange("", 1.0) == "{}"
    assert lines == [f"job 42 is {still} by Slurm; waiting until it continues"] * 3
    states[:] = ["RUNNING"] * 9
    with pytest.raises(driver.HolderGone):
        talk.exchange("", 1.0)


def test_health_waits_longer_by_what_the_job_was_paused(fake, monkeypatch):
    plan = make_plan(fake.run_dir, [], checks=[{"name": "x", "kind": "tcp", "host": "127.0.0.1", "port": 1}])
    fake.holder.lease.heartbeat.pauses = [{"from": "2026", "to": "2999", "s": 0.5}]
    began = time.monotonic()
    with pytest.raises(Error, match="not healthy after 0.2 s"):
        health_wait.run({"plan": plan, "timeout_s": 0.2, "slice_s": 0.05}, Context())
    assert time.monotonic() - began >= 0.7


@pytest.fixture
def suspended(queue, do):
    """A job of ours that is suspended."""
    do(secrets={"srt-secret:A": "a"})
    queue.queue["8"]["state"] = "SUSPENDED"
    queue.calls.clear()
    return queue


def test_the_end_of_a_suspended_job_is_an_ordinary_one(suspended, do, fake, monkeypatch):
    def resume(job_id):
        suspended.calls.append(f"resume {job_id}")
        suspended.queue[job_id]["state"] = "RUNNING"
        return ""

    monkeypatch.setattr(commands, "resume", resume)
    checked = do("absent", ctx=Context(check_mode=True))
    assert (checked["actions"], suspended.calls) == (["ended"], [])
    result = do("absent")
    assert (result["actions"], result["notes"]) == (["ended"], [])
    assert suspended.calls == ["resume 8"]
    assert fake.holder.ending["reason"].startswith("its end was requested (")


@pytest.mark.parametrize(
    ("said", "why"), [("Access/permission denied", "Access/permission denied"), ("", "it is still suspended")]
)
def test_a_suspended_job_that_cannot_be_resumed_is_cancelled(suspended, do, fake, monkeypatch, tmp_path, said, why):
    monkeypatch.setattr(commands, "resume", lambda job_id: said)
    monkeypatch.setattr(ending, "RESUMED_S", 0.2)
    result = do("absent")
    assert result["changed"]
    assert suspended.calls == ["cancel 8"]
    assert not fake.holder.ending
    assert f"could not be resumed for an orderly end: {why}" in result["notes"][0]
    assert not (tmp_path / "out" / "8" / ".secrets").exists()


def test_resume_says_why_slurm_does_not_want_it(program):
    program("scontrol", '[ "$*" = "resume 8" ] || { echo "Access/permission denied for job 9" >&2; exit 1; }')
    assert commands.resume("8") == ""
    assert commands.resume("9").endswith("Access/permission denied for job 9")
