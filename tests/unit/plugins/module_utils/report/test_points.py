# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which points count, the frontier of each comparison group, and the table at interactivity levels."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.report import frontier, points
from ansible_collections.srt.slurm.plugins.module_utils.report.points import MISSES, Point
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import INVALID, VALID


def made(label, x, y, group="g", state=VALID):
    return Point("run", label, label, group, state, [], {"x": float(x), "y": float(y)}, None, "")


def labels(found):
    return [one.label for one in found]


def test_the_frontier_has_the_points_that_no_other_beats_in_both():
    every = [made("a", 10, 1), made("b", 8, 3), made("c", 7, 2), made("d", 2, 9), made("e", 2, 8)]
    assert labels(frontier.frontier(every, "x", "y", more_is_better=True)) == ["d", "b", "a"]


def test_where_less_is_better_the_frontier_goes_the_other_way():
    every = [made("a", 10, 9), made("b", 8, 3), made("c", 9, 2), made("d", 2, 1)]
    assert labels(frontier.frontier(every, "x", "y", more_is_better=False)) == ["d", "b", "a"]


@pytest.mark.parametrize("state", [INVALID, MISSES, "passed", "changed", "outdated", "not_evaluated"])
def test_no_point_that_does_not_count_is_on_a_frontier_or_in_the_levels(state):
    best, good = made("best", 100, 100, state=state), made("good", 5, 5)
    assert labels(frontier.frontier([best, good], "x", "y", True)) == ["good"]
    _levels, rows = frontier.at_levels([best, good], "x", "y")
    assert {one.label for row in rows.values() for one in row if one} == {"good"}


def test_equal_points_are_on_the_frontier_once():
    assert labels(frontier.frontier([made("a", 5, 5), made("b", 5, 5)], "x", "y", True)) == ["a"]


def test_a_level_has_the_most_throughput_of_the_points_that_reach_it_in_each_group():
    every = [made("slow", 12, 90), made("fast", 60, 30), made("other", 25, 40, group="h")]
    levels, rows = frontier.at_levels(every, "x", "y")
    assert levels == [10, 20, 50]
    assert [one.label for one in rows["g"]] == ["slow", "fast", "fast"]
    assert [one and one.label for one in rows["h"]] == ["other", "other", None]


@pytest.mark.parametrize("values", [[], [0.0], [7.0], [0.0004, 3e6]])
def test_levels_are_few_and_reached(values):
    found = frontier.levels(values)
    assert len(found) <= frontier.MOST_LEVELS and all(one <= max(values) for one in found)
    assert found or not [one for one in values if one > 0]


def test_a_point_misses_its_limits_when_too_few_requests_keep_them():
    assert points.limits_missed({"request_goodput": 9.9, "request_throughput": 10.0}, None) == []
    (reason,) = points.limits_missed({"request_goodput": 5.0, "request_throughput": 10.0}, None)
    assert reason.startswith("50.0 % of its requests kept the latency limits")
    assert points.limits_missed({"request_throughput": 10.0}, None) == []


@pytest.mark.parametrize(
    ("objectives", "missed"),
    [
        ({"p99_ttft_ms": 200.0}, 0),
        ({"p99_ttft_ms": 50.0}, 1),
        ({"output_tps": 50.0}, 0),
        ({"output_tps": 500.0}, 1),
        ({"p99_itl_ms": 5.0}, 1),  # what is not known keeps no objective
    ],
)
def test_a_point_misses_its_limits_when_it_does_not_keep_the_objectives_of_a_search(objectives, missed):
    figures = {"p99_ttft_ms": 100.0, "output_tps": 100.0}
    assert len(points.limits_missed(figures, {"objectives": objectives})) == missed


def test_workloads_are_groups_of_their_own():
    facts = {
        "model_name": "m",
        "gpu_type": "h100",
        "precision": "fp8",
        "benchmark_type": "sa-bench",
        "isl": 8,
        "osl": 4,
    }
    base = points.group_of({"concurrency": 4, "repeat": 2}, facts)
    assert base == "m, h100, fp8, isl 8, osl 4"
    assert points.group_of({"concurrency": 16}, facts) == base
    for change in ({"model_name": "n"}, {"gpu_type": "b200"}, {"precision": "fp4"}, {"isl": 9}, {"osl": 5}):
        assert points.group_of({"concurrency": 4}, {**facts, **change}) != base
    router = {**facts, "benchmark_type": "router"}
    assert points.group_of({"prefix_ratio": 0.1}, router) != points.group_of({"prefix_ratio": 0.5}, router)
