# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing nodes of YAML, as its parser makes them."""

from __future__ import annotations

from typing import Any


def alike(one: Any, other: Any) -> bool:
    """Return whether two nodes of YAML say the same, in the same words."""
    pairs, known = [(one, other)], set()
    while pairs:
        left, right = pairs.pop()
        if left is right or (id(left), id(right)) in known:
            continue
        known.add((id(left), id(right)))
        if isinstance(left, tuple) and isinstance(right, tuple):
            pairs += zip(left, right)
        elif left.tag != right.tag or isinstance(left.value, str) != isinstance(right.value, str):
            return False
        elif isinstance(left.value, str):
            if left.value != right.value:
                return False
        elif len(left.value) != len(right.value):
            return False
        else:
            pairs += zip(left.value, right.value)
    return True
