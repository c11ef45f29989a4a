# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The offset between two clocks, and moments of one on the other."""

from __future__ import annotations

import random
from array import array

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import clocks


class World:
    """Two clocks, and a way between them that takes a random time in each direction."""

    def __init__(self, offset, rate=0.0, there=(0.0001, 0.002), back=(0.0001, 0.002)):
        self.now, self.offset, self.rate, self.there, self.back = 50.0, offset, rate, there, back
        self.rng = random.Random(3)

    def clock(self):
        return self.now

    def other(self):
        return self.now + self.offset + self.rate * self.now

    def ask(self):
        self.now += self.rng.uniform(*self.there)
        answer = self.other()
        self.now += self.rng.uniform(*self.back)
        return answer


@pytest.mark.parametrize("offset", [0.0, 86400.5, -3e6])
@pytest.mark.parametrize("ways", [{}, {"there": (0.0001, 0.0002), "back": (0.004, 0.005)}])
def test_the_truth_is_within_the_uncertainty(offset, ways):
    world = World(offset, **ways)
    found = clocks.measure(world.ask, world.clock)
    assert abs(found.offset_s - offset) <= found.uncertainty_s < 0.003
    assert found.uncertainty_s > 0


def test_a_clock_that_goes_faster_is_followed():
    world = World(1000.0, rate=1e-4)
    first = clocks.measure(world.ask, world.clock)
    begin = world.now
    world.now += 3600
    made = clocks.Conversion(first, clocks.measure(world.ask, world.clock))
    assert made.drift_s == pytest.approx(0.36, abs=0.005)
    for moment in (begin, begin + 1800, begin + 3600):
        there = moment + 1000.0 + 1e-4 * moment
        assert made.ours(there) == pytest.approx(moment, abs=0.003)
        assert made.theirs(moment) == pytest.approx(there, abs=0.003)
        assert made.theirs(made.ours(there)) == pytest.approx(there, abs=1e-6)
    both = made.convert(array("d", [float("nan"), begin + 1000.0 + 1e-4 * begin]))
    assert both[0] != both[0] and both[1] == pytest.approx(begin, abs=0.003)
