# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wait until the service is healthy: the holder probes; this polls it and reports what is missing."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from ..allocation import driver
from ..allocation.driver import Driver
from ..allocation.job_end import ending_error
from ..entry import Context
from ..failures import Error
from ..holder.records import CheckRecord, StepRecord
from ..json_types import Json, JsonObject
from ..plan_file import Check, Expectation, Plan, lost_steps, plan_of
from . import own_checks
from .evidence import step_error
from .image_import import Imports
from .log_markers import Markers

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "urls": {"type": "list", "elements": "str"},
    "checks": {
        "type": "list",
        "elements": "dict",
        "options": own_checks.CHECK,
        **own_checks.CHECK_OPTIONS,
    },
    "timeout_s": {"type": "float", "default": 0.0},
    "slice_s": {"type": "float", "default": 5.0},
}
OPTIONS: JsonObject = {"required_one_of": [("plan_path", "plan", "checks", "urls")]}
OWN_TIMEOUT_S = 300.0  # of checks without a plan


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Wait for all checks of a plan; StepError if a critical step ended, Error with all checks at the timeout.

    With ``checks`` or ``urls`` it waits for these instead, and needs no plan.
    """
    own = own_checks.checks_of(params)
    if own:
        return planned(own) if ctx.check_mode else wait_for_own(own, params["timeout_s"] or OWN_TIMEOUT_S, ctx)
    if not params.get("plan") and not params.get("plan_path"):
        raise Error("There is nothing to wait for: checks and urls are empty. Name one, or set plan_path.")
    plan = plan_of(params)
    checks = plan["checks"]
    if ctx.check_mode or not checks:
        return planned(checks)
    timeout_s = params["timeout_s"] or plan["health_timeout_s"]
    return wait_for(driver.connect_plan(plan, ctx), plan, checks, timeout_s, params["slice_s"], ctx)


def planned(checks: Sequence[Mapping[str, Json]]) -> JsonObject:
    """Return the result in check mode, with no check done."""
    waiting = [{"name": c["name"], "done": False, "attempts": 0, "elapsed_s": 0.0, "last_error": None} for c in checks]
    return {"changed": False, "checks": waiting, "completed": not checks, "elapsed_s": 0.0}


def wait_for_own(checks: list[JsonObject], timeout_s: float, ctx: Context) -> JsonObject:
    """Return {changed, lost, checks, completed, elapsed_s} once all *checks* are done; Error with them otherwise."""
    began = time.monotonic()
    records = own_checks.poll(checks, timeout_s, ctx, lambda now: ctx.progress(waiting_line(now)))
    completed = all(record["done"] for record in records)
    outcome = {"checks": records, "completed": completed, "elapsed_s": round(time.monotonic() - began, 3), "lost": []}
    if not completed:
        raise Error(f"Not ready after {outcome['elapsed_s']:.0f} s: {waiting_line(records)}.", **outcome)
    return dict(outcome, changed=False)


def wait_for(
    talk: Driver, plan: Plan, checks: list[Check], timeout_s: float, slice_s: float, ctx: Context, quiet_s: float = 0.0
) -> JsonObject:
    """Return {changed, checks, completed, elapsed_s} once all *checks* are done.

    :param talk: driver of the job's holder.
    :param quiet_s: a shorter wait prints no line at its end.
    """
    began, allowed_s = time.monotonic(), timeout_s
    guard = [step["name"] for step in plan["steps"] if step.get("critical")]
    wait_id, known = uuid.uuid4().hex, None  # a wait of its own: what was healthy before a restart does not count
    planned, where, lost = checks, nodes_of(checks, plan), without_node(plan)
    checks = without(planned, lost, plan)
    imports, markers = Imports(plan["steps"], plan["run_dir"]), Markers(plan)
    while True:
        pause_s = max(0.05, min(slice_s, allowed_s - (time.monotonic() - began)))
        answer = talk.request("wait", wait_id=wait_id, checks=checks, guard=guard, slice_s=pause_s, known=known)
        records, known = answer["checks"], driver.known_of(answer)
        importing = imports.look(answer["steps"])  # neither does a worker load then, nor a suspended one
        allowed_s = timeout_s + driver.recently_paused_s(answer, time.monotonic() - began) + imports.passed_s
        gone = losses(answer["steps"], plan)
        if gone.keys() - lost.keys():  # check the service again, without lost steps that are not critical
            lost.update(gone)
            for record in gone.values():
                ctx.progress(f"{record['name']} is lost and not critical: {record['reason']}")
            checks, wait_id = without(planned, lost, plan), uuid.uuid4().hex
            continue
        outcome: JsonObject = {
            "lost": sorted(lost),
            "checks": records,
            "completed": answer["completed"],
            "elapsed_s": round(time.monotonic() - began, 3),
        }
        if answer["ended"]:
            still_there(talk)
            error = step_error(answer["ended"], plan["run_dir"], "while the service was getting ready")
            error.evidence.update(outcome)
            raise error
        if answer["completed"]:
            if outcome["elapsed_s"] >= quiet_s:
                ctx.progress(f"{len(records)}/{len(records)} ready after {outcome['elapsed_s']:.1f} s")
            return dict(outcome, changed=False)
        markers.look(answer["steps"])
        if answer["ending"]:
            raise ending_error(talk, answer["ending"], **outcome)
        if not ctx.controller_alive():
            raise Error("The controller has ended.", **outcome)
        if time.monotonic() - began >= allowed_s:
            raise Error(
                f"The service is not healthy after {timeout_s:g} s: {waiting_line(records, where)}. "
                f"Logs are in {plan['run_dir']}/logs.",
                **outcome,
            )
        ctx.progress("; ".join(filter(None, (waiting_line(records, where), importing))))


def still_there(talk: Driver) -> None:
    """Raise Error if the job is over or ending: this is a better reason than the end of its steps."""
    ending = talk.request("status").get("ending")
    if ending:
        raise ending_error(talk, ending)


def losses(records: Iterable[StepRecord], plan: Plan) -> dict[str, StepRecord]:
    """Return {name: record} of the lost steps of *plan* that are not critical."""
    names = {step["name"] for step in plan["steps"] if not step.get("critical")}
    return {r["name"]: r for r in records if r["name"] in names and r["state"] == "ended" and not r["expected"]}


def without_node(plan: Plan) -> dict[str, StepRecord]:
    """Return {name: a record} of the steps of *plan* whose node the job has lost; Error if one of them is critical."""
    found = {}
    for step in lost_steps(plan):
        node = next(one for one in step["nodes"] if one in plan["lost_nodes"])
        log = step["log"].replace("%N", step["nodes"][0])
        facts = {"name": step["name"], "nodes": step["nodes"], "node": node, "log": log, "attempt": 0}
        found[step["name"]] = cast("StepRecord", {**facts, "state": "ended", "reason": f"the job has lost {node}"})
    return found


def without(checks: Iterable[Check], lost: Mapping[str, StepRecord], plan: Plan) -> list[Check]:
    """Return *checks* without those of lost steps, and with the remaining workers counted; Error if none remain."""
    if not lost:
        return list(checks)
    leaders = [step for step in plan["steps"] if step["rank"] == 0]
    kept: list[Check] = []
    for check in checks:
        if first_step(check) in lost:
            continue
        expects: list[Expectation] = []
        for expect in check.get("expect") or ():
            modes = expect.get("modes") or ()
            counted = [step["name"] for step in leaders if step["mode"] in modes]
            left = sum(name not in lost for name in counted)
            if counted and not left:
                raise step_error(list(lost.values()), plan["run_dir"], "and no other worker of its kind is left")
            expects.append({**expect, "min": expect["min"] * left // len(counted)} if counted else expect)
        kept.append({**check, "expect": expects} if check.get("expect") else check)
    return kept


def first_step(check: Check) -> str | None:
    """Return the name of the step that answers a check, None if none of the plan does."""
    return next(iter(check.get("steps") or ()), None)


def nodes_of(checks: Iterable[Check], plan: Plan) -> dict[str, str]:
    """Return {name of a check: the first node of the step that answers it}."""
    nodes = {step["name"]: step["nodes"][0] for step in plan["steps"]}
    steps = {check["name"]: first_step(check) for check in checks}
    return {name: nodes[step] for name, step in steps.items() if step in nodes}


def waiting_line(records: Sequence[CheckRecord], where: Mapping[str, str] | None = None) -> str:
    """Return one line such as ``12/16 ready, waiting for frontend_0_model on node001: decode 6/8``.

    :param where: {name of a check: node}, for checks whose node is known.
    """
    missing = [record for record in records if not record["done"]]
    if not missing:
        return f"{len(records)}/{len(records)} ready"
    # A check that was never tried waits for earlier ones, which explain more.
    first = next((record for record in missing if record["attempts"]), missing[0])
    more = f" (and {len(missing) - 1} more)" if len(missing) > 1 else ""
    error = f": {first['last_error']}" if first["last_error"] else ""
    node = (where or {}).get(first["name"])
    name = f"{first['name']} on {node}" if node else first["name"]
    return f"{len(records) - len(missing)}/{len(records)} ready, waiting for {name}{error}{more}"
