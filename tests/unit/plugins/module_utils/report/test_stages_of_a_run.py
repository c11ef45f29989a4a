# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of a run went."""

from __future__ import annotations

import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.report import stages


def test_the_stages_follow_each_other_without_gaps():
    begin = stages.seconds(report_runs.stamp(0))
    found = stages.stages(report_runs.journal(), begin - 30)
    assert [(one.name, round(one.seconds, 3)) for one in found] == [
        ("wait for nodes", 30.0),
        ("start", 1.0),
        ("preflight", 2.0),
        ("NATS and etcd", 1.0),
        ("workers", 6.0),
        ("frontends", 0.2),
        ("health", 9.8),
        ("measurement bench_c4", 15.0),
        ("between points", 5.0),
        ("measurement bench_c16", 15.0),
        ("rollup", 15.0),
        ("clean end", 10.0),
    ]
    assert all(one.end == other.begin for one, other in zip(found, found[1:]))


def test_a_step_that_ended_unexpectedly_is_a_fault_and_a_measurement_is_not():
    found = {one.name: one.fault for one in stages.steps(report_runs.journal(fault="decode_1"))}
    assert found.pop("decode_1") == "exited with code 1 on node0003"
    assert set(found.values()) == {""}


def test_each_attempt_of_a_step_is_a_bar():
    events = report_runs.journal()
    again = {**events[-3], "name": "decode_0", "attempt": 2, "tier": "worker", "started_at": report_runs.stamp(50)}
    names = [one.name for one in stages.steps([*events, again])]
    assert "decode_0" in names and "decode_0 (attempt 2)" in names


def test_a_requeued_job_shows_its_last_attempt():
    first, last = report_runs.journal(points=("bench_c4",)), report_runs.journal(points=("bench_c16",))
    names = [one.name for one in stages.stages([*first, *last], 0.0)]
    assert "measurement bench_c16" in names and "measurement bench_c4" not in names and "wait for nodes" not in names


def test_a_journal_of_nothing_or_of_something_else_has_no_stages():
    for events in ([], [{"t": "yesterday"}], [{"event": "holder"}], [{"name": "x", "started_at": None}]):
        assert stages.stages(events) == [] and stages.steps(events) == []


def test_an_event_of_something_else_is_no_step():
    odd = [{"name": [], "started_at": "x"}, {"name": "a", "attempt": [], "started_at": "2026-11-25T10:00:00Z", "t": 5}]
    assert [part.name for part in stages.steps(odd)] == ["a"]
