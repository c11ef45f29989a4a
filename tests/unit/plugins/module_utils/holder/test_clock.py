# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder's clock: what is done to the clock of the machine changes no order."""

from __future__ import annotations

import datetime
import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.holder import utc
from ansible_collections.srt.slurm.plugins.module_utils.holder.journal import Journal
from fake_holder import events, make_step, start


@pytest.fixture(autouse=True)
def _own_zero(monkeypatch):
    monkeypatch.setattr(utc, "_ZERO", list(utc._ZERO))


@pytest.fixture
def wall(monkeypatch):
    """Return a function that sets the clock of the machine by so many seconds."""
    real = utc.time.time

    class Moved(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return datetime.datetime.fromtimestamp(utc.time.time(), tz)

    def move(seconds):
        monkeypatch.setattr(utc.time, "time", lambda: real() + seconds)
        monkeypatch.setattr(utc.datetime, "datetime", Moved)

    return move


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_times_go_on_evenly_when_the_clock_is_set(fake, wall, seconds):
    start(fake, make_step("decode_0"))
    before = fake.request("status")
    wall(seconds)
    start(fake, make_step("decode_1"))
    fake.slurm.end("decode_0", 1)
    records = fake.until(lambda found: found["decode_0"]["state"] == "ended")
    after = fake.request("status")
    ended = records["decode_0"]["ended_at"]
    assert before["now"] <= records["decode_1"]["started_at"] <= ended <= after["now"]
    assert driver.age_s(after, records["decode_0"]["started_at"]) < 60
    pause = {"from": before["now"], "to": ended, "s": 7.0}
    assert [driver.recently_paused_s(dict(after, pauses=[pause]), within_s) for within_s in (120.0, -1.0)] == [7.0, 0.0]
    times = [event["t"] for event in events(fake)]
    assert times == sorted(times)


def test_a_holder_goes_on_from_the_times_of_the_one_before(tmp_path):
    """The clock may have been set back between the two, or be that of another host."""
    last = utc.utc_now(-3600)
    (tmp_path / "steps.jsonl").write_text(json.dumps({"t": last, "event": "holder"}) + "\n")
    journal = Journal(str(tmp_path))
    journal.write("x")
    assert json.loads((tmp_path / "steps.jsonl").read_text().splitlines()[-1])["t"] > last
    assert utc.utc_now() < utc.utc_now(-1)


def test_a_journal_with_other_times_changes_nothing(tmp_path):
    (tmp_path / "steps.jsonl").write_text('{"t": "tomorrow"}\n{"event": "x"}\n')
    before = list(utc._ZERO)
    Journal(str(tmp_path))
    assert before == utc._ZERO
