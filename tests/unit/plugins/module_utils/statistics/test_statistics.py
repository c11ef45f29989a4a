# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Intervals, ratios, verdicts and sizes, against scipy's own tests and by simulation."""

from __future__ import annotations

import builtins
import math
import random

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.statistics import decisions, intervals, ratios, sizes
from scipy import stats

MARGIN = math.log(1.02)
ALPHA = 0.005


def draws(draw, count, centre=1.0, spread=0.02):
    return [centre * draw.lognormvariate(0, spread) for _number in range(count)]


def test_the_interval_of_a_mean_is_students():
    values = [3.0, 4.0, 6.5, 5.0]
    low, high = stats.t.interval(0.95, 3, loc=4.625, scale=stats.sem(values))
    assert intervals.half_width(values) == pytest.approx((high - low) / 2)
    assert intervals.half_width([3.0]) is None


def test_welch_is_that_of_scipy():
    draw = random.Random(1)
    one, other = draws(draw, 5, 1.0), draws(draw, 8, 1.1, 0.05)
    found = stats.ttest_ind([math.log(v) for v in other], [math.log(v) for v in one], equal_var=False)
    ratio = ratios.welch(one, other)
    assert ratio.freedom == pytest.approx(found.df)
    assert ratios.p_beyond(ratio, 0.0) == pytest.approx(found.pvalue)
    expected = found.confidence_interval(0.99)
    assert ratios.interval(ratio, 0.99) == pytest.approx((expected.low, expected.high))


def test_pairs_are_those_of_scipy():
    draw = random.Random(2)
    one, other = draws(draw, 6), draws(draw, 6, 1.05)
    found = stats.ttest_rel([math.log(v) for v in other], [math.log(v) for v in one])
    ratio = ratios.paired(list(zip(one, other)))
    assert ratios.p_beyond(ratio, 0.0) == pytest.approx(found.pvalue)
    assert ratio.counts == (6, 6) and ratio.freedom == 5


def test_a_ratio_of_sides_that_are_swapped_is_its_inverse():
    draw = random.Random(3)
    one, other = draws(draw, 4), draws(draw, 4, 1.2)
    assert ratios.welch(one, other).centre == pytest.approx(-ratios.welch(other, one).centre)


@pytest.mark.parametrize("sides", [([2.0] * 3, [2.0] * 3), ([2.0] * 3, [3.0] * 4)])
def test_repeats_without_any_spread_have_no_ratio(sides):
    with pytest.raises(ratios.NoSpread):
        ratios.welch(*sides)
    with pytest.raises(ratios.NoSpread):
        ratios.paired([(1.0, 1.1), (2.0, 2.2), (3.0, 3.3)])


@pytest.mark.parametrize("value", [0, 0.0, -1.0, None, "fast", True, math.nan, math.inf])
def test_what_has_no_logarithm_is_not_usable(value):
    assert not ratios.usable(value)


def decide(*made):
    return decisions.decide(made, MARGIN, ALPHA)


def ratio(centre, error, freedom=8.0):
    return ratios.Ratio(centre, error, freedom, error, (5, 5), False)


def test_a_verdict_needs_an_interval_beyond_or_inside_the_margin():
    up, down, same, open_yet = decide(ratio(0.2, 0.01), ratio(-0.2, 0.01), ratio(0.0, 0.001), ratio(0.03, 0.01))
    assert [one.verdict for one in (up, down, same, open_yet)] == ["up", "down", "equivalent", "no evidence"]
    assert up.low > MARGIN and down.high < -MARGIN
    assert -MARGIN < same.low < same.high < MARGIN
    assert open_yet.low < MARGIN < open_yet.high


def test_the_interval_and_the_verdict_never_contradict_each_other():
    draw = random.Random(4)
    for _try in range(300):
        made = [ratio(draw.uniform(-0.2, 0.2), draw.uniform(0.0005, 0.03), draw.uniform(2, 20)) for _n in range(5)]
        for one in decide(*made):
            beyond, within = one.low > MARGIN or one.high < -MARGIN, one.low > -MARGIN and one.high < MARGIN
            assert beyond == (one.verdict in ("up", "down")) and within == (one.verdict == "equivalent")


def test_a_ratio_that_is_missing_counts_as_a_test():
    alone, with_others = decide(ratio(0.2, 0.01))[0], decide(ratio(0.2, 0.01), None, None)[0]
    assert with_others.confidence == pytest.approx(1 - ALPHA / 3) and with_others.confidence > alone.confidence
    assert decide(None) == [None]


