# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A page in Prometheus' text format as numbers."""

from __future__ import annotations

import math
import re
from typing import Pattern

_LINE = re.compile(r"^([A-Za-z_:][\w:]*(?:\{.*\})?)[ \t]+(\S+)")
_NAME = re.compile(r"[\w:]+")
MOST_SERIES = 20000  # of a page
LONGEST_NAME = 500  # with its labels


def numbers(text: str, wanted: Pattern[str], unwanted: Pattern[str]) -> dict[str, float]:
    """Return ``{name with its labels: number}`` of the metrics whose names match *wanted* and not *unwanted*.

    What is no number, or not finite, is left out.
    """
    found: dict[str, float] = {}
    for line in text.splitlines():
        match = _LINE.match(line)
        if not match or len(match.group(1)) > LONGEST_NAME:
            continue
        name = _NAME.match(match.group(1))
        if not name or not wanted.match(name.group()) or unwanted.search(name.group()):
            continue
        try:
            value = float(match.group(2))
        except ValueError:
            continue
        if math.isfinite(value) and len(found) < MOST_SERIES:
            found[match.group(1)] = value
    return found
