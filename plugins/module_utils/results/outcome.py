# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict of a rollup on its run: valid, not valid, or selected points valid."""

from __future__ import annotations


def point_reasons(records: list) -> list:
    """Return why points are not valid, one line each, from the records in ``results[]``."""
    return [f"{record['label']}: {reason}" for record in records for reason in record["invalid_reasons"]]


def chosen_reasons(rollup: dict) -> list:
    """Return the reasons why *rollup* is not valid, without those of points that were left out."""
    left_out = rollup.get("left_out") or ()
    chosen = [record for record in rollup["results"] if record["label"] not in left_out]
    return [*(rollup.get("run_reasons") or ()), *point_reasons(chosen)]


def in_words(rollup: dict | None) -> str | None:
    """Return the verdict of *rollup* in one line: ``valid``, ``NOT valid``, or that of the selected points, or None."""
    if not rollup or rollup.get("valid") is None:
        return None
    if rollup["valid"]:
        return "valid"
    left_out = ", ".join(rollup.get("left_out") or ())
    return f"selected points valid; left out: {left_out}" if left_out and not chosen_reasons(rollup) else "NOT valid"


def verdict_lines(rollup: dict) -> list:
    """Return whether the results are valid, and why not, as lines."""
    left_out, reasons = ", ".join(rollup.get("left_out") or ()), chosen_reasons(rollup)
    if rollup["valid"]:
        return ["The results are valid."]
    if left_out and not reasons:
        return [f"The selected points are valid; left out: {left_out}."]
    left = [f"  left out: {left_out}"] if left_out else []
    return ["The results are NOT valid:", *(f"  {reason}" for reason in reasons), *left]
