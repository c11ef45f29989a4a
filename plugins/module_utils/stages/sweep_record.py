# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``sweep_record``: what a sweep has to do and what it has done, in the files of its folder."""

from __future__ import annotations

import collections
import json
import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .. import sweep_folders
from ..benchmarks import repeats
from ..entry import Context
from ..failures import Error
from ..files import digest, write_text_atomic
from ..holder.utc import utc_now
from ..job import inputs
from ..job.allocation_request import renamed
from ..job.preparation import with_content
from ..json_types import JsonObject
from ..plan.planner import Planner
from ..plan.printer import most_gpu_hours
from ..plan_file import Plan, PlanPoint
from ..results.earlier import earlier_result
from ..results.outcome import in_words
from ..results.rollup_file import read_rollup
from ..results.searching import path, search_of
from ..results.verdict import NOT_MEASURED, Verdict
from ..slurm.script import run_dir
from ..sweeps import groups, parameters, rows, tables
from ..sweeps.groups import Group, Job
from . import earlier_points, point_files, rollup

ARGUMENT_SPEC = {
    "name": {"type": "str", "required": True},
    "jobs": {"type": "list", "elements": "dict", "required": True},
    "output_dir": {"type": "path"},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
    "force": {"type": "bool", "default": False},
    "gather": {"type": "bool", "default": False},
    "job_id": {"type": "str"},
    "max_parallel": {"type": "int", "default": 1},
    "only": {"type": "list", "elements": "str", "default": []},
    "runs": {"type": "dict", "default": {}},
    "state": {"type": "str", "choices": ["running", "finished", "stopped"], "default": "running"},
}
NO_WAYS: JsonObject = {"groups": [], "shared": None, "alone": None}
PLANS: dict[str, tuple[Plan, bool]] = {}  # of jobs, by their specs: a sweep needs them again after each job
SHARED = ".sweep"  # ends the name of an allocation that jobs share, so that none of them takes it for its own


class Member(NamedTuple):
    """One job of the sweep with its plan on imaginary nodes.

    :ivar folder: its run directory in the sweep.
    :ivar points: those that are measured.
    :ivar known: the labels of those that are valid already.
    """

    job: JsonObject
    folder: str
    plan: Plan
    points: list[PlanPoint]
    known: list[str]
    parameters: JsonObject
    unknown_inputs: bool


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, folder, groups, jobs, points, best, text, alone, shared}``; see the module's documentation."""
    output_dir = os.path.abspath(os.path.expanduser(params.get("output_dir") or params["jobs"][0]["output_dir"]))
    folder = sweep_folders.folder_of(output_dir, params["name"])
    _check_names(params["jobs"])
    if ctx.check_mode:
        return _recorded(params, output_dir, folder, ctx)
    try:
        with sweep_folders.alone(folder):  # playbooks in several allocations write to it
            return _recorded(params, output_dir, folder, ctx)
    except OSError as error:
        where = error.filename or folder
        raise Error(
            f"The sweep cannot be written: {where}: {error.strerror}. Free some space, or choose another output_dir."
        ) from None