def test_the_clearest_ratio_is_tested_as_one_of_all_and_the_next_as_one_of_the_others():
    found = decide(ratio(0.2, 0.01), ratio(0.3, 0.01), ratio(0.025, 0.01))
    assert [one.confidence for one in found] == pytest.approx([1 - ALPHA / 2, 1 - ALPHA / 3, 1 - ALPHA])
    assert found[1].p < found[0].p < found[2].p


@pytest.mark.parametrize("spread", [0.005, 0.02, 0.08])
@pytest.mark.parametrize("paired", [True, False])
def test_equal_sides_are_almost_never_called_different(spread, paired):
    draw, wrong = random.Random(5), 0
    for _try in range(200):
        made = []
        for _metric in range(3):
            one, other = draws(draw, 5, spread=spread), draws(draw, 5, spread=spread)
            made.append(ratios.paired(list(zip(one, other))) if paired else ratios.welch(one, other))
        wrong += any(one.verdict in ("up", "down") for one in decide(*made))
    assert wrong <= 1


def test_sides_that_differ_by_the_margin_are_almost_never_decided_wrongly():
    draw, wrong = random.Random(6), 0
    for _try in range(300):
        made = [ratios.welch(draws(draw, 5), draws(draw, 5, 1.02 * 1.0001)) for _metric in range(2)]
        wrong += any(one.verdict in ("down", "equivalent") for one in decide(*made))
    assert wrong <= 6


@pytest.mark.parametrize("paired", [True, False])
@pytest.mark.parametrize("spread", [0.004, 0.015])
def test_the_proposed_repeats_find_the_difference(spread, paired):
    """From the known spread; see the next test for one that is estimated."""
    of_pair = spread * math.sqrt(2) if paired else spread
    count = sizes.repeats_needed([of_pair], paired, math.log(1.05), MARGIN, 1 - ALPHA)
    draw, found = random.Random(7), {count: 0, count - 1: 0}
    for number in found:
        for _try in range(200):
            one, other = draws(draw, number, spread=spread), draws(draw, number, 1.05, spread)
            made = ratios.paired(list(zip(one, other))) if paired else ratios.welch(one, other)
            found[number] += decide(made)[0].verdict == "up"
    assert found[count] / 200 >= 0.75 and found[count - 1] / 200 <= 0.85


@pytest.mark.parametrize("pilot", [4, 10])
def test_the_proposal_of_a_few_repeats_finds_the_difference_as_often_as_it_says(pilot):
    draw, found, counts = random.Random(8), 0, []
    for _try in range(150):
        seen = [[math.log(value) for value in draws(draw, pilot, spread=0.012)] for _side in range(2)]
        spreads = sizes.likely(*sizes.pooled(seen))
        counts.append(sizes.repeats_needed(spreads, False, math.log(1.05), MARGIN, 1 - ALPHA))
        one, other = draws(draw, counts[-1], spread=0.012), draws(draw, counts[-1], 1.05, 0.012)
        found += decide(ratios.welch(one, other))[0].verdict == "up"
    known = sizes.repeats_needed([0.012], False, math.log(1.05), MARGIN, 1 - ALPHA)
    assert found / 150 >= 0.74 and sorted(counts)[75] <= 2 * known


def test_the_detectable_difference_is_found_with_its_power():
    draw, found = random.Random(9), 0
    made = ratios.welch(draws(draw, 6), draws(draw, 6))
    made = made._replace(error=0.02 * math.sqrt(2 / 6), freedom=10.0)
    centre = math.exp(sizes.detectable(made, MARGIN, 1 - ALPHA))
    for _try in range(500):
        one = ratios.welch(draws(draw, 6), draws(draw, 6, centre))
        found += decide(one)[0].verdict == "up"
    assert found / 500 == pytest.approx(0.8, abs=0.06)


def test_a_difference_within_the_margin_needs_more_repeats_than_there_are():
    assert sizes.repeats_needed([0.01], False, MARGIN, MARGIN, 0.995) is None
    assert sizes.repeats_needed([3.0], False, 0.03, MARGIN, 0.995) is None
    assert sizes.repeats_needed([1e-6], True, 0.1, MARGIN, 0.995) == sizes.LEAST


def test_without_scipy_the_error_says_what_to_install(monkeypatch):
    real = builtins.__import__

    def without(name, *args, **options):
        if name.partition(".")[0] == "scipy":
            raise ImportError(name)
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(Error, match="scipy is missing for .*pip install scipy"):
        intervals.functions()
    assert not intervals.available()
