# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From numbers and names to pixels: the scales of a drawing, and their ticks. Pure."""

from __future__ import annotations

import abc
import math
from collections.abc import Sequence

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
MOST_LOG_LABELS = 8


class Scale(abc.ABC):
    """A scale of numbers, from *begin* to *end* in pixels."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        self.low, self.high, self.begin, self.end = low, high, begin, end

    @abc.abstractmethod
    def share(self, value: float) -> float:
        """Return where *value* is: 0 at the low end, 1 at the high one."""

    @abc.abstractmethod
    def ticks(self) -> list[float]:
        """Return the values that get a line and a label."""

    def at(self, value: float) -> float:
        """Return the pixel of *value*."""
        return self.begin + self.share(value) * (self.end - self.begin)


class Linear(Scale):
    """A linear scale whose ends are round numbers."""

    def __init__(self, values: Sequence[float], begin: float, end: float, zero: bool, count: int = 6) -> None:
        low, high = min(values), max(values)
        if zero or low == high:
            low, high = min(0.0, low), max(0.0, high)
        if low == high:
            high = low + 1.0
        self.step = _round_step((high - low) / count)
        low, high = math.floor(low / self.step) * self.step, math.ceil(high / self.step) * self.step
        super().__init__(low, high, begin, end)

    def share(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[float]:
        count = round((self.high - self.low) / self.step)
        return [_tidy(self.low + number * self.step) for number in range(count + 1)]


class Fixed(Linear):
    """A linear scale between given ends."""

    def __init__(self, low: float, high: float, begin: float, end: float) -> None:
        super().__init__((low, high), begin, end, False)
        self.low, self.high = low, high


class Log(Scale):
    """A logarithmic scale that ends at 1, 2 or 5 times a power of ten."""

    def __init__(self, values: Sequence[float], begin: float, end: float) -> None:
        low, high = min(values), max(values)
        marks = [step * 10.0**power for power in _powers(low, high) for step in (1, 2, 5)]
        self.marks = [_tidy(mark) for mark in marks]
        low = max((one for one in self.marks if one <= low), default=low)
        high = min((one for one in self.marks if one >= high), default=high)
        super().__init__(low, high if high > low else low * 10, begin, end)

    def share(self, value: float) -> float:
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        found = [one for one in self.marks if self.low <= one <= self.high]
        tens = [one for one in found if math.log10(one) == round(math.log10(one))]
        return found if len(found) <= MOST_LOG_LABELS else tens


class Band:
    """Names one after the other, each with an equal share of the pixels from *begin* to *end*."""

    def __init__(self, names: Sequence[str], begin: float, end: float) -> None:
        self.names, self.begin = list(names), begin
        self.width = (end - begin) / max(1, len(self.names))

    def at(self, name: str) -> float:
        """Return the pixel in the middle of *name*."""
        return self.begin + (self.names.index(name) + 0.5) * self.width


def _round_step(step: float) -> float:
    """Return the least round number that is not below *step*."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(one * power for one in STEPS if one * power >= step * (1 - 1e-9))


def _tidy(value: float) -> float:
    """Return *value* without the dust of its computation."""
    return float(f"{value:.10g}")


def _powers(low: float, high: float) -> range:
    return range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)


def label(value: float, form: str = "") -> str:
    """Return the label of a tick."""
    if form == ".0%":
        return f"{100 * value:g} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:g}"
