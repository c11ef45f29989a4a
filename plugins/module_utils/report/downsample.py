# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long series made short: what is left out lies between what stays. Pure."""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from typing import TypeVar

from ..json_types import Json, is_number

SHARES = (*(one / 100 for one in range(100)), 0.995, 0.999, 0.9999, 1.0)  # of the curve of a distribution
Pair = TypeVar("Pair", bound=tuple[float, float])


def quantiles(values: Sequence[float]) -> list[tuple[float, float]]:
    """Return [(value, share of *values* at or below it)], from the least to the largest, about a hundred at most.

    Each share is that of the value itself, so that the curve is exact where it has a corner.
    """
    ordered = sorted(values)
    picked = sorted({min(len(ordered) - 1, round(share * (len(ordered) - 1))) for share in SHARES})
    found: dict[float, float] = {}
    for index in picked:
        found[ordered[index]] = bisect.bisect_right(ordered, ordered[index]) / len(ordered)
    return list(found.items())


def thinned(pairs: Sequence[Pair], most: int) -> list[Pair]:
    """Return at most *most* of *pairs*, which are in order of the first number: of each stretch both extremes."""
    if len(pairs) <= most:
        return list(pairs)
    found, parts = [], max(1, most // 2)
    for part in range(parts):
        stretch = range(part * len(pairs) // parts, (part + 1) * len(pairs) // parts)
        low = min(stretch, key=lambda index: pairs[index][1])
        high = max(stretch, key=lambda index: pairs[index][1])
        found += [pairs[index] for index in sorted({low, high})]
    return found


def series(times: Sequence[Json], values: Sequence[Json], most: int) -> list[tuple[float, float]]:
    """Return [(time, value)] in order of time, at most *most*; items that are no finite numbers are left out."""
    pairs = sorted((t, v) for t, v in zip(times, values) if is_number(t) and is_number(v))
    return thinned(pairs, most)
