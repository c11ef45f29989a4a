# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a worker over time, in a bounded number of buckets.

A bucket keeps the smallest and the largest value of each figure, and which of them came first. When there are too many
buckets, they become twice as wide.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..json_types import JsonObject

SERIES = {
    "running": "running",
    "queue": "queue",
    "kv": "kv_usage",
    "gen": "gen_throughput",
    "input": "input_throughput",
    "hit": "hit_rate",
}  # columns and their names in series.json
MOST_BUCKETS = 1200


class _Extremes(NamedTuple):
    """The smallest and the largest value in a bucket; whether the smallest came first."""

    low: float
    high: float
    rising: bool


class Series:
    """Columns over time.

    :param kept: what :meth:`kept` of an earlier one returned.
    :param lasts_s: how long what will be added lasts, as far as known: buckets are wide enough for it at once.
    """

    def __init__(self, kept: JsonObject | None = None, lasts_s: float = 0) -> None:
        kept = kept or {}
        self.width: float = kept.get("width") or 1.0
        while not kept and self.width * (MOST_BUCKETS - 2) < lasts_s:
            self.width *= 2
        # Number of the bucket: (first and last time in it, extremes by column).
        self._buckets: dict[int, tuple[float, float, dict[str, _Extremes]]] = {
            int(number): (first, last, {name: _Extremes(*one) for name, one in values.items()})
            for number, first, last, values in kept.get("buckets") or ()
        }

    def add(self, times: Sequence[float], columns: Mapping[str, Sequence[float | None]]) -> None:
        """Add *columns*, one value for each of *times*, which are in order."""
        begin, size = 0, len(times)
        while begin < size:
            number = int(times[begin] // self.width)
            end = bisect_left(times, (number + 1) * self.width, begin + 1)
            values = {}
            for name, column in columns.items():
                part = [one for one in column[begin:end] if one is not None]
                if part:
                    low, high = min(part), max(part)
                    values[name] = _Extremes(low, high, low == high or part.index(low) < part.index(high))
            self._put(number, (times[begin], times[end - 1], values))
            begin = end

    def _put(self, number: int, bucket: tuple[float, float, dict[str, _Extremes]]) -> None:
        known = self._buckets.get(number)
        self._buckets[number] = _joined(known, bucket) if known else bucket
        while len(self._buckets) > MOST_BUCKETS:
            self.width *= 2
            old, self._buckets = self._buckets, {}
            for place in sorted(old):
                known = self._buckets.get(place // 2)
                self._buckets[place // 2] = _joined(known, old[place]) if known else old[place]

    def kept(self) -> JsonObject:
        """Return what makes an equal one, for JSON."""
        buckets = [
            [number, first, last, {name: list(one) for name, one in values.items()}]
            for number, (first, last, values) in sorted(self._buckets.items())
        ]
        return {"width": self.width, "buckets": buckets}

    def record(self, names: Mapping[str, str] | None = None) -> JsonObject:
        """Return ``{"t": [...], name: [...]}``: two times for a bucket with several samples, for its extremes.

        A value is None where the bucket has none. Names without any value are left out.

        :param names: of the columns to return, and what they are called; None: SERIES.
        """
        times: list[float] = []
        names = SERIES if names is None else names
        values: dict[str, list[float | None]] = {name: [] for name in names}
        for number in sorted(self._buckets):
            first, last, found = self._buckets[number]
            twice = any(one.low != one.high for one in found.values())
            times += [first, last] if twice else [first]
            for name, column in values.items():
                one = found.get(name)
                pair = (None, None) if one is None else (one.low, one.high) if one.rising else (one.high, one.low)
                column += pair if twice else pair[:1]
        named = {names[name]: [_short(one) for one in column] for name, column in values.items()}
        kept = {name: column for name, column in named.items() if any(one is not None for one in column)}
        return {"t": [round(time, 3) for time in times], **kept}


def _short(value: float | None) -> float | None:
    return round(value, 5) if isinstance(value, float) else value


def _joined(
    one: tuple[float, float, dict[str, _Extremes]], other: tuple[float, float, dict[str, _Extremes]]
) -> tuple[float, float, dict[str, _Extremes]]:
    """Return two buckets as one."""
    earlier, later = (one, other) if one[0] <= other[0] else (other, one)
    values = dict(earlier[2])
    for name, new in later[2].items():
        old = values.get(name)
        if old is None:
            values[name] = new
            continue
        low_first, high_first = old.low <= new.low, old.high >= new.high
        rising = old.rising if low_first and high_first else new.rising if not (low_first or high_first) else low_first
        values[name] = _Extremes(min(old.low, new.low), max(old.high, new.high), rising)
    return earlier[0], max(one[1], other[1]), values
