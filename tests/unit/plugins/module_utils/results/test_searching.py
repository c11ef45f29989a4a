# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollup says of a search: it rests on the points that this search comes by, and on no others."""

from __future__ import annotations

import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import search
from ansible_collections.srt.slurm.plugins.module_utils.results import document, searching, verdict

LEVELS = [1, 2, 3, 4, 6, 8]


@pytest.fixture
def run(tmp_path):
    """A search over six concurrencies; returns a function from {level: (TTFT, valid, searched)} to the rollup."""
    plan = run_results.make_plan(tmp_path, concurrencies=LEVELS)
    plan["steps"] = []
    planned: search.PlannedSearch = {
        "over": "concurrency", "levels": LEVELS, "objectives": {"mean_ttft_ms": 50.0}, "replicates": 1,
    }  # fmt: skip
    plan["benchmark"]["search"] = {**planned}

    def measured(**levels):
        for name, (ttft, valid, searched) in levels.items():
            level = int(name[1:])
            point = next(one for one in plan["benchmark"]["points"] if one["key"]["concurrency"] == level)
            raw = run_results.raw_result(level, mean_ttft_ms=ttft)
            path = str(run_results.write_point(tmp_path, point, raw, [] if valid else ["it was disturbed"]))
            found = verdict.read_verdict(path)
            verdict.write_verdict(path, {**found, **({"searched": searched} if searched else {})})
        return document.build(plan, "now")

    measured.mark = searching.mark(plan)
    return measured


def answer(rollup):
    found = rollup["search"]["answer"]
    return found and (found["largest"], found["above"])


def test_points_on_its_path_give_the_answer_whoever_measured_the_valid_ones(run):
    own = run.mark
    rollup = run(c1=(10.0, True, None), c2=(20.0, True, "another"), c4=(30.0, True, own), c8=(90.0, True, own),
                 c6=(40.0, True, own))  # fmt: skip
    assert answer(rollup) == (6, 8) and rollup["valid"]
    assert rollup["search"]["points"] == [f"bench_c{level}" for level in (1, 2, 4, 6, 8)]


@pytest.mark.parametrize("searched", [None, "another"])
def test_an_invalid_point_that_another_search_left_beside_the_path_decides_nothing(run, searched):
    path = {"c1": (10.0, True, None), "c2": (20.0, True, None), "c4": (30.0, True, None), "c8": (40.0, True, None)}
    rollup = run(**path, c3=(90.0, False, searched))
    assert answer(rollup) == (8, None) and rollup["valid"]
    assert "bench_c3" not in rollup["search"]["points"] and "bench_c3" in [one["name"] for one in rollup["results"]]


@pytest.mark.parametrize("searched", [None, "another"])
def test_an_invalid_point_that_another_search_left_on_the_path_is_still_to_be_measured(run, searched):
    rollup = run(c1=(10.0, True, None), c2=(90.0, False, searched))
    assert answer(rollup) is None and not rollup["valid"]
    assert rollup["search"]["text"] == "The search is not complete." and rollup["search"]["points"] == ["bench_c1"]


def test_an_invalid_point_that_this_search_measured_does_not_keep_the_objectives(run):
    assert answer(run(c1=(10.0, True, None), c2=(20.0, False, run.mark))) == (1, 2)


def test_a_valid_point_beside_the_path_decides_nothing_either(run):
    """The search would have measured it again if it had come to it; its answer is that of its own path."""
    path = {"c1": (10.0, True, None), "c2": (20.0, True, None), "c4": (30.0, True, None), "c8": (40.0, True, None)}
    assert answer(run(**path, c6=(90.0, True, None))) == (8, None)


def test_another_question_is_another_search(run, tmp_path):
    plan = run_results.make_plan(tmp_path, concurrencies=LEVELS)
    marks = set()
    for limit, replicates, levels in ((50.0, 1, LEVELS), (60.0, 1, LEVELS), (50.0, 3, LEVELS), (50.0, 1, LEVELS[1:])):
        plan["benchmark"]["search"] = {
            "over": "concurrency", "levels": levels, "objectives": {"mean_ttft_ms": limit}, "replicates": replicates,
        }  # fmt: skip
        marks.add(searching.mark(plan))
    assert len(marks) == 4 and run.mark in marks
    del plan["benchmark"]["search"]
    assert searching.mark(plan) is None


@pytest.mark.parametrize(
    ("found", "fits"), [(None, True), ({"text": "x", "answer": None}, True), ({"text": "x", "answer": {}}, True),
                        ({"answer": None}, False), ({"text": 5, "answer": None}, False), ([], False),
                        ({"text": "x", "answer": "c=4"}, False)],
)  # fmt: skip
def test_the_entry_of_a_rollup_is_recognized(found, fits):
    assert searching.is_record(found) is fits
