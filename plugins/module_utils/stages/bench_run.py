# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``bench_run``: measures every point of the plan that has no valid result yet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..allocation import driver
from ..benchmarks import of_plan
from ..benchmarks.base import Benchmark
from ..entry import Context
from ..failures import Error
from ..json_types import JsonObject
from ..metrics import METRICS
from ..plan_file import Plan, PlanPoint, plan_of
from ..results.origins import in_words, present
from ..results.searching import search_of
from ..results.verdict import MIN_COMPLETED, Verdict, succeeded
from ..slurm import srun
from . import node_facts, point_files
from .evidence import step_error
from .measurement import Measurement
from .point_order import PointList, PointOrder, PointSearch
from .redeployment import Redeployments
from .service_look import look_before
from .session import Session

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "force": {"type": "bool", "default": False},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
    "stall_timeout_s": {"type": "float"},
    "min_completed": {"type": "float", "default": MIN_COMPLETED},
}
OPTIONS = {"required_one_of": [("plan_path", "plan")]}
ACTIONS = "measured|attached|evaluated|kept|taken over|not measured"  # in words, of a point in this run


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, points, valid}``; StepError (with the points in its evidence) if the service failed.

    An invalid point is not a failure: the next points are measured, and rollup reports it.
    """
    plan = plan_of(params)
    order: PointOrder = PointList(point_files.chosen(plan, params))
    if search_of(plan) and not params["concurrencies"]:
        order = PointSearch(plan)
    if ctx.check_mode:
        return _planned(plan, order.certain(), params["force"], ctx)
    done, session, apart = [], None, Redeployments(plan)
    try:
        point = order.next()
        while point:
            kept = None if params["force"] else point_files.kept_verdict(plan, point)
            shared = kept is not None and apart.clashes(point, kept)
            if kept and not shared:
                record = _record(plan, point, "kept", kept)
            else:
                session = session or Session(plan, driver.connect_plan(plan, ctx), ctx)
                arguments = {**params, "force": params["force"] or shared}
                record = _reused(session, point, arguments, apart) or _measure(session, point, arguments, apart)
            apart.note(point)
            done.append(record)
            ctx.progress(verdict_line(record, of_plan(plan)))
            if session and session.dead():
                raise step_error(session.dead(), plan["run_dir"], session.meanwhile(point))
            point = order.next(record)
        if order.conclusion:
            ctx.progress(order.conclusion)
        if session and any(record["action"] in ("measured", "attached") for record in done):
            node_facts.look_after(session)
    except Error as error:
        rest = [one for one in order.certain() if one["name"] not in {record["name"] for record in done}]
        done += [_record(plan, point, "not_measured", reasons=[f"was not measured: {error.msg}"]) for point in rest]
        error.evidence.update(_result(done))
        raise
    return _result(done)


def _kept(plan: Plan, point: PlanPoint) -> JsonObject | None:
    """Return the record of a point that has a valid result in this run, or None."""
    verdict = point_files.kept_verdict(plan, point)
    return _record(plan, point, "kept", verdict) if verdict else None


def _reused(session: Session, point: PlanPoint, params: JsonObject, apart: Redeployments) -> JsonObject | None:
    """Return the record of a point that was measured before, here or by an earlier run, or None.

    Not while it is being measured here: its load client writes to the same files.
    """
    plan = session.plan
    found = None if params["force"] else point_files.standing_for(plan, point)
    if not found or apart.clashes(point, found.verdict) or not _idle(session, point, params):
        return None
    if found.attempt is None:
        verdict = point_files.take_over(plan, point, found)
        return _record(plan, point, "taken_over", verdict) if verdict else None
    found = point_files.bring_back(plan, point)
    # If there is none, another controller may just have restored it.
    return _record(plan, point, "kept", found.verdict, attempt=found.attempt) if found else _kept(plan, point)


def _idle(session: Session, point: PlanPoint, params: JsonObject) -> bool:
    """Return whether this point is not being measured; a measurement of another point with its name is ended."""
    name = point["step"]["name"]
    session.ask("status")
    if Measurement(session, point, params).begun:
        return False
    if session.runs(name):
        session.ask("stop", names=[name])
    return not session.runs(name)


def _measure(session: Session, point: PlanPoint, params: JsonObject, apart: Redeployments) -> JsonObject:
    if session.dead():
        raise step_error(session.dead(), session.plan["run_dir"], f"before {point['label']} was measured")
    measurement = Measurement(session, point, params)
    if not measurement.begun:
        apart.renew(session, point)
        look_before(session, quiet_s=1.0)
    verdict = measurement.run()
    if not succeeded(verdict) and measurement.restarts and not session.dead():
        why = f" ({'; '.join(verdict['reasons'])})"
        session.ctx.progress(f"{point['label']} will be measured again when the service is complete{why}")
        look_before(session)
        # It has a verdict, so it was measured, unless another controller measures it again.
        measurement = Measurement(session, point, dict(params, force=False))
        verdict = measurement.run()
    if not succeeded(verdict):
        session.ask("status")  # the end of the job is a better reason than the end of its client
    return _record(session.plan, point, measurement.action, verdict)


def _planned(plan: Plan, points: Sequence[PlanPoint], force: bool, ctx: Context) -> JsonObject:
    """Return the result in check mode: the points that would be measured."""
    records, apart = [], Redeployments(plan)
    for point in points:
        verdict = None if force else point_files.kept_verdict(plan, point)
        found = None if force or verdict else point_files.standing_for(plan, point)
        verdict = None if verdict and apart.clashes(point, verdict) else verdict
        found = None if found and apart.clashes(point, found.verdict) else found
        if verdict:
            records.append(_record(plan, point, "keep", verdict))
        elif found:
            action = "keep" if found.attempt else "take_over"
            records.append(_record(plan, point, action, found.verdict, attempt=found.attempt))
        else:
            records.append(_record(plan, point, "measure", valid=None))
    anew = apart.planned([one for one, record in zip(points, records) if record["action"] == "measure"])
    for point, record in zip(points, records):
        if point in anew:
            ctx.progress(f"workers and frontends would start anew before {point['label']}")
        ctx.progress(verdict_line(record, of_plan(plan)) if record["action"] != "measure" else _plan_line(point))
    result = _result(records)
    if ctx.diff:
        result["diff"] = _diff(plan, points, records)
    return result


def _diff(plan: Plan, points: Sequence[PlanPoint], records: Sequence[JsonObject]) -> dict[str, str]:
    """Show the srun line and the environment of each point that would be measured."""
    steps = [point["step"] for point, record in zip(points, records) if record["action"] == "measure"]
    return {
        "before": "",
        "after": "".join(srun.printable(one, plan["job_id"], plan["run_dir"], one.get("origins")) for one in steps),
        "before_header": "points that have a result",
        "after_header": "points to measure",
    }


def _plan_line(point: PlanPoint) -> str:
    facts = [f"{key} {value}" for key, value in point["expect"].items() if value is not None]
    return f"{point['label']} would be measured" + (f" ({', '.join(facts)})" if facts else "")


def _record(
    plan: Plan,
    point: PlanPoint,
    action: str,
    verdict: Verdict | None = None,
    reasons: Iterable[str] = (),
    valid: bool | None = False,
    attempt: int | None = None,
) -> JsonObject:
    """Return the record of one point for the caller; *attempt*: the number under which its result was set aside."""
    known: JsonObject = {**(verdict or {})}
    return {
        "name": point["name"],
        "label": point["label"],
        **point["key"],
        "valid": known.get("valid", valid),
        "reasons": known.get("reasons", list(reasons)),
        "doubts": known.get("doubts") or [],
        "metrics": known.get("metrics") or {},
        "parts": known.get("parts") or [],
        "path": point_files.result_path(plan, point),
        "service_gaps": known.get("service_gaps") or [],
        "origin": present(verdict) if verdict else None,
        "digest": point["digest"],
        "action": action,
        "attempt": attempt,
        "changed": attempt is not None or action not in ("kept", "keep", "not_measured"),
    }


def _result(records: list[JsonObject]) -> JsonObject:
    valid = [record["valid"] for record in records]
    return {
        "changed": any(record["changed"] for record in records),
        "points": records,
        "valid": None if None in valid else all(valid),
    }


def verdict_line(record: JsonObject, benchmark: Benchmark) -> str:
    """Return one line about a finished point."""
    action: str = record["action"]
    action = {"keep": "would be kept", "take_over": "would be taken over"}.get(action, action)
    label = f"{record['label']} {action.replace('_', ' ')}"
    if record["attempt"] is not None:
        label += f" (attempt {record['attempt']} of this run)"
    if record["origin"]:
        label += f" from {in_words(record['origin'])}"
    if not record["valid"] and not record["doubts"]:
        return f"{label}, NOT valid: {'; '.join(record['reasons'])}"
    told = ((name, record["metrics"].get(name)) for name in benchmark.summary)
    phrases = [METRICS[name].phrase(value) for name, value in told if value is not None and (value or name != "failed")]
    phrases += [f"{len(record['parts'])} results"] if record["parts"] else []
    without = f", with service gaps: {'; '.join(record['service_gaps'])}" if record["service_gaps"] else ""
    if record["doubts"]:
        return f"{label}, passed, not valid: {', '.join([*record['doubts'], *phrases])}{without}"
    return f"{label}, valid: {', '.join(phrases)}{without}"


class Said(NamedTuple):
    """A line of :func:`verdict_line`, read again: *action* is what became of the point, *text* the rest of the line."""

    label: str
    action: str
    text: str


def read_verdict_line(line: str, labels: Iterable[str]) -> Said | None:
    """Return what *line* says of one of the points with these *labels*; None if it is no verdict line of theirs."""
    for label in labels:
        match = re.match(rf"{re.escape(label)} ({ACTIONS})\b(.*?), (valid|NOT valid|passed, not valid): (.*)", line)
        if match:
            figures, word = match[4].split(", ")[0], match[3]
            return Said(label, match[1], figures if word == "valid" else f"{word}: {match[4]}")
    return None
