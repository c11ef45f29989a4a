# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``earlier_points``: whether earlier runs have valid results of all points of a job.

Then nothing is left to measure, and no nodes are needed. One of these runs, the home, gets the results of the others.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..allocation import ownership
from ..benchmarks import repeats
from ..benchmarks.repeats import REPEAT
from ..entry import Context
from ..failures import Error
from ..files import write_text_atomic
from ..holder import FOLDER, journal
from ..job import inputs
from ..job.preparation import with_content
from ..json_types import JsonObject
from ..plan.planner import Planner
from ..plan_file import PLAN, AllocatedNode, Allocation, Plan, PlanPoint, load_plan
from ..results.attempts import newest
from ..results.deployments import Measured, shared
from ..results.earlier import earlier_result, is_trusted_run, variant_dirs
from ..results.searching import path, search_of
from ..results.verdict import Verdict
from . import point_files, slurm_job_info
from .topology_plan import to_text

ARGUMENT_SPEC = {
    "spec": {"type": "dict", "required": True},
    "allocation": {"type": "dict", "required": True},
    "job_id": {"type": "str"},
    "output_dir": {"type": "path", "required": True},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
}
NOTHING: JsonObject = {
    "changed": False,
    "complete": False,
    "run_dir": None,
    "plan_path": None,
    "job": None,
    "note": None,
}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, complete, run_dir, plan_path, job, note}``; see the module's documentation."""
    output_dir = os.path.abspath(os.path.expanduser(params["output_dir"]))
    run_dirs = _run_dirs(output_dir, params["spec"]["name"], params["allocation"].get("name"))
    if not run_dirs:  # the usual case, in which no plan has to be made
        return NOTHING
    spec = inputs.with_inputs(with_content(params["spec"]))
    if inputs.unknown(spec):  # only nodes can tell whether the files are still the same
        return NOTHING
    planner = Planner(spec)
    plan = planner.plan_with_origins(planner.imaginary_layout)[0]
    beside: Plan = {**plan, "run_dir": os.path.join(output_dir, plan["run_dir"])}
    points = _complete(beside, params)
    if not points:
        return NOTHING
    home = _home(planner, points, run_dirs)
    try:
        asked = {"allocation": params["allocation"], "job_id": params.get("job_id"), "output_dir": output_dir}
        job = slurm_job_info.run(asked, ctx)["job"]
    except Error:  # the run itself reports it, where it matters
        return NOTHING
    if not home or job and _is_measuring(job["run_dir"]):
        return NOTHING
    changed = False if ctx.check_mode else _gather(home, points)
    if changed is None:
        return NOTHING
    # An allocation of the user's own ends with nothing if it has no service.
    live = job and (not params.get("job_id") or os.path.isdir(os.path.join(job["run_dir"], FOLDER)))
    what = f"all {len(points)} points are" if len(points) > 1 else "the only point is"
    return {
        "changed": changed,
        "complete": True,
        "run_dir": home["run_dir"],
        "plan_path": os.path.join(home["run_dir"], PLAN),
        "job": {"id": job["id"], "run_dir": job["run_dir"]} if live else None,
        "note": f"{what} valid already: nothing to measure; -e force=true measures again",
    }


def _complete(beside: Plan, params: JsonObject) -> list[PlanPoint]:
    """Return the points that the run is to measure if all of them have a result beside it, [] if not."""

    def verdict(point: PlanPoint) -> Verdict | None:
        found = earlier_result(beside, point)
        return found.verdict if found else None

    points = point_files.chosen(beside, params)
    if search_of(beside) and not params["concurrencies"]:
        points, complete = path(beside, verdict)
        return points if complete else []
    found = [(point, verdict(point)) for point in points]
    if not all(one for _point, one in found):
        return []
    known = [(point, one.get("deployment")) for point, one in found if one]
    clashes = shared(Measured(point["label"], point["key"].get(REPEAT), one) for point, one in known)
    return [] if clashes and repeats.redeploys(beside["spec"]["benchmark"]) else points


