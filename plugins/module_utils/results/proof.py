# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A stored rollup as the files beside it prove it: a point counts only if its verdict and its result still say so.

A rollup is a copy of verdicts. It may be older than they are, edited, or of a program that made a mistake.
"""

from __future__ import annotations

import os

from ..json_types import is_number
from ..metrics import METRICS
from ..plan_file import PLAN, Plan, PlanPoint
from .outcome import point_reasons
from .rollup_file import PointRecord, Rollup
from .verdict import CHANGED, INVALID, OUTDATED, PASSED, VALID, Verdict, standing

ROLLUP = "rollup.json"
# Figures that follow from others are computed for the rollup.
COMPUTED = {name for name, one in METRICS.items() if one.source} | {"input_tps"}


def as_proven(stored: Rollup, plan: Plan | None, run_dir: str) -> Rollup:
    """Return *stored*, the rollup in *run_dir*, with each point as its files prove it now.

    :param plan: None for a directory without one: nothing in it can be called valid.
    """
    planned = {point["name"]: point for point in plan["benchmark"].get("points") or ()} if plan else {}
    results = [_proven(one, planned.get(one["name"]), plan is not None, run_dir) for one in stored["results"]]
    changed = [new for new, old in zip(results, stored["results"]) if new is not old]
    if not changed and not _contradicts_itself(stored):
        return stored
    reasons = [*stored["invalid_reasons"], *point_reasons(changed)]
    if not reasons and not changed:
        reasons = [f"{ROLLUP} says that the run is valid, and that a point of it is not"]
    passed = not reasons and any(one["state"] == PASSED for one in results)
    return {**stored, "results": results, "valid": False, "passed": passed, "invalid_reasons": reasons}


def _contradicts_itself(stored: Rollup) -> bool:
    """Return whether a rollup is called valid, and has something that speaks against it; a search may have both."""
    points = [] if stored.get("search") else stored["results"]
    return stored["valid"] and bool(stored["invalid_reasons"] or not all(one["state"] == VALID for one in points))


def _proven(record: PointRecord, point: PlanPoint | None, has_plan: bool, run_dir: str) -> PointRecord:
    """Return *record* as it is, or as its files say now; *point* is that of the plan."""
    if record["valid"] and (record["state"] != VALID or record["invalid_reasons"] or record.get("doubts")):
        state = INVALID if record["state"] == VALID else record["state"]
        return _not_valid(record, state, f"{ROLLUP} calls it valid, and has what speaks against it")
    if record["state"] == VALID and not has_plan:
        return {**record, "valid": False, "state": PASSED, "doubts": [f"without {PLAN} beside it nothing proves it"]}
    if record["state"] not in (VALID, PASSED) or not has_plan:
        return record
    if point is None:
        return {**record, "valid": False, "state": OUTDATED, "invalid_reasons": [f"{PLAN} does not have this point"]}
    now = standing(point, os.path.join(run_dir, point["result"]))
    if now.state != record["state"]:
        reasons = now.reasons or [f"its verdict says {now.state}, {ROLLUP} says {record['state']}"]
        return {**record, "valid": False, "state": now.state, "invalid_reasons": reasons}
    other = _other_figures(record, now.verdict, point)
    return _not_valid(record, CHANGED, f"{ROLLUP} has other figures than its verdict: {other}") if other else record


def _not_valid(record: PointRecord, state: str, why: str) -> PointRecord:
    return {**record, "valid": False, "state": state, "invalid_reasons": [*record["invalid_reasons"], why]}


def _other_figures(record: PointRecord, verdict: Verdict | None, point: PlanPoint) -> str:
    """Return the names of the figures in which *record* is not what its *verdict* says; those of its key are asked."""
    told = verdict["metrics"] if verdict else {}
    own = COMPUTED | set(point["key"])
    names = [name for name in told if name in METRICS and name not in own and is_number(told[name])]
    return ", ".join(name for name in names if record.get(name) != told[name])
