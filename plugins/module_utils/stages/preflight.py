# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check the nodes before models load: one step over all of them, in which every node reports on itself."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import time
from collections.abc import Collection, Iterable, Sequence
from typing import cast

from ..allocation import driver
from ..allocation.driver import Driver
from ..entry import Context
from ..failures import Error
from ..files import make_own_folder, write_text_atomic
from ..holder.records import StepRecord
from ..job import inputs as job_inputs
from ..json_types import JsonObject
from ..plan_file import Plan, Step, lost_steps, plan_of
from ..programs import program_files
from ..slurm import srun
from . import node_facts, node_inputs, node_table
from .evidence import step_error
from .health_wait import still_there
from .node_check import __main__ as node_check
from .node_check.main import Report
from .node_facts import PROGRAM
from .node_facts import report_of as _report
from .node_facts import steps as _steps
from .node_table import NAME
from .topology_plan import store

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "min_free_mib": {"type": "int", "default": 256},
    "min_shm_mib": {"type": "int", "default": 1024},
    "clock_skew_s": {"type": "float", "default": 5.0},
    "clean": {"type": "bool", "default": True},
    "ignore": {
        "type": "list",
        "elements": "str",
        "choices": ["client", "clock", "disk", "gpu", "image", "limit", "mount", "port", "shm"],
        "default": [],
    },
    "timeout_s": {"type": "float", "default": 120.0},
}
OPTIONS = {"required_one_of": [("plan_path", "plan")]}
TABLE = ".preflight-{nonce}.json"
OLD_S = 3600.0  # no preflight takes this long: an older table is abandoned
SHARED_DISK_S = 10.0  # how long a report from another node may stay invisible


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, nodes, problems, notes, cleaned, duration_s, skipped_because}``; Error names the bad nodes.

    Nothing is done if all steps of the service are running.
    """
    began = time.monotonic()
    whole = plan_of(params)
    plan = _without_lost(whole)
    none = {"changed": False, "nodes": [], "problems": [], "notes": [], "cleaned": [], "duration_s": 0.0}
    if ctx.check_mode or not plan["steps"]:
        return dict(none, skipped_because="check mode" if ctx.check_mode else "the plan has no steps")
    talk = driver.connect_plan(plan, ctx)
    found = _look(plan, talk, params, ctx)
    if not found:
        return dict(none, skipped_because="all steps run already")
    reports, sent, back = found
    node_facts.store_before(whole, reports)
    problems: list[JsonObject] = [{**problem, "node": one["node"]} for one in reports for problem in one["problems"]]
    if any(problem["check"] == "port" for problem in problems):  # perhaps another controller started them meanwhile
        alive = {record["name"] for record in talk.request("status")["steps"] if record["state"] != "ended"}
        problems = [problem for problem in problems if problem.get("step") not in alive]
    problems += clocks(reports, sent, back, params["clock_skew_s"]) + node_inputs.problems(plan, reports)
    problems = [problem for problem in problems if problem["check"] not in params["ignore"]]
    cleaned = sorted({f"{one['node']}: {text}" for one in reports for text in one["cleaned"]})
    result: JsonObject = {
        "changed": bool(cleaned),
        "nodes": [{key: value for key, value in one.items() if key != "facts"} for one in reports],
        "problems": problems,
        "notes": unchecked(reports, params["ignore"]) + _left(reports, params["clean"]),
        "inputs": [],
        "cleaned": cleaned,
        "duration_s": round(time.monotonic() - began, 3),
        "skipped_because": None,
    }
    if not any(problem["check"] == "files" for problem in problems):
        _learn(whole, reports, params, result)
    for line in [f"{one['node']}: {one['text']}" for one in problems] + result["notes"] + cleaned:
        ctx.progress(line)
    bad = sorted({problem["node"] for problem in problems if problem["fatal"]})
    if bad:
        texts = [f"{problem['node']}: {problem['text']}" for problem in problems if problem["fatal"]]
        more = f" (and {len(texts) - 5} more)" if len(texts) > 5 else ""
        retryable = len(bad) < len(plan["nodes"])
        raise Error(
            f"Preflight of job {plan['job_id']}: {'; '.join(texts[:5])}{more}. playbooks/doctor.yml checks nodes "
            "without a job.",
            **dict(result, retryable=retryable, bad_nodes=bad if retryable else []),
        )
    return result


def _without_lost(plan: Plan) -> Plan:
    """Return *plan* without the nodes that the job has lost, and their steps; Error if one of these is critical."""
    gone = plan.get("lost_nodes") or []
    if not gone:
        return plan
    lost = lost_steps(plan)
    changed: Plan = {
        **plan,
        "nodes": [one for one in plan["nodes"] if one["name"] not in gone],
        "parts": [part for part in ([name for name in one if name not in gone] for one in plan["parts"]) if part],
        "steps": [step for step in plan["steps"] if step not in lost],
    }
    return changed


def _learn(plan: Plan, reports: list[Report], params: JsonObject, result: JsonObject) -> None:
    """Store the plan with the files that the nodes see, if it changes, and add what became known to *result*."""
    new, notes = node_inputs.learned(plan, reports)
    result["notes"] += notes
    result["inputs"] = job_inputs.lines(new.get("spec") or {}).splitlines()
    if new is not plan:
        result["changed"] = True
        if params.get("plan_path"):
            store(new)


def _look(plan: Plan, talk: Driver, params: JsonObject, ctx: Context) -> tuple[list[Report], float, float] | None:
    """Return (reports in the order of the nodes, the times of the request and of the last report).

    None if all steps are running, so that no check is needed.
    """
    until, looks = time.monotonic() + params["timeout_s"], 0
    while True:
        records = _records(talk, until, ctx)
        waiting = [step for step in plan["steps"] if not _runs(step, records.get(step["name"]))]
        if not waiting and not node_inputs.only_there(plan):
            return None
        found = _ask(plan, talk, node_table.table(plan, waiting, records, params), params, ctx)
        if found:
            reports, sent, back = found
            missing = [one["name"] for one in plan["nodes"] if one["name"] not in reports]
            if not missing:
                return [reports[one["name"]] for one in plan["nodes"]], sent, back
            looks += 1
            if looks > 1:  # the first time another controller's preflight, or a shared disk, may be the cause
                raise Error(f"Preflight of job {plan['job_id']}: no report of {', '.join(missing[:8])} was found.")
        elif time.monotonic() > until:
            raise Error(f"Other controllers checked the nodes of job {plan['job_id']} continuously. Run again.")


def _runs(step: Step, record: StepRecord | None) -> bool:
    return bool(record and record["state"] != "ended" and record["digest"] == step["digest"])


def _records(talk: Driver, until: float, ctx: Context) -> dict[str, StepRecord]:
    """Return the records of the steps by name once no preflight of another controller runs.

    Each controller runs its own preflight: its table has its questions, and what it may clean. After *until* (monotonic
    seconds) the other's step is ended: its controller has gone, or would have ended it.
    """
    answer, reported = talk.request("status"), False
    while True:
        records = {record["name"]: record for record in answer["steps"]}
        others = [one["name"] for one in records.values() if one["tier"] == NAME and one["state"] != "ended"]
        if not others:
            return records
        if not ctx.controller_alive():
            raise Error("The controller has ended.")
        left_s = until - time.monotonic()
        if left_s <= 0:
            answer = talk.request("stop", names=others)
            return {record["name"]: record for record in answer["steps"]}
        if not reported:
            ctx.progress("another controller checks the nodes; waiting for it")
            reported = True
        answer = talk.request("wait", watch=others, guard=[], slice_s=min(2.0, max(0.1, left_s)))


def _ask(
    plan: Plan, talk: Driver, table: JsonObject, params: JsonObject, ctx: Context
) -> tuple[dict[str, Report], float, float] | None:
    """Run the step; return ({node: report} as far as visible, the times of the request and of the last report).

    None if another controller was faster, so that its step runs.
    """
    names, nonce = [one["name"] for one in plan["nodes"]], table["nonce"]
    path = os.path.join(plan["run_dir"], TABLE.format(nonce=nonce))
    steps = _steps(plan, names, path)
    try:
        node_inputs.copy_program(os.path.join(plan["run_dir"], node_inputs.PROGRAM))
        make_own_folder(os.path.join(plan["run_dir"], PROGRAM))
        for name, text in program_files(node_check).items():
            write_text_atomic(os.path.join(plan["run_dir"], PROGRAM, name), text)
        write_text_atomic(path, json.dumps(table) + "\n")
        _remove_old(plan["run_dir"], path)
    except OSError as error:
        raise Error(f"The run directory {plan['run_dir']} cannot be written: {error.strerror}.") from None
    sent, until = time.time(), time.monotonic() + params["timeout_s"]
    requests = [srun.start_request(step, plan["job_id"], plan["run_dir"]) for step in steps]
    answer = talk.request("start", steps=requests, wait_s=0.0)
    if any(one["action"] in ("kept", "adopted") for one in answer["actions"]):
        _remove(path)
        return None
    # Once it is over, another controller may start its own, under the same name.
    ours = {step["name"] for step in steps}
    mine = {record["name"]: record["attempt"] for record in answer["steps"] if record["name"] in ours}
    attempts = set(mine.values())
    while True:
        records = [record for record in answer["steps"] if mine.get(record["name"]) == record["attempt"]]
        running = [record["name"] for record in records if record["state"] != "ended"]
        if not running:
            break
        if time.monotonic() > until:
            talk.request("stop", names=running)
            silent = [name for name in names if not _report(plan, name, nonce, attempts)]
            _remove(path)
            raise Error(
                f"Preflight of job {plan['job_id']}: {', '.join(silent[:8])} did not report in "
                f"{params['timeout_s']:g} s.",
                retryable=0 < len(silent) < len(names),
                bad_nodes=silent if len(silent) < len(names) else [],
            )
        if not ctx.controller_alive():
            raise Error("The controller has ended.")
        answer = talk.request("wait", watch=running, guard=[], slice_s=min(2.0, max(0.1, until - time.monotonic())))
    back = time.time()
    _remove(path)
    failed = [record for record in records if record["exit_code"] != 0]
    if failed:
        still_there(talk)
        raise step_error(failed, plan["run_dir"], "while the nodes were checked")
    return _read(plan, names, nonce, attempts), sent, back


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _remove_old(run_dir: str, path: str) -> None:
    """Remove the tables of killed controllers, by the clock that dated *path*, the newest one."""
    newest = os.stat(path).st_mtime
    for other in glob.glob(os.path.join(glob.escape(run_dir), TABLE.format(nonce="*"))):
        with contextlib.suppress(OSError):
            if newest - os.stat(other).st_mtime > OLD_S:
                os.unlink(other)


def _read(plan: Plan, names: Sequence[str], nonce: str, attempts: Collection[int]) -> dict[str, Report]:
    """Return {node: report} of the visible reports, after a short wait."""
    reports: dict[str, Report] = {}
    until = time.monotonic() + SHARED_DISK_S
    while True:
        for name in set(names) - set(reports):
            found = _report(plan, name, nonce, attempts)
            if found:
                reports[name] = cast("Report", found)
        if len(reports) == len(names) or time.monotonic() > until:
            return reports
        time.sleep(0.05)


def unchecked(reports: Iterable[Report], ignore: Collection[str]) -> list[str]:
    """Return a line on each check that nodes could not do, so that it does not count as passed."""
    found: dict[tuple[str, str], list[str]] = {}
    for one in reports:
        for left in one["unchecked"]:
            if left["check"] not in ignore:
                found.setdefault((left["check"], left["why"]), []).append(one["node"])
    return [
        f"{check} not checked on {', '.join(names[:4])}{' ...' if len(names) > 4 else ''}: {why}"
        for (check, why), names in found.items()
    ]


def _left(reports: Iterable[Report], clean: bool) -> list[str]:
    """Return a line on each leftover that a node would have removed if requested."""
    if clean:
        return []
    return [f"{one['node']}: left behind and not removed: {what}" for one in reports for what in one["stale"]]


def clocks(reports: Iterable[Report], sent: float, back: float, limit_s: float) -> list[JsonObject]:
    """Return the problems of clocks: each was read between *sent* and *back*, on this host's clock."""
    found = []
    for one in reports:
        skew = max(sent - one["time"], one["time"] - back, 0.0)
        if skew > limit_s:
            text = f"its clock differs from that of the submit host by {skew:.0f} s"
            found.append({"check": "clock", "fatal": False, "text": text, "node": one["node"]})
    return found
