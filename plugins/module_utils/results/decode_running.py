# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many requests decode workers ran at once in the window of a point: what nine in ten of their samples reach. Pure.

A sample is a line of a log about a decode batch or an interval, or a reading of a metrics page.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Union

KEY = "p90_decode_running_requests"
SHARE = 0.9
Samples = Mapping[Union[int, float], int]


def p90(workers: Iterable[Samples]) -> float | None:
    """Return the nearest-rank percentile over the samples of all decode *workers*.

    None if one of them has no samples, or if there are no such workers: the others would speak for it.

    :param workers: of each ``{running requests: number of samples}``.
    """
    found: Counter[int | float] = Counter()
    for samples in workers:
        if not samples:
            return None
        found.update(samples)
    rank, seen = math.ceil(SHARE * sum(found.values())), 0
    for value in sorted(found):
        seen += found[value]
        if seen >= rank:
            return value
    return None
