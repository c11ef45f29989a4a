# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A comparison as text. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from ..json_types import JsonObject
from ..metrics import METRICS
from .document import percent, place
from .judgement import NO_EVIDENCE

MOST = 40  # lines of the configuration


def comparison(document: JsonObject) -> list[str]:
    """Return the lines about a comparison: both sides, each point with its primary metrics, what does not count."""
    lines = []
    for side in document["sides"]:
        runs = ", ".join(f"{one['name']} ({one['valid']} of {one['repeats']} repeats valid)" for one in side["runs"])
        lines.append(f"{side['side']:<9} {side['given']}: {runs}")
    lines.append(
        f"Differences above {100 * document['threshold']:g} % matter. "
        f"With {100 * document['confidence']:g} % confidence no verdict is wrong."
    )
    for point in document["points"]:
        lines += _point(point)
    for one in document["invalid"]:
        lines.append(f"INVALID {one['side']}: {one['label']} of {one['run']}: {'; '.join(one['reasons'])}")
    for one in document["missing"]:
        lines.append(f"missing {one['side']}: {one['label']} of {one['run']}: {'; '.join(one['reasons'])}")
    for word, points in document["only"].items():
        lines += [f"only the {word} has {one}" for one in points]
    lines += [f"warning: {one}" for one in document["warnings"]]
    lines += _differences(document["differences"])
    lines.append(f"verdict: {document['verdict']}")
    return lines


def _point(point: JsonObject) -> list[str]:
    """Return the lines about one point, its primary metrics as a table."""
    base, other = point["baseline"], point["candidate"]
    how = "in pairs" if point["method"] == "paired" else "independent"
    counts = f"{base['valid']} of {base['measured']} and {other['valid']} of {other['measured']} repeats valid, {how}"
    rows = [["", "baseline", "candidate", "change", "interval", "verdict"]]
    rows += [_row(one) for one in point["metrics"] if one["primary"]]
    widths = [max(map(len, column)) for column in list(zip(*rows))[:-1]]
    table = ["  " + "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths)), row[-1]]) for row in rows]
    notes = [f"  {METRICS[name].label}: no repeat of either side has it" for name in point["unmeasured"]]
    explored = [one for one in point["metrics"] if not one["primary"] and one["low"] is not None]
    clear = [one for one in explored if not one["low"] <= 1 <= one["high"]]
    if explored:
        some = ", ".join(f"{one['label']} {percent(one['ratio'])}" for one in clear[:6])
        more = f" and {len(clear) - 6} more" if len(clear) > 6 else ""
        notes.append(
            f"  exploratory, no verdicts: {len(explored)} other metrics; outside of 95 %: {some or 'none'}{more}"
        )
    return [f"{place(point)}: {counts}", *table, *notes]


def _row(one: JsonObject) -> list[str]:
    metric = METRICS[one["name"]]
    change = percent(one["ratio"]) if one["ratio"] else "-"
    reached = f"{percent(one['low'])} to {percent(one['high'])}" if one["low"] is not None else "-"
    verdict = one["verdict"] + (f": {one['reason']}" if one["reason"] else "")
    if one["verdict"] == NO_EVIDENCE:
        verdict += f" (a difference of {100 * (one['detectable'] - 1):.1f} % would have been found)"
    elif one["detectable"]:
        verdict += f" (detectable: {100 * (one['detectable'] - 1):.1f} %)"
    values = [metric.text(one[side]) for side in ("baseline", "candidate")]
    return [one["label"], *values, change, reached, verdict]


def _differences(found: Sequence[JsonObject]) -> list[str]:
    lines = [f"  {one['key']}: {one['baseline']} -> {one['candidate']}" for one in found[:MOST]]
    lines += [f"  and {len(found) - MOST} more, see compare.json"] if len(found) > MOST else []
    return ["What differs between the sides:", *lines] if lines else ["Nothing is known to differ between the sides."]


def planning(document: JsonObject) -> list[str]:
    """Return the lines about how many repeats a difference needs."""
    sought = f"{100 * document['difference']:g} %"
    lines = []
    for one in document["needs"]:
        label = METRICS[one["metric"]].label
        if one["repeats"] is None:
            lines.append(f"  {one['label']}: {label}: unknown: {one['reason']}")
            continue
        how = "pairs" if one["paired"] else "repeats of each side"
        lines.append(
            f"  {one['label']}: {label}: {one['repeats']} {how} (spread {100 * one['spread']:.2f} % "
            f"of {one['values']} {'differences' if one['paired'] else 'values'})"
        )
    if document["repeats"]:
        lines.append(f"To find a difference of {sought} with a power of 80 %: repeats: {document['repeats']}")
    else:
        lines.append(f"How many repeats a difference of {sought} needs is not known for all metrics.")
    return lines
