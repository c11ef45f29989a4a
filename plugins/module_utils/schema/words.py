# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Finding the intended word."""

from __future__ import annotations

import difflib
from collections.abc import Container, Iterable

# Current names use both forms, in different sections.
FORMS = {"agg": "aggregated", "aggregated": "agg"}


def normal(word: object) -> str:
    """Return *word* normalised for comparison: dashes and case do not matter."""
    return str(word).replace("-", "_").lower()


def nearest(word: object, words: Iterable[object], cutoff: float = 0.7) -> str | None:
    """Return the closest of *words*, or None."""
    table = {normal(one): str(one) for one in words}
    if normal(word) in table:
        return table[normal(word)]
    found = difflib.get_close_matches(normal(word), list(table), n=1, cutoff=cutoff)
    return table[found[0]] if found else None


def other_form(word: object, words: Container[str]) -> str | None:
    """Return *word* with agg and aggregated exchanged if that is in *words*, or None."""
    parts = normal(word).split("_")
    swapped = "_".join(FORMS.get(part, part) for part in parts)
    return swapped if swapped != normal(word) and swapped in words else None
