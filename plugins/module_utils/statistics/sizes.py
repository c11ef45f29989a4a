# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How large a difference must be to be seen, and how many repeats one needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

from .intervals import functions, t_quantile
from .ratios import Ratio

POWER = 0.8  # the probability with which a difference is found
LEAST, MOST = 3, 1000  # repeats


def detectable(ratio: Ratio, margin: float, confidence: float, power: float = POWER) -> float:
    """Return the difference (a logarithm) that as many repeats of the same spread find with this *power*."""
    critical = t_quantile(confidence, ratio.freedom)
    low, high = 0.0, critical + 10.0
    while _power(high, critical, ratio.freedom) < power:
        high *= 2
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if _power(middle, critical, ratio.freedom) < power else (low, middle)
    return margin + high * ratio.error


def repeats_needed(
    spreads: Sequence[float], paired: bool, wanted: float, margin: float, confidence: float, power: float = POWER
) -> int | None:
    """Return how many repeats of each side find the difference *wanted* (a logarithm); None: more than MOST, or never.

    :param spreads: what the spread of a Ratio may be, equally probable: the power is the mean over them.
    """
    if wanted <= margin:
        return None

    def finds(count: int) -> bool:
        share = math.sqrt((1 if paired else 2) / count)
        shifts = [(wanted - margin) / (spread * share) for spread in spreads]
        if paired:
            critical = t_quantile(confidence, count - 1)
            found = [_power(shift, critical, count - 1) for shift in shifts]
        else:
            found = [_welch_power(shift, confidence, count - 1) for shift in shifts]
        return sum(found) / len(found) >= power

    low, high = LEAST - 1, LEAST
    while not finds(high):
        low, high = high, high * 2
        if low >= MOST:
            return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if finds(middle) else (middle, high)
    return high if high <= MOST else None


def likely(spread: float, freedom: float, count: int = 12) -> list[float]:
    """Return *count* equally probable values of the true spread, if *spread* was seen with *freedom*.

    A few repeats often show too small a spread: who trusts it plans too few.
    """
    invert = functions().chdtri
    return [spread * math.sqrt(freedom / float(invert(freedom, (at + 0.5) / count))) for at in range(count)]


def pooled(groups: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Return (standard deviation of one value, degrees of freedom) within *groups*, whose means may differ."""
    squares, freedom = 0.0, 0
    for group in groups:
        mean = sum(group) / len(group)
        squares += sum((value - mean) ** 2 for value in group)
        freedom += len(group) - 1
    return math.sqrt(squares / freedom), float(freedom)


def _welch_power(shift: float, confidence: float, freedom: float) -> float:
    """Return the power of Welch's test of two equal sides, each with *freedom*.

    The test takes its degrees of freedom from the share that one side has in the variances that are seen. That share
    is of a beta distribution, and independent of their sum.
    """
    seen = [freedom / (share**2 + (1 - share) ** 2) for share in _shares(freedom)]
    return sum(_power(shift, t_quantile(confidence, one), 2 * freedom) for one in seen) / len(seen)


def _shares(freedom: float, count: int = 8) -> list[float]:
    """Return *count* equally probable shares of one side in the sum of two variances."""
    invert = functions().betaincinv
    return [float(invert(freedom / 2, freedom / 2, (at + 0.5) / count)) for at in range(count)]


def _power(shift: float, critical: float, freedom: float) -> float:
    """Return the probability that t exceeds *critical* if the true value is *shift* standard errors above the bound."""
    found = 1 - float(functions().nctdtr(freedom, shift, critical))
    if math.isfinite(found):
        return found
    return 1.0 if shift > critical else 0.0  # so far out that the series does not converge
