# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A search over the verdicts of its points: which is measured next, and the answer."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Callable, cast

from ..benchmarks import search
from ..files import digest
from ..json_types import Json, JsonObject
from ..metrics import derived
from ..plan_file import Plan, PlanPoint, gpu_counts
from .verdict import NOT_MEASURED, OUTDATED, Verdict, standing


def search_of(plan: Plan) -> search.PlannedSearch | None:
    """Return the search of *plan*, or None."""
    found = (plan.get("benchmark") or {}).get("search")
    return cast("search.PlannedSearch", found) if found else None


def next_point(plan: Plan, verdicts: Mapping[str, Verdict | None]) -> PlanPoint | search.Answer:
    """Return the point of the search in *plan* to measure next, or its answer.

    :param verdicts: {name of a point: its verdict} of those that were measured; None: measured without a verdict.
    """
    planned, points = cast("search.PlannedSearch", search_of(plan)), plan["benchmark"]["points"]
    gpus = gpu_counts(plan["endpoints"])
    outcomes: dict[search.Level, list[search.Outcome]] = {}
    for point in sorted(points, key=lambda one: search.level_of(planned, one["key"])[1]):
        if point["name"] in verdicts:
            level, _replicate = search.level_of(planned, point["key"])
            verdict: JsonObject = {**(verdicts[point["name"]] or {})}
            figures = verdict.get("metrics") or {}
            figures = {
                **figures,
                **{name: value for name, value in derived(figures, gpus).items() if value is not None},
            }
            outcomes.setdefault(level, []).append(search.outcome(planned, bool(verdict.get("valid")), figures))
    found = search.following(planned, outcomes)
    if not isinstance(found, search.Wanted):
        return found
    return next(one for one in points if search.level_of(planned, one["key"]) == (found.level, found.replicate))


def path(plan: Plan, verdict_of: Callable[[PlanPoint], Verdict | None]) -> tuple[list[PlanPoint], search.Answer | None]:
    """Return (the points that the search in *plan* measures as far as results are known, its answer if it has one).

    :param verdict_of: returns the verdict on a point that counts, or None. The last point lacks one without an answer.
    """
    verdicts: dict[str, Verdict | None] = {}
    found: list[PlanPoint] = []
    while True:
        point = next_point(plan, verdicts)
        if "name" not in point:
            return found, point
        found.append(cast("PlanPoint", point))
        verdict = verdict_of(found[-1])
        if not verdict:
            return found, None
        verdicts[found[-1]["name"]] = verdict


def mark(plan: Plan) -> str | None:
    """Return what identifies the search of *plan* in verdicts; None without one."""
    found = search_of(plan)
    return digest(found) if found else None


def measured(plan: Plan) -> list[PlanPoint]:
    """Return the points of *plan* that a rollup is about: all, in a search those that were measured."""
    points = (plan.get("benchmark") or {}).get("points") or []
    if not search_of(plan):
        return points
    # What was measured with other parameters, or of another service, says nothing of this search.
    states = ((one, standing(one, os.path.join(plan["run_dir"], one["result"])).state) for one in points)
    return [one for one, state in states if state not in (NOT_MEASURED, OUTDATED)]


def record(plan: Plan, results: Iterable[Mapping[str, Json]]) -> JsonObject | None:
    """Return the entry ``search`` of rollup.json: what is searched, its answer and the points it rests on; or None.

    Of *results* those count that the search comes by: the valid ones, and others if they were measured for this search.
    What another search left is no evidence for this one, which would have measured it again.
    """
    planned, own = search_of(plan), mark(plan)
    if not planned:
        return None
    known = {str(one["name"]): one for one in results}

    def verdict(point: PlanPoint) -> Verdict | None:
        one = known.get(point["name"])
        counts = one is not None and (one["valid"] or one.get("searched") == own)
        return cast("Verdict", {"valid": one["valid"], "metrics": one}) if one is not None and counts else None

    points, answer = path(plan, verdict)
    return {
        "over": planned["over"],
        "objectives": planned["objectives"],
        "answer": answer,
        "text": search.in_words(planned, answer) if answer else "The search is not complete.",
        "points": sorted(one["name"] for one in points if verdict(one)),
    }


def is_record(found: Json) -> bool:
    """Return whether *found* has the shape of what :func:`record` returns."""
    if not isinstance(found, dict):
        return found is None
    return isinstance(found.get("text"), str) and isinstance(found.get("answer"), (dict, type(None)))
