# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merging of nested mappings."""

from __future__ import annotations

import copy

from ..json_types import Json


def deep_merge(base: Json, over: Json) -> Json:
    """Return *base* overridden by *over*: mappings merge, any other value replaces the old one, null deletes a key."""
    if not isinstance(base, dict) or not isinstance(over, dict):
        return copy.deepcopy(over)
    merged = {key: value for key, value in base.items() if over.get(key, "") is not None}
    for key, value in over.items():
        if value is not None:
            merged[key] = deep_merge(base.get(key), value) if key in base else copy.deepcopy(value)
    return merged
