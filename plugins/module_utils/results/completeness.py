# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rollup lacks of its run: points, measurements that were cut, worker logs. A question apart from validity."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from ..benchmarks.base import partial_path
from ..json_types import Json, JsonObject
from ..plain_text import shown
from ..plan_file import Plan
from .rollup_file import PointRecord, Rollup
from .verdict import CHANGED, NOT_EVALUATED, NOT_MEASURED, OUTDATED

# What a point of these states lacks: figures of a whole measurement.
CUT = {
    NOT_MEASURED: "not measured",
    NOT_EVALUATED: "measured, and not evaluated",
    OUTDATED: "measured with other parameters or another service",
    CHANGED: "its files have changed since",
}
LOGS = "worker logs: "  # how a line about logs begins


def entries(missing_: Iterable[str]) -> JsonObject:
    """Return the entries ``complete`` and ``incomplete`` of a rollup that lacks *missing_*."""
    lines = [shown(one) for one in missing_]
    return {"complete": not lines, "incomplete": lines}


def missing(
    plan: Plan, records: Iterable[PointRecord], search: JsonObject | None, summary: Mapping[str, Json]
) -> list[str]:
    """Return what the rollup of *plan* lacks, one line each; empty if it is complete.

    :param summary: its ``nodes_summary``.
    """
    found = [*of_points(records), *_partial(plan)]
    found += [] if not search or search["answer"] else [str(search["text"])]
    paths = [
        os.path.join(plan["run_dir"], step["log"].replace("%N", node))
        for step in plan.get("steps") or ()
        if step["kind"] == "worker"
        for node in step["nodes"]
    ]
    unread = [path for path in paths if not os.access(path, os.R_OK)]
    if unread:
        found.append(f"{LOGS}{len(unread)} of {len(paths)} are missing, or cannot be read, the first is {unread[0]}")
    lost = sum(node.get("lost_lines") or 0 for node in summary.get("nodes") or ())
    return [*found, f"{LOGS}{lost} line(s) cannot be read"] if lost else found


def of_points(records: Iterable[PointRecord]) -> list[str]:
    """Return which points have no figures of a whole measurement, one line each."""
    return [f"{record['label']}: {CUT[record['state']]}" for record in records if record["state"] in CUT]


def _partial(plan: Plan) -> list[str]:
    """Return which points have only a partial result, one line each."""
    points = (plan.get("benchmark") or {}).get("points") or ()
    paths = [(point["label"], os.path.join(plan["run_dir"], point["result"])) for point in points]
    cut = [label for label, path in paths if not os.path.exists(path) and os.path.exists(partial_path(path))]
    return [f"{label}: its measurement did not complete" for label in cut]


def take_logs(rollup: Rollup, other: Rollup) -> None:
    """Let *rollup* say of the logs, and of its provenance, what *other* says, which was made where they are or were."""
    own = [one for one in rollup["incomplete"] if not one.startswith(LOGS)]
    rollup["incomplete"] = [*own, *(one for one in other.get("incomplete") or () if one.startswith(LOGS))]
    rollup["complete"] = not rollup["incomplete"]
    rollup["provenance"] = other.get("provenance") or rollup["provenance"]
