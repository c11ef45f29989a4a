# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ratio of two sides, as the logarithm of candidate / baseline, with its error."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import NamedTuple

from .intervals import t_above, t_quantile

SAME = 1e-9  # a relative spread below this one is that of rounding


class Ratio(NamedTuple):
    """An estimate of log(candidate / baseline).

    :ivar centre: the estimate, ``error`` its standard error with ``freedom`` degrees of freedom.
    :ivar spread: standard deviation of one repeat's logarithm; of one pair's difference if ``paired``.
    :ivar counts: repeats of the baseline and of the candidate, or pairs twice.
    """

    centre: float
    error: float
    freedom: float
    spread: float
    counts: tuple[int, int]
    paired: bool


class NoSpread(ValueError):
    """All repeats of a side are equal, so that nothing is known of their spread."""


def usable(value: object) -> bool:
    """Return whether *value* has a logarithm: a finite number above zero."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return number and math.isfinite(value) and value > 0  # type: ignore[arg-type, operator]


def centre(values: Sequence[float]) -> float:
    """Return the geometric mean of *values*, which are above zero."""
    return math.exp(statistics.fmean(map(math.log, values)))


def welch(baseline: Sequence[float], candidate: Sequence[float]) -> Ratio:
    """Return the Ratio of two independent sides of at least two values each, by Welch; NoSpread."""
    logs = [[math.log(value) for value in side] for side in (baseline, candidate)]
    means = [statistics.fmean(side) for side in logs]
    parts = [statistics.variance(side) / len(side) for side in logs]
    total = sum(parts)
    if total <= SAME**2:
        raise NoSpread
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, logs))
    spread = math.sqrt(statistics.fmean(statistics.variance(side) for side in logs))
    counts = (len(baseline), len(candidate))
    return Ratio(means[1] - means[0], math.sqrt(total), freedom, spread, counts, False)


def paired(pairs: Sequence[tuple[float, float]]) -> Ratio:
    """Return the Ratio of at least two *pairs* (baseline, candidate), each measured next to each other; NoSpread."""
    differences = [math.log(other) - math.log(one) for one, other in pairs]
    spread = statistics.stdev(differences)
    if spread <= SAME:
        raise NoSpread
    error = spread / math.sqrt(len(pairs))
    return Ratio(statistics.fmean(differences), error, len(pairs) - 1, spread, (len(pairs), len(pairs)), True)


def interval(ratio: Ratio, confidence: float) -> tuple[float, float]:
    """Return the two-sided confidence interval of *ratio*, as logarithms."""
    half = t_quantile(confidence, ratio.freedom) * ratio.error
    return ratio.centre - half, ratio.centre + half


def p_beyond(ratio: Ratio, margin: float) -> float:
    """Return the largest error probability at which the interval of *ratio* does not lie beyond *margin*.

    It lies beyond with every confidence below one minus this.
    """
    return min(1.0, 2 * t_above((abs(ratio.centre) - margin) / ratio.error, ratio.freedom))


def p_within(ratio: Ratio, margin: float) -> float:
    """Return the largest error probability at which the interval of *ratio* is not inside *margin* on both sides."""
    return min(1.0, 2 * t_above((margin - abs(ratio.centre)) / ratio.error, ratio.freedom))
