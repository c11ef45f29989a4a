# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module srun_worker: starts, stops or restarts the steps of one stage."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable, Mapping

from ..allocation import driver
from ..entry import Context
from ..failures import Error
from ..holder.records import Answer, StepRecord
from ..holder.step import TIERS
from ..json_types import Json, JsonObject
from ..plan_file import IMAGINARY_ID, Step, lost_steps, plan_of
from ..slurm import srun
from .evidence import step_error
from .health_wait import still_there, waiting_line
from .image_import import Imports

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "tier": {"type": "str", "choices": list(TIERS)},
    "hosts": {"type": "list", "elements": "str", "default": []},
    "names": {"type": "list", "elements": "str", "default": []},
    "state": {"type": "str", "choices": ["started", "stopped", "restarted"], "default": "started"},
    "job_id": {"type": "str"},
    "wait_timeout_s": {"type": "float", "default": 120.0},
}
OPTIONS = {"required_one_of": [("plan_path", "plan")]}
PLANNED = {
    "started": "start",
    "replaced": "replace",
    "kept": "keep",
    "adopted": "adopt",
    "stopped": "stop",
    "removed": "stop",
}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Bring the selected steps of a plan to the requested state; see the module's documentation."""
    stage = _Stage(params, ctx)
    return stage.stop() if params["state"] == "stopped" else stage.start()