def _check_names(jobs: Sequence[JsonObject]) -> None:
    """Raise Error if two jobs have the same name: they would have one directory."""
    names = [str(job["name"]).strip() for job in jobs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Error(f"Several jobs of the sweep have the name {', '.join(twice)}. Give each job its own name.")


def _recorded(params: JsonObject, output_dir: str, folder: str, ctx: Context) -> JsonObject:
    if params["gather"]:  # files that plans depend on may have changed
        PLANS.clear()
    members = _members(params, output_dir, folder)
    requests = _requests(params, members)
    before = sweep_folders.read_record(folder) or {}
    changed = False
    if params["gather"] and not params["force"]:
        for member in members:
            changed = _gather(member, requests[member.job["name"]], params, output_dir, ctx) or changed
    jobs = [_described(member, params) for member in members]
    found = [row for job in jobs for row in job["rows"]]
    done = rows.count(found)
    failed_before = {job["name"]: job["failure"] for job in before.get("jobs") or ()}
    for job in jobs:
        if job["name"] not in params["runs"] and not job["complete"]:
            job["failure"] = failed_before.get(job["name"])
    failures = {job["name"]: job["failure"] for job in jobs if job["failure"]}
    left = [job["name"] for job in jobs if not job["complete"]]
    # While its jobs run, a sweep keeps to the groups with which it began.
    ways = _ways(params, members, jobs, requests) if params["gather"] or params["state"] != "running" else NO_WAYS
    record = {
        "schema_version": sweep_folders.SCHEMA_VERSION,
        "name": params["name"],
        "state": params["state"] if left else "finished",
        "output_dir": output_dir,
        "points": {**done._asdict(), "left": done.left},
        "parameters": parameters.names([job["parameters"] for job in jobs]),
        "allocation_names": _names(before, requests, [] if params["job_id"] else ways["groups"]),
        "left": left,
        "best": rows.best(found),
        "jobs": [{key: value for key, value in job.items() if key not in ("known", "candidates")} for job in jobs],
    }
    text = tables.text(found, failures)
    if not ctx.check_mode:
        changed = _write(folder, record, before, found, text) or changed
    about = {"folder": folder, "output_dir": output_dir, "jobs": jobs, "points": record["points"], **ways}
    return {"changed": changed, "text": text, "best": record["best"], "parameters": record["parameters"], **about}


def _members(params: JsonObject, output_dir: str, folder: str) -> list[Member]:
    found = []
    for job, own in zip(params["jobs"], parameters.of_jobs(params["jobs"])):
        plan, unknown = _planned(job["spec"])
        beside: Plan = {**plan, "run_dir": run_dir(output_dir, plan["job_id"])}
        looks = params["gather"] and not params["force"]
        points, known = _points(beside, params, looks)
        where = sweep_folders.variant_dir(folder, job["name"])
        found.append(Member(job, where, plan, points, known, own, unknown))
    return found


def _points(beside: Plan, params: JsonObject, looks: bool) -> tuple[list[PlanPoint], list[str]]:
    """Return (the points that are measured, the labels of those that are valid already if one *looks*).

    Of a search they are those that it measures as far as results are known.
    """

    def verdict(point: PlanPoint) -> Verdict | None:
        found = earlier_result(beside, point) if looks else None
        return found.verdict if found else None

    points = point_files.chosen(beside, params)
    if _searches(beside, params):
        points = path(beside, verdict)[0]
    return points, [one["label"] for one in points if verdict(one)]


def _searches(plan: Plan, params: JsonObject) -> bool:
    return bool(search_of(plan)) and not params["concurrencies"]


def _planned(raw: JsonObject) -> tuple[Plan, bool]:
    """Return (the plan of a spec on imaginary nodes, whether it has inputs that only nodes can read)."""
    key = digest(raw)
    if key not in PLANS:
        spec = inputs.with_inputs(with_content(raw))
        planner = Planner(spec)
        PLANS[key] = planner.plan_with_origins(planner.imaginary_layout)[0], bool(inputs.unknown(spec))
    return PLANS[key]


def _requests(params: JsonObject, members: Sequence[Member]) -> dict[str, JsonObject]:
    """Return ``{job: its allocation request}``: of jobs that can share one an equal one, with the name of the sweep."""
    name = params["name"] + SHARED
    shared = {one.job["name"]: JsonObject(renamed(one.job["allocation"], name)) for one in members}
    marks = collections.Counter(map(_mark, shared.values()))
    return {
        one.job["name"]: request if marks[_mark(request)] > 1 else one.job["allocation"]
        for one, request in zip(members, shared.values())
    }


def _mark(request: JsonObject) -> str:
    return json.dumps([request["digest"], request["network_interface"]])


def _gather(member: Member, request: JsonObject, params: JsonObject, output_dir: str, ctx: Context) -> bool:
    """Bring the results of a job whose points are all valid already to its directory in the sweep."""
    asked = {"spec": member.job["spec"], "allocation": request, "output_dir": output_dir, "job_id": params["job_id"]}
    found = earlier_points.run({**asked, "concurrencies": params["concurrencies"]}, ctx)
    if not found["complete"] or ctx.check_mode:
        return False
    wanted = {"plan_path": found["plan_path"], "variant_dir": member.folder, "concurrencies": params["concurrencies"]}
    done = rollup.run(wanted, Context())
    return bool(found["changed"] or done["changed"])


def _described(member: Member, params: JsonObject) -> JsonObject:
    """Return what is known of one job: its points, those that are valid, and whether nothing is left to measure."""
    stored, name = read_rollup(os.path.join(member.folder, "rollup.json")), member.job["name"]
    ran = params["runs"].get(name) or {}
    has_run = ran.get("rc") is not None
    if params["force"] and not has_run and name in (params["only"] or [name]):
        stored = None  # it is measured again
    about: JsonObject = {"name": name, "parameters": member.parameters, "run_dir": member.folder}
    about["benchmark_type"] = member.plan["benchmark"]["type"]
    every = member.plan["benchmark"]["points"]
    searched = stored if stored and _searches(member.plan, params) else None
    measured = [record["name"] for record in searched["results"]] if searched else []
    wanted = [one for one in every if one["name"] in measured] or member.points
    points = [rows.Planned(one["name"], one["label"], one["key"], one["digest"]) for one in wanted]
    found = rows.rows(about, points, stored, trusted=has_run and member.unknown_inputs)
    known = [row["label"] for row in found if rows.is_done(row)]
    done = bool(points) and len(known) == len(points) and not (stored and stored.get("failure"))
    if _searches(member.plan, params):  # a point that is not valid is none that has to be measured again
        same = all(row["state"] != NOT_MEASURED for row in found)
        search: JsonObject = (searched.get("search") if searched else None) or {}
        done = bool(searched and not searched.get("failure") and same and search.get("answer"))
    more = {"known": list(dict.fromkeys([*known, *member.known])), "complete": done, "rows": found}
    run_facts = {"failure": ran.get("failure"), "job_id": stored.get("job_id") if stored else None}
    run_facts.update(valid=stored["valid"] if stored else None, verdict=in_words(stored))
    return {
        **about,
        **run_facts,
        **more,
        "labels": [row["label"] for row in found],
        "candidates": [one["label"] for one in every],
    }


def _ways(
    params: JsonObject, members: Sequence[Member], jobs: Sequence[JsonObject], requests: Mapping[str, JsonObject]
) -> JsonObject:
    """Return the groups in which the jobs that are left run, and what that costs beside one job for each of them."""
    only = params["only"] or [one.job["name"] for one in members]
    left = [one for one, job in zip(members, jobs) if not job["complete"] and one.job["name"] in only]
    by_name = {one.job["name"]: one for one in members}
    every = [_job(one, requests, params["job_id"]) for one in members]
    most = 1 if params["job_id"] else params["max_parallel"]
    found = groups.grouped(every, [one.job["name"] for one in left], most)
    alone = [Group([[_job(one, requests, None)]]) for one in left]
    named: dict[str, int] = {}
    records = []
    for group in found:
        first = by_name[group.jobs[0].name]
        request, name = requests[first.job["name"]], str(requests[first.job["name"]]["name"])
        number = named[_mark(request)] = named.get(_mark(request), 0) + 1
        if number > 1:
            request = JsonObject(renamed({**request}, f"{name}{number}"))  # type: ignore[typeddict-item]
        gpus, limit, hours = most_gpu_hours(first.plan)
        services = [[job.name for job in service] for service in group.services]
        about = {"nodes": len(first.plan["nodes"]), "gpus": gpus, "time_limit": limit, "gpu_hours": hours}
        shown = f"job {params['job_id']}" if params["job_id"] else request["name"]
        records.append({"name": shown, "request": request, "services": services, **about})
    bound = sum(most_gpu_hours(one.plan)[2] for one in left)
    return {
        "groups": records,
        "shared": {"allocations": len(found), "workers": groups.loads(found), "gpu_hours": _hours(records)},
        "alone": {"allocations": len(left), "workers": groups.loads(alone), "gpu_hours": round(bound, 3)},
    }


def _hours(records: Sequence[JsonObject]) -> float:
    return round(sum(float(one["gpu_hours"]) for one in records), 3)


def _job(member: Member, requests: Mapping[str, JsonObject], job_id: str | None) -> Job:
    steps = {step["name"]: (step["tier"], step["digest"]) for step in member.plan["steps"]}
    name, left = member.job["name"], [one for one in member.points if one["label"] not in member.known]
    again = repeats.redeployments(member.plan["spec"]["benchmark"], [one["key"] for one in left])
    return Job(name, "" if job_id else _mark(requests[name]), steps, again)


def _names(before: JsonObject, requests: Mapping[str, JsonObject], left: Sequence[JsonObject]) -> list[str]:
    """Return the names of all allocations of the sweep, by which its jobs are found in the queue."""
    known = {str(one["name"]) for one in [*requests.values(), *left]}
    return sorted(known.union(before.get("allocation_names") or ()))


def _write(folder: str, record: JsonObject, before: JsonObject, found: Sequence[JsonObject], text: str) -> bool:
    """Write the files of the sweep; return whether they say something new."""
    path = os.path.join(folder, sweep_folders.RECORD)
    if {**before, "generated_at": None} == json.loads(json.dumps({**record, "generated_at": None})):
        return False
    write_text_atomic(os.path.join(folder, "sweep.csv"), tables.csv_text(found))
    write_text_atomic(os.path.join(folder, "sweep.txt"), f"{text}\n")
    write_text_atomic(path, json.dumps({**record, "generated_at": utc_now()}, indent=2) + "\n")
    return True
