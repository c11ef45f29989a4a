# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics of samples: exact, in little memory, and no percentile of too few samples to mean anything."""

from __future__ import annotations

import functools
import math
from array import array
from collections.abc import Iterable, Sequence

SORTED = 1_000_000  # more values are not sorted all at once
BUCKETS = 1 << 12
DOUBT = 0.01


@functools.lru_cache(maxsize=None)
def samples_needed(number: float) -> int:
    """Return how many samples the percentile *number* needs: 662 for p99.

    It is the least number for MLPerf's early stopping: with a confidence of 99 % at least two are beyond it.
    """
    share = max(number, 100 - number) / 100
    count = 2
    while share**count + count * (1 - share) * share ** (count - 1) > DOUBT:
        count += 1
    return count


def summary(
    name: str, values: Sequence[float], percentiles: Iterable[float]
) -> tuple[dict[str, float | None], dict[str, int]]:
    """Return the statistics of *values* (seconds) as ``mean_<name>_ms`` and so on, and how many samples some lack.

    A percentile without enough values is None, and ``{key: needed}`` has it. Mean and median say of any number of
    values where their middle is.
    """
    wanted = [("median", 50.0), *((f"p{number}", float(number)) for number in percentiles)]
    least = {word: samples_needed(number) if word != "median" else 1 for word, number in wanted}
    figures: dict[str, float | None] = {f"{word}_{name}_ms": None for word in ("mean", "median", "std")}
    needed = {f"{word}_{name}_ms": count for word, count in least.items()}
    if values:
        mean = math.fsum(values) / len(values)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
        figures[f"mean_{name}_ms"], figures[f"std_{name}_ms"] = _ms(mean), _ms(deviation)
    enough = [(word, number) for word, number in wanted if len(values) >= least[word]]
    found = quantiles(values, [number for _word, number in enough])
    figures.update({f"{word}_{name}_ms": None for word, _number in wanted})
    figures.update({f"{word}_{name}_ms": _ms(value) for (word, _number), value in zip(enough, found)})
    return figures, {key: count for key, count in needed.items() if count > len(values)}


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 6)


def quantiles(values: Sequence[float], numbers: Sequence[float]) -> list[float]:
    """Return the percentiles *numbers* of *values*, which are not in order; see :func:`percentile`."""
    if not numbers:
        return []
    if len(values) <= SORTED:
        ordered: Sequence[float] = sorted(values)
        return [percentile(ordered, number) for number in numbers]
    places = [(len(values) - 1) * number / 100 for number in numbers]
    wanted = sorted({rank for place in places for rank in (math.floor(place), math.ceil(place))})
    at = _of_rank(values, wanted)
    return [_between(at[math.floor(place)], at[math.ceil(place)], place) for place in places]


def percentile(ordered: Sequence[float], number: float) -> float:
    """Return the percentile of an *ordered*, non-empty list, interpolated between neighbours as numpy does."""
    place = (len(ordered) - 1) * number / 100
    low = math.floor(place)
    return _between(ordered[low], ordered[min(low + 1, len(ordered) - 1)], place)


def _between(low: float, high: float, place: float) -> float:
    return low + (high - low) * (place - math.floor(place))


def _of_rank(values: Iterable[float], ranks: Sequence[int]) -> dict[int, float]:
    """Return ``{rank: value}``: values are counted in buckets, and only the buckets of *ranks* (ascending) are sorted.

    A bucket that is too large, because most values are nearly equal, is divided again.
    """
    low, high = min(values), max(values)
    if low == high:
        return dict.fromkeys(ranks, low)
    scale = (BUCKETS - 1) / (high - low)
    counts = [0] * BUCKETS
    for value in values:
        counts[int((value - low) * scale)] += 1
    asked: dict[int, list[int]] = {}
    below, bucket, begins = 0, 0, {}
    for rank in ranks:
        while below + counts[bucket] <= rank:
            below += counts[bucket]
            bucket += 1
        asked.setdefault(bucket, []).append(rank)
        begins[bucket] = below
    members = {one: array("d") for one in asked}
    for value in values:
        found = members.get(int((value - low) * scale))
        if found is not None:
            found.append(value)
    answer: dict[int, float] = {}
    for one, inside in members.items():
        own = [rank - begins[one] for rank in asked[one]]
        ordered = _of_rank(inside, own) if len(inside) > SORTED else sorted(inside)
        answer.update({rank: ordered[place] for rank, place in zip(asked[one], own)})
    return answer