class _Stage:
    def __init__(self, params: JsonObject, ctx: Context) -> None:
        self.params, self.ctx = params, ctx
        self.plan = plan_of(params)
        self.job_id, self.run_dir = self.plan["job_id"], self.plan["run_dir"]
        if params.get("job_id") and params["job_id"] != self.job_id:
            raise Error(
                f"The plan is for job {self.job_id}, not for {params['job_id']}. Run topology_plan for that job."
            )
        self.steps = [s for s in self.plan["steps"] if self._chosen(s["name"], s["tier"], s["nodes"])]
        unknown = set(params["names"]) - {s["name"] for s in self.plan["steps"]}
        if unknown:
            raise Error(
                f"The plan has no step {', '.join(sorted(unknown))}. Its steps: "
                f"{', '.join(s['name'] for s in self.plan['steps'][:40])}."
            )
        if self.plan.get("lost_nodes") and params["state"] != "stopped":
            lost = lost_steps(self.plan)
            self.steps = [step for step in self.steps if step not in lost]
        self.planned = ctx.check_mode
        self.driver = driver.connect_plan(self.plan, ctx)

    def _chosen(self, name: str, tier: str | None, nodes: list[str] | None) -> bool:
        wanted, hosts, names = self.params["tier"], self.params["hosts"], self.params["names"]
        return (
            (not wanted or tier == wanted)
            and (not hosts or any(node in hosts for node in nodes or []))
            and (not names or name in names)
        )

    def _leftover(self, records: Iterable[StepRecord]) -> list[StepRecord]:
        """Return the running steps of this stage that are no longer in the plan: they would keep GPUs and ports."""
        if self.params["names"]:
            return []
        planned = {s["name"] for s in self.plan["steps"]}
        return [
            r
            for r in records
            if r["state"] != "ended"
            and r["name"] not in planned
            and (r["tier"] != "benchmark" or self.params["tier"] == "benchmark")
            and self._chosen(r["name"], r["tier"], r["nodes"])
        ]

    def _stale(self, records: Mapping[str, StepRecord]) -> set[str]:
        """Return the names of running steps that are older than a step they need: their registration there is lost."""
        stale = set()
        for step in self.steps:
            record = records.get(step["name"])
            if not record or record["state"] == "ended" or not record["started_at"]:
                continue
            needed = [records[name] for name in step.get("needs") or [] if name in records]
            if any(n["state"] != "ended" and (n["started_at"] or "") > record["started_at"] for n in needed):
                stale.add(step["name"])
        return stale

    def _records(self) -> list[StepRecord]:
        """Return the holder's records in check mode; none without a holder."""
        if self.job_id == IMAGINARY_ID:
            return []
        try:
            self.driver.patience_s = 0.0
            return self.driver.request("status", renew=False, timeout_s=10.0)["steps"]
        except Error:
            return []

    def start(self) -> JsonObject:
        """Start steps that do not run as planned, keep the others, and wait until all are running and ready."""
        restart = self.params["state"] == "restarted"
        requests = [srun.start_request(step, self.job_id, self.run_dir) for step in self.steps]
        if self.planned:
            records = {r["name"]: r for r in self._records()}
            leftover = self._leftover(records.values())
            stale = self._stale(records)
            actions = {s["name"]: _action(s, records.get(s["name"]), restart or s["name"] in stale) for s in self.steps}
            return self._result(actions, records, leftover)
        if not self.steps and not self.plan["steps"]:
            return self._result({}, {}, [])
        known = self.driver.request("status")["steps"]
        stale = self._stale({r["name"]: r for r in known})
        for request in requests:
            request["restart"] = request["name"] in stale
        if stale:
            self.ctx.progress(f"restarted after the steps that they need: {', '.join(sorted(stale))}")
        leftover = self._leftover(known)
        if leftover:
            self.driver.request("stop", names=[r["name"] for r in leftover])
        if not requests:
            return self._result({}, {}, leftover)
        until = time.monotonic() + self.params["wait_timeout_s"]
        answer = self.driver.request(
            "start", steps=requests, restart=restart, wait_s=min(20.0, self.params["wait_timeout_s"])
        )
        actions = {a["name"]: a["action"] for a in answer["actions"]}
        records = self._wait_until_running(answer, until)
        self._wait_until_ready()
        return self._result(actions, records, leftover)

    def _wait_until_running(self, answer: Answer, until: float) -> dict[str, StepRecord]:
        names = [s["name"] for s in self.steps]
        while True:
            records = {r["name"]: r for r in answer["steps"] if r["name"] in names}
            ended = [r for r in records.values() if r["state"] == "ended" and r["critical"]]
            if ended:
                still_there(self.driver)
                raise step_error(ended, self.run_dir, "while it was starting")
            waiting = [name for name in names if records[name]["state"] == "starting"]
            if not waiting:
                return records
            self.ctx.progress(
                f"{len(names) - len(waiting)}/{len(names)} running, waiting for {waiting[0]}"
                + (f": {records[waiting[0]]['reason']}" if records[waiting[0]]["reason"] else "")
            )
            self._check_time(until, f"{', '.join(waiting[:5])} did not start in {self.params['wait_timeout_s']:g} s.")
            self.driver.request("wait", watch=names, guard=[], slice_s=1.0)
            answer = self.driver.request("status")

    def _wait_until_ready(self) -> None:
        """Wait for the steps' own checks; the time counts from the begin of their tasks."""
        checks = [check for step in self.steps for check in step.get("ready") or []]
        wait_id, imports = uuid.uuid4().hex, Imports(self.steps, self.run_dir)
        patience_s = max([self.params["wait_timeout_s"], *(check.get("patience_s") or 0.0 for check in checks)])
        until = latest = time.monotonic() + patience_s
        while checks:
            answer = self.driver.request(
                "wait",
                wait_id=wait_id,
                checks=checks,
                guard=[s["name"] for s in self.steps],
                slice_s=max(0.1, min(5.0, until - time.monotonic())),
            )
            if answer["ended"]:
                still_there(self.driver)
                raise step_error(answer["ended"], self.run_dir, "before it was ready")
            if answer["completed"]:
                return
            line, importing = waiting_line(answer["checks"]), imports.look(answer["steps"])
            self.ctx.progress("; ".join(filter(None, (line, importing))))
            until = latest + imports.passed_s
            self._check_time(until, f"{line}, after {patience_s:g} s.", checks=answer["checks"])

    def _check_time(self, until: float, msg: str, **evidence: Json) -> None:
        if not self.ctx.controller_alive():
            raise Error("The controller has ended.")
        if time.monotonic() >= until:
            raise Error(f"Job {self.job_id}: {msg} Logs are in {self.run_dir}/logs.", **evidence)

    def stop(self) -> JsonObject:
        """End the selected steps, and others running in the stage; there is nothing to do if the job is gone."""
        names = [s["name"] for s in self.steps]
        try:
            records = {
                r["name"]: r for r in (self._records() if self.planned else self.driver.request("status")["steps"])
            }
        except driver.HolderGone:
            records = {}
        leftover = self._leftover(records.values())
        alive = [n for n in names if n in records and records[n]["state"] != "ended"]
        actions = {name: "stopped" if name in alive else "absent" for name in names}
        if not self.planned and (alive or leftover):
            answer = self.driver.request("stop", names=alive + [r["name"] for r in leftover])
            records = {r["name"]: r for r in answer["steps"]}
            left = [r["name"] for r in records.values() if r["name"] in names and r["state"] != "ended"]
            if left:
                raise Error(f"Job {self.job_id}: {', '.join(left)} did not end.")
        return self._result(actions, records, leftover)

    def _result(
        self, actions: Mapping[str, str], records: Mapping[str, StepRecord], leftover: list[StepRecord]
    ) -> JsonObject:
        listed = []
        for step in self.steps:
            name, record = step["name"], records.get(step["name"])
            listed.append(self._row(name, step["tier"], step["nodes"], step["log"], record, actions[name]))
        listed += [self._row(r["name"], r["tier"], r["nodes"], r["log"], r, "removed") for r in leftover]
        result = {"steps": listed, "changed": any(row["changed"] for row in listed)}
        if self.ctx.diff:
            result["diff"] = self._diff(listed)
        return result

    def _row(
        self, name: str, tier: str | None, nodes: list[str] | None, log: str, record: StepRecord | None, action: str
    ) -> JsonObject:
        node = nodes[0] if nodes else None
        known: JsonObject = {**(record or {})}
        row = {
            "name": name,
            "tier": tier,
            "node": node,
            "nodes": nodes,
            "step_id": known.get("step_id"),
            "state": known.get("state", "absent"),
            "attempt": known.get("attempt"),
            "log": f"{self.run_dir}/{log}".replace("%N", node or "%N"),
            "changed": action not in ("kept", "adopted", "absent"),
            "action": action,
        }
        if self.planned:
            row["action"] = PLANNED.get(action, action)
        elif action == "removed":
            row["state"] = "ended"
        return row

    def _diff(self, listed: list[JsonObject]) -> dict[str, str]:
        """Show the srun line and the environment of each step to start."""
        fresh = {row["name"] for row in listed if row["action"] in ("start", "replace", "started", "replaced")}
        ended = [
            f"{row['name']} on {','.join(row['nodes'] or [])}\n"
            for row in listed
            if row["action"] in ("stop", "stopped", "removed")
        ]
        after = [
            srun.printable(s, self.job_id, self.run_dir, s.get("origins")) for s in self.steps if s["name"] in fresh
        ]
        return {
            "before": "".join(ended),
            "after": "".join(after),
            "before_header": "steps that end",
            "after_header": "steps that start",
        }


def _action(step: Step, record: StepRecord | None, restart: bool) -> str:
    if not record:
        return "started"
    if record["state"] == "ended" or restart or record["digest"] != step["digest"]:
        return "replaced"
    return "adopted" if record["state"] == "unowned" else "kept"
