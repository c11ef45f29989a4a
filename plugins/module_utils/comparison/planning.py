# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many repeats of each side a wanted difference needs, from the spread of those that were measured. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from ..failures import Error
from ..statistics import ratios, sizes
from .judgement import ALPHA, primary_of
from .pairing import paired
from .sides import Point


class Need(NamedTuple):
    """The repeats that one metric of one point needs.

    :ivar spread: standard deviation of a repeat's logarithm, of a pair's difference if ``paired``; None if unknown.
    :ivar values: how many values it is known from.
    :ivar repeats: of each side; None if that is unknown, or more than anybody measures. From one side alone it is
        enough whether the other is measured in turns with it or not.
    """

    label: str
    metric: str
    paired: bool
    spread: float | None
    values: int
    repeats: int | None
    reason: str = ""


def needs(
    points: Sequence[Point], wanted: Sequence[str], difference: float, threshold: float, alpha: float = ALPHA
) -> list[Need]:
    """Return the Need of each primary metric of each of *points*; Error if the *difference* cannot be found.

    :param difference: the difference to find, and ``threshold`` the smallest one that matters, as shares.
    """
    if difference <= threshold:
        raise Error(
            f"plan_difference is {100 * difference:g} % and threshold {100 * threshold:g} %: a difference is only "
            "found beyond the threshold. Plan for a larger difference, or set a smaller threshold."
        )
    names = [(point, name) for point in points for name in primary_of(point.benchmark, wanted)]
    names = [(point, name) for point, name in names if _has_values(point, name)]
    confidence = 1 - alpha / max(1, len(names))
    return [_need(point, name, (math.log1p(difference), math.log1p(threshold)), confidence) for point, name in names]


def _has_values(point: Point, name: str) -> bool:
    return any(one.valid and one.figures.get(name) is not None for one in (*point.baseline, *point.candidate))


def _need(point: Point, name: str, sought: tuple[float, float], confidence: float) -> Need:
    sides = [[one for one in side if one.valid] for side in (point.baseline, point.candidate)]
    if not all(ratios.usable(one.figures.get(name)) for side in sides for one in side):
        return Need(point.label, name, False, None, 0, None, "valid repeats have no value, or one without a ratio")
    pairs = paired(*sides).pairs if all(sides) else None
    logs = [[math.log(one.figures[name]) for one in side] for side in sides]
    if pairs:
        logs = [[math.log(other.figures[name]) - math.log(one.figures[name]) for one, other in pairs]]
    logs = [group for group in logs if len(group) > 1]
    if not logs:
        return Need(point.label, name, False, None, 0, None, "it takes two valid repeats to see a spread")
    spread, freedom = sizes.pooled(logs)
    values = sum(map(len, logs))
    if spread <= ratios.SAME:
        return Need(point.label, name, bool(pairs), spread, values, None, "the repeats show no spread at all")
    likely = sizes.likely(spread, freedom)
    count = sizes.repeats_needed(likely, bool(pairs), *sought, confidence)
    if not point.candidate and count:  # nobody knows yet whether the other side is measured in turns with this one
        turns = sizes.repeats_needed([math.sqrt(2) * one for one in likely], True, *sought, confidence)
        count = max(count, turns) if turns else None
    reason = "" if count else f"more than {sizes.MOST} repeats"
    return Need(point.label, name, bool(pairs), spread, values, count, reason)
