# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on several ratios at once: the probability of any wrong one among them is bounded (Holm)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, cast

from .ratios import Ratio, interval, p_beyond, p_within

UP, DOWN, EQUIVALENT, NO_EVIDENCE = "up", "down", "equivalent", "no evidence"


class Decision(NamedTuple):
    """What is known of one ratio.

    :ivar verdict: UP or DOWN if the interval lies beyond the margin, EQUIVALENT if it lies inside, else NO_EVIDENCE.
    :ivar low, high: the interval, as logarithms, with the *confidence* at which this ratio was tested.
    :ivar p: the smallest error probability of all verdicts together at which this one is reached; 1 at most.
    """

    verdict: str
    low: float
    high: float
    confidence: float
    p: float


def decide(ratios: Sequence[Ratio | None], margin: float, alpha: float) -> list[Decision | None]:
    """Return the Decision on each of *ratios*; None for one that is None, which counts in the number of tests.

    With probability 1 - *alpha* none of the verdicts is wrong. By Holm's procedure the clearest ratio is tested as one
    of all, the next as one of all others, and so on up to the first without a verdict.

    :param margin: the logarithm of the smallest ratio that matters.
    """
    count = len(ratios)
    known = [(min(p_beyond(one, margin), p_within(one, margin)), at) for at, one in enumerate(ratios) if one]
    found: list[Decision | None] = [None] * count
    stopped: int | None = None
    worst = 0.0
    for step, (p, at) in enumerate(sorted(known)):
        ratio = cast("Ratio", ratios[at])
        share = count - (step if stopped is None else stopped)
        if stopped is None and p > alpha / share:
            stopped = step
        worst = max(worst, min(1.0, p * (count - step)))
        low, high = interval(ratio, 1 - alpha / share)
        verdict = NO_EVIDENCE if stopped is not None else _verdict(ratio, margin)
        found[at] = Decision(verdict, low, high, 1 - alpha / share, worst)
    return found


def _verdict(ratio: Ratio, margin: float) -> str:
    if abs(ratio.centre) <= margin:
        return EQUIVALENT
    return UP if ratio.centre > 0 else DOWN
