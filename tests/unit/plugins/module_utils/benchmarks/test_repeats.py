# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeats of points: their order, their own files and prompts, and the means over them."""

from __future__ import annotations

import itertools

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
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
    assert mean["high"] - mean["mean"] == pytest.approx(4.303 * 10 / 3**0.5)
    assert "mean_ttft_ms" not in entry["metrics"]  # missing is missing
    (line,) = repeats.table([entry], BENCHMARKS["sa-bench"])
    assert line == "  c=4: 3 of 4 valid, out tok/s 110.0 +-24.8 (22.6 %)"


def test_one_repeat_has_no_interval_and_none_has_no_mean():
    assert repeats.mean_of([5.0])["low"] is None and repeats.mean_of([]) is None
    (entry,) = repeats.summary([record(1, valid=False), record(2, valid=False)], BENCHMARKS["sa-bench"])
    assert entry["metrics"] == {} and repeats.table([entry], BENCHMARKS["sa-bench"]) == ["  c=4: 0 of 2 valid, -"]


@pytest.mark.parametrize(
    ("freedom", "wanted"), [(1, 12.706), (2, 4.303), (30, 2.042), (35, 2.042), (40, 2.021), (99, 2.0), (10**6, 1.984)]
)
def test_the_quantile_is_never_too_small(freedom, wanted):
    assert repeats.t_95(freedom) == wanted


def test_a_repeat_of_a_deployment_of_its_own_is_another_point_and_the_first_is_not():
    plain, apart = points(concurrencies=[4], repeats=2), points(concurrencies=[4], repeats=2, repeat_redeploy=True)
    assert plain[0]["digest"] == apart[0]["digest"] and plain[1]["digest"] != apart[1]["digest"]
    assert [one["step"]["argv"] for one in plain] == [one["step"]["argv"] for one in apart]


@pytest.mark.parametrize(
    ("benchmark", "problem"),
    [({"repeat_redeploy": True}, "is true, but each point is measured once. Set repeats"),
     ({"repeat_redeploy": True, "concurrencies": None, "search": {"to": 9, "objectives": {"mean_ttft_ms": 9}}},
      "is true, but the replicates of a search"),
     ({"repeat_redeploy": "often", "repeats": 2}, "benchmark.repeat_redeploy")],
)  # fmt: skip
def test_redeployment_without_repeats_is_refused(benchmark, problem):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(benchmark=benchmark)
    assert "benchmark.repeat_redeploy" in str(caught.value) and problem in str(caught.value)


def test_a_note_says_how_often_the_service_starts_anew():
    def notes(**benchmark):
        return [one for one in jobs.plan_of(benchmark=benchmark)["notes"] if "start anew" in one]

    (note,) = notes(repeats=4, repeat_redeploy=True)
    assert note.startswith("benchmark.repeat_redeploy: workers and frontends start anew") and "3 times" in note
    assert "once if" in notes(repeats=2, repeat_redeploy=True)[0] and notes(repeats=4) == []


@pytest.mark.parametrize(
    ("found", "fits"),
    [([], True), ([{"label": "c=4", "planned": 2, "valid": 2, "metrics": {}}], True), ({}, False), ([5], False),
     ([{"label": "c=4", "planned": True, "valid": 2, "metrics": {}}], False),
     ([{"label": "c=4", "planned": 2, "valid": 2, "deployments": "2", "metrics": {}}], False),
     ([{"label": "c=4", "planned": 2, "valid": 2, "metrics": {"output_tps": {"mean": 1, "max": 1}}}], False),
     ([{"label": "c=4", "planned": 2, "valid": 2, "metrics": {"what": {"mean": 1, "max": 1, "min": 1}}}], False)],
)  # fmt: skip
def test_the_entries_of_a_rollup_are_recognized(found, fits):
    assert repeats.are_entries(found) is fits
