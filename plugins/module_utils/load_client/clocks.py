# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the clocks of two nodes are apart: from round trips, with the most by which that can be wrong."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable
from typing import NamedTuple

ROUND_TRIPS = 40


class Offset(NamedTuple):
    """The clock of another node minus that of this one, in seconds, at the moment ``at`` of this one's clock.

    The truth is at most ``uncertainty_s`` away: half of the shortest round trip, whatever part of it was the way back.
    """

    at: float
    offset_s: float
    uncertainty_s: float


def measure(ask: Callable[[], float], clock: Callable[[], float] = time.perf_counter) -> Offset:
    """Return the offset of the clock that *ask* reads on the other node."""
    tries = []
    for _try in range(ROUND_TRIPS):
        before = clock()
        there = ask()
        after = clock()
        middle = (before + after) / 2
        tries.append(((after - before) / 2, there - middle, middle))
    uncertainty, offset, at = min(tries)
    return Offset(at, offset, uncertainty)


class Conversion:
    """From the clock of another node to ours: a line through two measurements of its offset."""

    def __init__(self, first: Offset, last: Offset | None = None) -> None:
        self.first, self.last = first, last or first
        between = self.last.at - self.first.at
        self._slope = (self.last.offset_s - self.first.offset_s) / between if between > 0 else 0.0

    def offset_at(self, moment: float) -> float:
        """Return the offset at the *moment* of our clock."""
        return self.first.offset_s + self._slope * (moment - self.first.at)

    def theirs(self, moment: float) -> float:
        """Return the *moment* of our clock on the other one."""
        return moment + self.offset_at(moment)

    def ours(self, moment: float) -> float:
        """Return the *moment* of the other clock on ours."""
        # moment = ours + offset(ours), which is a line in ours.
        return self.first.at + (moment - self.first.at - self.first.offset_s) / (1 + self._slope)

    def convert(self, moments: array[float]) -> array[float]:
        """Return *moments* of the other clock on ours; NaN stays."""
        return array(moments.typecode, (self.ours(moment) for moment in moments))

    @property
    def uncertainty_s(self) -> float:
        """The most by which a moment can be wrong."""
        return max(self.first.uncertainty_s, self.last.uncertainty_s)

    @property
    def drift_s(self) -> float:
        """By how much the offset changed from the first to the last measurement."""
        return self.last.offset_s - self.first.offset_s
