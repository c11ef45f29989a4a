# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The repeats that a plan proposes are enough for each primary metric, however the other side is measured."""

from __future__ import annotations

import random

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.comparison import document, judgement, planning, sides
from ansible_collections.srt.slurm.plugins.module_utils.comparison.measured_run import Repeat
from compared_runs import time_of

BENCHMARK = BENCHMARKS["sa-bench"]
SPREADS = {"output_tps": 0.004, "median_ttft_ms": 0.015, "median_tpot_ms": 0.004}


def side(draw, count, slower=1.0, minutes=None):
    """Return *count* repeats whose metrics have SPREADS; with *minutes* they are of one allocation."""
    found = []
    for number in range(count):
        figures = {name: slower * draw.lognormvariate(0, one) for name, one in SPREADS.items()}
        figures["output_tps"] = draw.lognormvariate(0, SPREADS["output_tps"]) / slower
        begin = None if minutes is None else minutes[number]
        times = (None, None) if begin is None else (time_of(begin), time_of(begin + 1))
        found.append(Repeat("7", f"c=4 #{number}", True, True, [], figures, *times, None if begin is None else ("7",)))
    return found


def needs(baseline, candidate=()):
    return planning.needs([sides.Point("c=4", {}, BENCHMARK, baseline, list(candidate))], (), 0.05, 0.02)


def power(draw, count, in_turns):
    """Return the share of 100 comparisons of *count* repeats of each side that find each metric 5 % worse."""
    first = [2 * at + (at % 2) for at in range(count)] if in_turns else None
    second = [2 * at + 1 - (at % 2) for at in range(count)] if in_turns else None
    seen = dict.fromkeys(SPREADS, 0)
    for _try in range(100):
        pair = side(draw, count, 1.0, first), side(draw, count, 1.05, second)
        (found,) = judgement.judge([sides.Point("c=4", {}, BENCHMARK, *pair)], threshold=0.02)
        assert bool(found.pairing.pairs) is in_turns
        for one in found.metrics:
            seen[one.name] = seen.get(one.name, 0) + (one.verdict == judgement.WORSE)
    return {name: seen[name] / 100 for name in SPREADS}


def test_the_proposal_is_that_of_the_metric_that_needs_most():
    found = needs(side(random.Random(1), 40))
    counts = {one.metric: one.repeats for one in found}
    assert counts["median_ttft_ms"] > max(counts["output_tps"], counts["median_tpot_ms"])
    made = document.plan_document(["7"], found, document.Asked(("7", "")), 0.05)
    assert made["repeats"] == counts["median_ttft_ms"] == max(counts.values())


@pytest.mark.parametrize("in_turns", [False, True])
def test_a_proposal_from_one_side_finds_every_metric_however_the_other_is_measured(in_turns):
    draw = random.Random(2)
    count = max(one.repeats for one in needs(side(draw, 40)))
    assert min(power(draw, count, in_turns).values()) >= 0.7  # 0.8, less the chance of 100 tries


def test_few_repeats_that_suffice_for_independent_sides_are_not_proposed_for_turns_as_well(monkeypatch):
    """Three pairs say hardly anything, whatever their spread."""
    monkeypatch.setitem(SPREADS, "median_ttft_ms", 0.004)
    alone = max(one.repeats for one in needs(side(random.Random(3), 40)))
    both = max(one.repeats for one in needs(side(random.Random(3), 40), side(random.Random(4), 40)))
    assert both < alone and min(power(random.Random(5), alone, True).values()) >= 0.8
