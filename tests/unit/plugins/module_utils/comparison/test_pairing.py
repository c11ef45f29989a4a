# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which repeats count as pairs, and why others do not."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.comparison import pairing
from ansible_collections.srt.slurm.plugins.module_utils.comparison.measured_run import Repeat
from compared_runs import time_of

HERE, THERE = ("7", "c", "t"), ("8", "c", "t")


def repeat(minute, allocation=HERE, lasts=1):
    begin, end = (None, None) if minute is None else (time_of(minute), time_of(minute + lasts))
    return Repeat("7", "c=4", True, True, [], {}, begin, end, allocation)


def sides(turns, allocations=None):
    """Return both sides of a text such as ABBA, one letter a minute."""
    found = {"A": [], "B": []}
    for minute, letter in enumerate(turns):
        if letter != ".":
            found[letter].append(repeat(minute, (allocations or {}).get(letter, HERE)))
    return found["A"], found["B"]


@pytest.mark.parametrize("turns", ["ABBAABBA", "ABABAB", "AABBAABBA", "ABBABAAB", "BAABB", "AB.BAAB.A"])
def test_turns_in_one_allocation_are_pairs(turns):
    baseline, candidate = sides(turns)
    found = pairing.paired(baseline, candidate)
    assert found.why == "" and len(found.pairs) == min(len(baseline), len(candidate))
    assert all(one in baseline and other in candidate for one, other in found.pairs)


@pytest.mark.parametrize("turns", ["AAABBB", "AAAABBBBA", "ABBBBBB", "AAABBBAAABBB"])
def test_blocks_are_no_pairs(turns):
    assert pairing.paired(*sides(turns)) == (None, pairing.NO_TURNS)


def test_the_order_in_which_repeats_are_listed_does_not_matter():
    baseline, candidate = sides("ABBAABBA")
    expected = pairing.paired(baseline, candidate).pairs
    assert pairing.paired(baseline[::-1], [candidate[i] for i in (2, 0, 3, 1)]).pairs == expected


@pytest.mark.parametrize("allocations", [{"B": THERE}, {"B": None}, {"A": None, "B": None}])
def test_other_allocations_and_unknown_ones_are_no_pairs(allocations):
    assert pairing.paired(*sides("ABBAAB", allocations)) == (None, pairing.ELSEWHERE)


def test_measurements_that_overlap_or_have_no_times_are_no_pairs():
    baseline, candidate = sides("ABBAAB")
    assert pairing.paired([repeat(0, lasts=3), *baseline[1:]], candidate).why == pairing.AT_ONCE
    assert pairing.paired([repeat(None), *baseline[1:]], candidate).why == pairing.NO_TIMES


def test_turns_that_went_on_in_another_allocation_are_pairs_of_each():
    first, second = sides("ABBAAB"), sides("......ABBA", {"A": THERE, "B": THERE})
    found = pairing.paired([*first[0], *second[0]], [*first[1], *second[1]])
    assert found.why == "" and len(found.pairs) == 5
    assert all(one.allocation == other.allocation for one, other in found.pairs)


@pytest.mark.parametrize(
    ("turns", "why"),
    [("......A", pairing.ELSEWHERE), ("......AAABBB", pairing.NO_TURNS), ("......B", pairing.ELSEWHERE)],
)
def test_one_allocation_without_turns_leaves_no_pairs(turns, why):
    first, second = sides("ABBAAB"), sides(turns, {"A": THERE, "B": THERE})
    assert pairing.paired([*first[0], *second[0]], [*first[1], *second[1]]) == (None, why)
