# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Finding the word that was meant."""

from __future__ import annotations

import difflib


def normal(word):
    """Return *word* as it is compared: dashes and case do not matter."""
    return str(word).replace("-", "_").lower()


def nearest(word, words, cutoff=0.7):
    """Return the one of *words* that was probably meant, or None."""
    table = {normal(one): str(one) for one in words}
    if normal(word) in table:
        return table[normal(word)]
    found = difflib.get_close_matches(normal(word), list(table), n=1, cutoff=cutoff)
    return table[found[0]] if found else None
