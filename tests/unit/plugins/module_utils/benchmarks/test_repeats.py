# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeats of points: their order, their own files and prompts, and the means over them."""

from __future__ import annotations

import itertools

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.results import repeats

LOAD = {"isl": 100, "osl": 50}


def points(type_="sa-bench", **benchmark):
    benchmark = {
        "type": type_,
        **(LOAD if type_ != "custom" else {"command": "go", "isl": None, "osl": None}),
        **benchmark,
    }
    return jobs.plan_of(benchmark=benchmark)["benchmark"]["points"]


def test_the_order_turns_around_with_each_repeat():
    assert [one["label"] for one in points(concurrencies=[1, 2, 4], repeats=3)] == [
        *("c=1 #1", "c=2 #1", "c=4 #1"), *("c=4 #2", "c=2 #2", "c=1 #2"), *("c=1 #3", "c=2 #3", "c=4 #3"),
    ]  # fmt: skip


def test_a_shuffled_order_follows_from_its_seed():
    def order(seed):
        found = points(concurrencies=[1, 2, 3, 4, 5, 6], repeats=4, repeat_order="shuffled", repeat_seed=seed)
        return [one["label"] for one in found]

    assert order(1) == order(1) != order(2) and sorted(order(1)) == sorted(order(2))


@pytest.mark.parametrize("type_", ["sa-bench", "sglang-bench", "custom"])
def test_each_repeat_has_files_and_prompts_of_its_own(type_):
    found = points(type_, concurrencies=[1, 10], repeats=3)
    for key in ("name", "result", "progress", "digest"):
        assert len({one[key] for one in found}) == 6, key
    assert len({one["step"]["log"] for one in found}) == 6
    words = [tuple(one["step"]["argv"]) + tuple(one["step"]["env"].items()) for one in found]
    assert len(set(words)) == 6
    for one, other in itertools.permutations(found, 2):
        assert not any(other["result"] in word for word in one["step"]["argv"])
    assert {one["key"]["repeat"] for one in found} == {1, 2, 3}


@pytest.mark.parametrize("type_", ["sa-bench", "sglang-bench", "custom"])
def test_what_was_measured_without_repeats_is_the_first_of_them(type_):
    before, after = points(type_, concurrencies=[4]), points(type_, concurrencies=[4], repeats=2)
    assert (before[0]["digest"], before[0]["result"]) == (after[0]["digest"], after[0]["result"])


def test_an_evaluation_is_run_once_after_all_repeats():
    assert [one["label"] for one in points("custom", concurrencies=None, repeats=2, post_eval="x")] == [
        "custom #1",
        "custom #2",
        "post_eval",
    ]


def record(repeat, valid=True, **metrics):
    return {"label": f"c=4 #{repeat}", "concurrency": 4, "repeat": repeat, "valid": valid, **metrics}


def test_the_mean_has_a_confidence_interval_of_the_valid_repeats():
    records = [record(1, output_tps=100.0), record(2, output_tps=110.0), record(3, output_tps=120.0),
               record(4, valid=False, output_tps=900.0)]  # fmt: skip
    (entry,) = repeats.summary(records, BENCHMARKS["sa-bench"])
    mean = entry["metrics"]["output_tps"]
    assert (entry["planned"], entry["valid"], mean["n"], mean["mean"], mean["std"]) == (4, 3, 3, 110.0, 10.0)
    assert mean["high"] - mean["mean"] == pytest.approx(4.303 * 10 / 3**0.5, rel=1e-4)
    assert "mean_ttft_ms" not in entry["metrics"]  # missing is missing
    (line,) = repeats.table([entry], BENCHMARKS["sa-bench"])
    assert line == "  c=4: 3 of 4 valid, out tok/s 110.0 +-24.8 (22.6 %)"


def test_one_repeat_has_no_interval_and_none_has_no_mean():
    assert repeats.mean_of([5.0])["low"] is None and repeats.mean_of([]) is None
    (entry,) = repeats.summary([record(1, valid=False), record(2, valid=False)], BENCHMARKS["sa-bench"])
    assert entry["metrics"] == {} and repeats.table([entry], BENCHMARKS["sa-bench"]) == ["  c=4: 0 of 2 valid, -"]


def test_without_scipy_the_means_have_no_interval_and_a_note_says_so(monkeypatch):
    records = [record(1, output_tps=100.0), record(2, output_tps=110.0)]
    assert repeats.notes(records) == [] and repeats.mean_of([1.0, 2.0])["low"] is not None
    monkeypatch.setattr(repeats.intervals, "available", lambda: False)
    assert repeats.mean_of([1.0, 2.0])["low"] is None and repeats.mean_of([1.0, 2.0])["std"] > 0
    (note,) = repeats.notes(records)
    assert "no scipy" in note and repeats.notes([{"label": "c=4"}]) == repeats.notes([record(1)]) == []
    (line,) = repeats.table(repeats.summary(records, BENCHMARKS["sa-bench"]), BENCHMARKS["sa-bench"])
    assert line == "  c=4: 2 of 2 valid, out tok/s 105.0"
