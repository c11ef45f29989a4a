# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of a rollup on its run: valid, passed, not valid, or selected points valid."""

from __future__ import annotations

from collections.abc import Iterable

from ..json_types import JsonObject
from .rollup_file import PointRecord, Rollup
from .verdict import PASSED, VALID


def succeeded(record: PointRecord) -> bool:
    """Return whether nothing speaks against the point of *record*: it is valid, or has passed."""
    return record["state"] in (VALID, PASSED)


def point_reasons(records: Iterable[PointRecord]) -> list[str]:
    """Return why points are not valid, one line each, from the records in ``results[]``."""
    return [f"{record['label']}: {reason}" for record in records for reason in record["invalid_reasons"]]


def reasons_against(records: Iterable[PointRecord], search: JsonObject | None) -> list[str]:
    """Return why the points of *records* do not count.

    In a *search* a point that is not valid does not keep the objectives, but the search may have its answer.
    """
    if not search:
        return point_reasons(records)
    return [] if search["answer"] else [search["text"]]


def chosen_reasons(rollup: Rollup) -> list[str]:
    """Return the reasons why *rollup* is not valid, without those of points that were left out."""
    left_out = rollup.get("left_out") or ()
    chosen = [record for record in rollup["results"] if record["label"] not in left_out]
    return [*(rollup.get("run_reasons") or ()), *reasons_against(chosen, rollup.get("search"))]


def in_words(rollup: Rollup | None) -> str | None:
    """Return the verdict of *rollup* in one line, or None.

    It is ``valid``, ``passed``, ``NOT valid``, or that of the selected points.
    """
    if not rollup or rollup.get("valid") is None:
        return None
    if rollup["valid"] or rollup.get("passed"):
        return "valid" if rollup["valid"] else "passed"
    left_out = ", ".join(rollup.get("left_out") or ())
    return f"selected points valid; left out: {left_out}" if left_out and not chosen_reasons(rollup) else "NOT valid"


def verdict_lines(rollup: Rollup) -> list[str]:
    """Return whether the results are valid, and why not, as lines."""
    left_out, reasons = ", ".join(rollup.get("left_out") or ()), chosen_reasons(rollup)
    if rollup["valid"]:
        return ["The results are valid."]
    doubts = doubt_lines(rollup)
    if rollup.get("passed"):
        return ["The run has passed. These points are not called valid:", *doubts]
    if left_out and not reasons:
        what = "The selected points have passed or are valid" if doubts else "The selected points are valid"
        return [f"{what}; left out: {left_out}.", *doubts]
    left = [f"  left out: {left_out}"] if left_out else []
    return ["The results are NOT valid:", *(f"  {reason}" for reason in reasons), *left]


def doubt_lines(rollup: Rollup) -> list[str]:
    """Return why points that have passed are not valid, as lines."""
    return [f"  {record['label']}: {doubt}" for record in rollup["results"] for doubt in record.get("doubts") or ()]
