# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the largest load that keeps objectives."""

from __future__ import annotations

import functools
import random

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import search
from ansible_collections.srt.slurm.plugins.module_utils.results import outcome

SECTION = {"over": "concurrency", "from": 1, "to": 512, "objectives": {"p99_ttft_ms": 2000.0}, "resolution": 0.05,
           "replicates": 3}  # fmt: skip


def run(section, measure, most=200):
    """Return (answer, how often each level was measured) of a search in which *measure* gives the figure of a level."""
    planned, outcomes = search.planned(section), {}
    for _step in range(most):
        found = search.following(planned, outcomes)
        if not isinstance(found, search.Wanted):
            return found, {level: len(some) for level, some in outcomes.items()}
        known = outcomes.setdefault(found.level, [])
        assert found.replicate == len(known) + 1
        valid, figure = measure(found.level)
        known.append(search.outcome(planned, valid, {"p99_ttft_ms": figure}))
    raise AssertionError("the search did not end")


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 20, 33, 100, 257, 400, 511])
def test_the_limit_is_found_within_the_resolution(limit):
    answer, measured = run(SECTION, lambda level: (True, 2000.0 if level <= limit else 2000.1))
    assert answer["bracketed"] and answer["largest"] <= limit < answer["above"]
    assert answer["above"] - answer["largest"] <= 0.05 * answer["largest"] + 1  # rounded
    assert answer["kept"] == {"largest": [3, 3], "above": [0, 3]}
    assert len(measured) <= 17 and sum(measured.values()) == len(measured) + 4


def test_a_rate_is_searched_in_fractions():
    section = {**SECTION, "over": "req_rate", "from": 0.5, "to": 100}
    answer, _measured = run(section, lambda level: (True, 1.0 if level <= 12.34 else 9999.0))
    assert answer["largest"] <= 12.34 < answer["above"] <= 12.34 * 1.06


@pytest.mark.parametrize(("figure", "side"), [(1.0, "largest"), (9999.0, "above")])
def test_not_bracketed_is_an_answer_that_is_replicated_too(figure, side):
    answer, measured = run(SECTION, lambda level: (True, figure))
    assert not answer["bracketed"] and answer[side] == (512 if side == "largest" else 1)
    assert list(answer["kept"]) == [side] and measured[answer[side]] == 3
    assert search.in_words(search.planned(SECTION), answer).startswith("Not bracketed: ")


def test_an_invalid_measurement_keeps_nothing():
    answer, _measured = run(SECTION, lambda level: (level < 50, 1.0))
    assert answer["largest"] < 50 <= answer["above"]


def test_a_missing_figure_keeps_nothing_and_higher_is_better_where_it_is():
    planned = search.planned({**SECTION, "objectives": {"p99_ttft_ms": 5.0, "output_tps": 100.0}})
    assert search.outcome(planned, True, {"p99_ttft_ms": 5.0, "output_tps": 100.0}).keeps
    for figures in ({"p99_ttft_ms": None, "output_tps": 100.0}, {"p99_ttft_ms": 5.0},
                    {"p99_ttft_ms": 5.0, "output_tps": 99.9}, {"p99_ttft_ms": 5.1, "output_tps": 200.0},
                    {"p99_ttft_ms": True, "output_tps": 200.0}):  # fmt: skip
        assert not search.outcome(planned, True, figures).keeps


def noisy(noise, level):
    return True, 20.0 * level * noise.lognormvariate(0, 0.03)


def test_with_noise_the_answer_is_near_and_the_search_ends():
    for seed in range(200):
        noise = random.Random(seed)
        answer, _measured = run(SECTION, functools.partial(noisy, noise))
        assert 100 / 1.2 <= (answer["largest"] or 0) <= 100 * 1.2, seed


def test_a_level_that_most_replicates_contradict_moves_the_edge():
    unlucky = {64: [True]}  # the first measurement there is out of the ordinary

    def measure(level):
        return True, 1.0 if level <= 100 and not (level == 64 and unlucky[64] and unlucky[64].pop()) else 9999.0

    answer, _measured = run({**SECTION, "resolution": 0.2}, measure)
    assert answer["largest"] <= 100 < answer["above"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [({"from": 600}, "to"), ({"objectives": {}}, "objectives"), ({"objectives": {"p99_tftt_ms": 1}}, "p99_tftt_ms"),
     ({"objectives": {"usage_source": 1}}, "usage_source"),
     ({"over": "req_rate", "resolution": 0.005, "to": 10000}, "resolution")],
)  # fmt: skip
def test_what_cannot_be_searched_is_a_problem(changes, key):
    (found,) = search.problems({**SECTION, **changes}, ("p99_ttft_ms", "usage_source"))
    assert found[0][-1] == key


def test_a_search_with_an_answer_stands_though_points_above_the_edge_are_not_valid():
    bad = {"label": "c=9 #1", "name": "bench_c9", "invalid_reasons": ["none of 90 requests completed"]}
    rollup = {"valid": True, "run_reasons": [], "left_out": [], "results": [bad]}
    assert outcome.chosen_reasons({**rollup, "search": {"answer": {"largest": 8}, "text": "x"}}) == []
    assert outcome.chosen_reasons({**rollup, "search": {"answer": None, "text": "not complete"}}) == ["not complete"]
    assert outcome.chosen_reasons(rollup) == ["c=9 #1: none of 90 requests completed"]
