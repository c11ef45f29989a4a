# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runs as text, one line each. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..json_types import JsonObject
from .entries import best_text

HEAD = ("id", "name", "topology", "isl/osl", "best", "verdict", "date")
NO_VERDICT = "no rollup"


def lines(records: Sequence[JsonObject], total: int) -> list[str]:
    """Return *records* as a table; *total*: how many runs there are."""
    if not records:
        return [f"None of the {total} runs is meant." if total else "There are no runs."]
    rows = [HEAD, *map(_row, records)]
    widths = [max(map(len, column)) for column in zip(*rows)]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    return [*table, f"{len(records)} of {total} runs"]


def _row(one: JsonObject) -> tuple[str, ...]:
    lengths = f"{one['isl']}/{one['osl']}" if one["isl"] is not None or one["osl"] is not None else "-"
    verdict = one["verdict"] or NO_VERDICT
    if one["points"] and one["valid_points"] != one["points"]:
        verdict += f" ({one['valid_points']} of {one['points']} points valid)"
    date = str(one["date"] or "-")[:16].replace("T", " ")
    return (
        str(one["id"]), str(one["name"] or "-"), str(one["topology"] or "-"), lengths.replace("None", "-"),
        best_text(one), verdict, date,
    )  # fmt: skip
