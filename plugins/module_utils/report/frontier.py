# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The frontier of a comparison group, and the table at interactivity levels. Only points that count are on either."""

from __future__ import annotations

from collections.abc import Sequence

from .points import Point, groups_of

STEPS = (1, 2, 5)
MOST_LEVELS = 8


def frontier(points: Sequence[Point], x: str, y: str, more_is_better: bool) -> list[Point]:
    """Return those of *points* than which no other is better in both *x* and *y*, in order of *x*.

    More of *y* is better; *more_is_better* says so of *x*. Points that do not count, or lack a figure, are left out.
    """
    known = [one for one in points if one.counts and x in one.figures and y in one.figures]
    sign = -1 if more_is_better else 1
    found: list[Point] = []
    for one in sorted(known, key=lambda one: (sign * one.figures[x], -one.figures[y])):
        if not found or one.figures[y] > found[-1].figures[y]:
            found.append(one)
    return sorted(found, key=lambda one: one.figures[x])


def levels(values: Sequence[float]) -> list[float]:
    """Return round numbers (1, 2, 5, 10, ...) from the one below the least of *values* to the largest one reached."""
    known = [value for value in values if value > 0]
    if not known:
        return []
    ladder = [step * 10.0**power for power in range(-3, 7) for step in STEPS]
    below = max((one for one in ladder if one <= min(known)), default=ladder[0])
    return [one for one in ladder if below <= one <= max(known)][-MOST_LEVELS:]


def at_levels(points: Sequence[Point], x: str, y: str) -> tuple[list[float], dict[str, list[Point | None]]]:
    """Return (the levels of *x*, {group: for each level the point with the most *y* that reaches it, or None})."""
    known = [one for one in points if one.counts and x in one.figures and y in one.figures]
    steps = levels([one.figures[x] for one in known])
    rows: dict[str, list[Point | None]] = {}
    for group in groups_of(known):
        own = [one for one in known if one.group == group]
        reached = ([one for one in own if one.figures[x] >= level] for level in steps)
        rows[group] = [max(some, key=lambda one: one.figures[y], default=None) for some in reached]
    return steps, rows