def _run_dirs(output_dir: str, name: str, allocation: str | None) -> list[str]:
    """Return the directories below *output_dir* with the plan of a run, which may be of the job *name*.

    :param allocation: the name of the allocation, which jobs of a sweep share.
    """
    try:
        with os.scandir(output_dir) as entries:
            found = [entry.path for entry in entries if is_trusted_run(entry)]
    except OSError:
        return []
    found += variant_dirs(output_dir, name)
    found = [path for path in found if os.path.isfile(os.path.join(path, PLAN))]
    # An allocation of the user's own has another name; then only the plan says whose run it is.
    names = [(path, ownership.record(path).get(ownership.NAME)) for path in found]
    known = (name.strip(), (allocation or name).strip(), None)
    return [path for path, submitted_as in names if submitted_as in known]


def _home(planner: Planner, points: Sequence[PlanPoint], run_dirs: Sequence[str]) -> Plan | None:
    """Return the plan of the run of this job with most of *points*, of several the latest ones; None if there is none.

    A run without some of the points in its plan gets a new plan, with its own points as well.
    """
    ranked = []
    for folder in run_dirs:
        found = [newest(point, os.path.join(folder, point["result"])) for point in points]
        times = [one.when for one in found if one]
        if times:
            ranked.append((len(times), max(times), folder))
    for _count, _when, folder in sorted(ranked, reverse=True):
        try:
            stored = load_plan(os.path.join(folder, PLAN))
            # A run of another job does not get this one's rollup, nor does one that was moved here.
            if stored["name"] == planner.spec["name"] and ownership.same(stored["run_dir"], folder):
                return stored if _has(stored, points) else _completed(planner, stored, points)
        except (Error, KeyError, TypeError):  # of another version
            continue
    return None


def _has(plan: Plan, points: Sequence[PlanPoint]) -> bool:
    """Return whether *plan* has all of *points*, with the same digests."""
    known = {point["name"]: point["digest"] for point in plan["benchmark"]["points"]}
    return all(known.get(point["name"]) == point["digest"] for point in points)


def _completed(planner: Planner, stored: Plan, points: Sequence[PlanPoint]) -> Plan:
    """Return a plan for the nodes of *stored* that has *points* too; Error if they are those of another service."""
    nodes: list[AllocatedNode] = [{"name": node["name"], "address": node["address"]} for node in stored["nodes"]]
    about: Allocation = {"id": stored["job_id"], "name": stored["name"], "run_dir": stored["run_dir"], "nodes": nodes}
    plan = planner.plan_with_origins(planner.layout(about, stored))[0]
    names = [point["name"] for point in plan["benchmark"]["points"]]
    plan["benchmark"]["points"] += [point for point in stored["benchmark"]["points"] if point["name"] not in names]
    if not _has(plan, points) or plan["digests"]["serving"] != stored["digests"]["serving"]:
        raise Error("The points are those of another service.")
    return plan


def _is_measuring(run_dir: str) -> bool:
    """Return whether a point is being measured in *run_dir*: its controller still needs the job."""
    events = journal.latest_events(run_dir).values()
    return any(event.get("tier") == "benchmark" and event.get("state") != "ended" for event in events)


def _gather(home: Plan, points: Sequence[PlanPoint]) -> bool | None:
    """Let the run of *home* have the results of all *points*; return whether it changed, None if one has gone."""
    changed = write_text_atomic(os.path.join(home["run_dir"], PLAN), to_text(home))
    for point in points:
        if point_files.kept_verdict(home, point):
            continue
        changed, found = True, point_files.standing_for(home, point)
        if not found:
            return None
        if found.attempt is not None:
            point_files.bring_back(home, point)
        else:
            point_files.take_over(home, point, found)
        if not point_files.kept_verdict(home, point):
            return None
    return changed
