# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which repeats of two sides were measured next to each other in one allocation. It depends on times alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .measured_run import Repeat, seconds

Pair = tuple[Repeat, Repeat]
ELSEWHERE = "The sides were measured in different allocations, or where is unknown: their nodes may differ, and count."
NO_TIMES = "The times of measurements are unknown, so that nobody knows which were neighbours."
AT_ONCE = "Measurements of both sides overlapped in one allocation, and may have disturbed each other."
NO_TURNS = "The sides were not measured in turns: what changed in their allocation meanwhile counts as a difference."


class Pairing(NamedTuple):
    """How the repeats of one point are compared.

    :ivar pairs: (baseline, candidate) of each pair; None if the sides are independent.
    :ivar why: why they are not paired, as a note for the user; "" if they are.
    """

    pairs: list[Pair] | None
    why: str


def paired(baseline: Sequence[Repeat], candidate: Sequence[Repeat]) -> Pairing:
    """Return the Pairing of valid repeats.

    They are paired if each allocation that measured any of them measured both sides in turns: never two at once, and
    each repeat of the side with fewer has one of the other side as its neighbour in time. What differs between
    allocations is then the same for both of a pair.
    """
    places = list(dict.fromkeys(one.allocation for one in (*baseline, *candidate)))
    if not places or None in places:
        return Pairing(None, ELSEWHERE if places else "")
    pairs: list[Pair] = []
    for place in places:
        sides = [[one for one in side if one.allocation == place] for side in (baseline, candidate)]
        if len(places) > 1 and not all(sides):
            return Pairing(None, ELSEWHERE)
        found = _in_turns(*sides)
        if isinstance(found, str):
            return Pairing(None, found)
        pairs += found
    return Pairing(pairs, "")


def _in_turns(baseline: Sequence[Repeat], candidate: Sequence[Repeat]) -> list[Pair] | str:
    """Return the pairs of repeats that one allocation measured, or why there are none."""
    spans: list[tuple[float, float, int, Repeat]] = []
    for side, repeats in enumerate((baseline, candidate)):
        for one in repeats:
            begin, end = seconds(one.started_at), seconds(one.ended_at)
            if begin is None or end is None:
                return NO_TIMES
            spans.append((begin, end, side, one))
    spans.sort(key=lambda span: span[:3])
    if any(later[0] < earlier[1] for earlier, later in zip(spans, spans[1:])):
        return AT_ONCE
    pairs: list[Pair] = []
    at = 0
    while at + 1 < len(spans):
        (_begin, _end, side, one), (_begin, _end, other_side, other) = spans[at], spans[at + 1]
        if side == other_side:
            at += 1
            continue
        pairs.append((other, one) if side else (one, other))
        at += 2
    left = len(spans) - 2 * len(pairs)
    return NO_TURNS if len(pairs) < min(len(baseline), len(candidate)) or left > len(pairs) else pairs
