# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chaos runs: a result that was measured while a part of the service was dead is a false success."""

from __future__ import annotations

import json

import pytest
from false_successes import falsely_valid, moment


def at(second):
    return f"2026-01-01T00:00:{second:06.3f}Z"


def event(name, state, started, ended=None, tier="worker", **more):
    known = {"t": at(started), "event": "x", "name": name, "tier": tier, "state": state, "started_at": at(started)}
    return dict(known, ended_at=ended and at(ended), expected=False, **more)


@pytest.fixture
def judged(tmp_path):
    """Return a function that gives what is falsely valid for these events; one point, measured from 10 to 20."""

    def judged(*events, since=14, begin=10, end=20, **verdict):
        point = {"step": {"name": "bench_c2"}, "result": "results/x/c2.json"}
        (tmp_path / "plan.json").write_text(json.dumps({"benchmark": {"points": [point]}}))
        (tmp_path / "results" / "x").mkdir(parents=True, exist_ok=True)
        known = {"valid": True, "started_at": at(begin), "ended_at": at(end), "origin": None}
        (tmp_path / "results" / "x" / "c2.verdict.json").write_text(json.dumps(dict(known, **verdict)))
        lines = [json.dumps(dict(one)) for one in ({"event": "holder", "reason": "begin"}, *events)]
        (tmp_path / "steps.jsonl").write_text("\n".join(lines) + '\n{"cut')
        return falsely_valid(tmp_path, moment(at(since)))

    return judged


def test_a_point_during_which_a_worker_died_is_not_valid(judged):
    died = event("decode_0", "ended", 1, 14.5)
    (told,) = judged(event("decode_0", "running", 1), died)
    assert told == "bench_c2 is valid, decode_0 died +4.5 s after it began"
    assert judged(died, begin=16, end=26), "it was dead from the beginning on"
    assert judged(died, valid=False) == []


def test_what_ended_before_is_no_false_success(judged):
    died = event("decode_0", "ended", 1, 14.5)
    assert judged(died, begin=3, end=13) == []
    assert judged(died, begin=3, end=14.2) == [], "it may have lived that long"
    assert judged(died, origin={"job_id": "6"}) == [], "measured in another allocation"


def test_a_point_that_was_measured_again_with_the_step_up_again_is_fine(judged):
    events = event("decode_0", "ended", 1, 14.5), event("decode_0", "running", 15)
    assert judged(*events, begin=16, end=26) == []
    assert judged(*events), "not measured again"


def test_only_what_the_strike_ended_counts(judged):
    assert judged(event("decode_0", "ended", 1, 13.0)) == []
    assert judged(dict(event("decode_0", "ended", 1, 14.5), expected=True)) == []
    assert judged(event("preflight", "ended", 1, 14.5, tier="preflight", exit_code=1)) == []


def test_a_load_client_concerns_its_own_point(judged):
    def client(name, code):
        return event(name, "ended", 9, 15, tier="benchmark", exit_code=code)

    assert judged(client("bench_c2", None))
    assert judged(client("bench_c2", 0)) == []
    assert judged(client("bench_c4", None)) == []
