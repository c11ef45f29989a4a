# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a JSON object has the shape of a plan, as far as the stages rely on it."""

from __future__ import annotations

from collections.abc import Set

from .json_types import JsonObject

# What the items of a plan's lists have at least.
ITEMS: dict[str, tuple[str, ...]] = {
    "nodes": ("name",),
    "endpoints": ("name",),
    "processes": ("name",),
    "steps": ("name", "tier", "nodes", "digest"),
    "files": ("path", "content"),
    "checks": ("name",),
}
POINT = ("step", "name", "label", "key", "result", "digest")
TEXTS = ("name", "label", "result", "digest", "path")
MAPPINGS = ("spec", "benchmark", "groups", "digests")


def fault(plan: JsonObject, needed: Set[str]) -> str | None:
    """Return the first way in which *plan* differs from the shape of a plan, None if there is none.

    :param needed: the keys that every plan has.
    """
    lacking = sorted(needed - set(plan))
    if lacking:
        return f"it lacks {', '.join(lacking[:5])}{' and more' if len(lacking) > 5 else ''}"
    for key in MAPPINGS:
        if not isinstance(plan[key], dict):
            return f"{key} is no mapping"
    points = plan["benchmark"].get("points")
    lists = [
        *((key, plan[key], keys) for key, keys in ITEMS.items()),
        ("points", points, POINT),
    ]
    for key, items, keys in lists:
        if not isinstance(items, list):
            return f"{key} is no list"
        for index, item in enumerate(items):
            missing = [one for one in keys if one not in item] if isinstance(item, dict) else ["all keys"]
            if missing:
                return f"{key}[{index}] lacks {', '.join(missing)}"
            odd = [one for one in TEXTS if one in keys and not isinstance(item[one], str)]
            if odd or "key" in keys and not isinstance(item["key"], dict):
                return f"{key}[{index}] has something else as its {odd[0] if odd else 'key'}"
    return None
