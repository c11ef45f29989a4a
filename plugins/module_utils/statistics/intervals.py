# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The confidence interval of a mean, and where its quantiles come from."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from ..failures import Error


def functions() -> Any:
    """Return scipy.special, which has the distributions as plain functions; Error if this Python has no scipy."""
    try:
        from scipy import special
    except ImportError:
        raise Error(
            f"The Python package scipy is missing for {sys.executable}, and intervals need it. Install it there "
            f"({sys.executable} -m pip install scipy)."
        ) from None
    return special


def available() -> bool:
    """Return whether this Python has scipy."""
    try:
        functions()
    except Error:
        return False
    return True


def t_quantile(confidence: float, freedom: float) -> float:
    """Return the quantile of Student's t that a two-sided interval with this *confidence* needs."""
    return -float(functions().stdtrit(freedom, (1 - confidence) / 2))


def t_above(value: float, freedom: float) -> float:
    """Return the probability that Student's t is above *value*."""
    return float(functions().stdtr(freedom, -value))


def half_width(values: Sequence[float], confidence: float = 0.95) -> float | None:
    """Return half the width of the confidence interval of the mean of *values*, None of fewer than two."""
    if len(values) < 2:
        return None
    return t_quantile(confidence, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
