# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The conversation of a measurement with the holder of its job."""

from __future__ import annotations

from ..allocation.driver import Driver, is_new_holder, known_of, paused_s
from ..allocation.job_end import ending_error
from ..entry import Context
from ..failures import Error
from ..holder.records import Answer, Known, StepRecord
from ..holder.step import PASSING
from ..json_types import Json
from ..plan_file import Plan, PlanPoint


class Session:
    """The conversation with the job's holder; knows the latest record of every step.

    :param talk: driver of the holder.
    :ivar seen_healthy: whether the service has been healthy in this conversation.
    :ivar whole_since: the holder's time from which on the service is known to be whole; None: it has to be asked.
    """

    def __init__(self, plan: Plan, talk: Driver, ctx: Context) -> None:
        self.plan, self.ctx = plan, ctx
        self.records: dict[str, StepRecord] = {}
        self.talk, self.seen_healthy = talk, False
        self.whole_since: str | None = None
        self._known: Known | None = None
        self._guard = [step["name"] for step in plan["steps"] if step.get("critical")]
        self.answer: Answer = self.ask("status")

    def ask(self, op: str, **fields: Json) -> Answer:
        """Return the holder's answer; Error if the controller has ended, or if the job is ending."""
        if not self.ctx.controller_alive():
            raise Error("The controller has ended. The measurement continues; the next run attaches to it.")
        answer = self.talk.request(op, known=self._known, **fields)
        if is_new_holder(self._known, answer):  # its answer has all steps that it knows; any other one is over
            seen_at, reason = self.answer["now"], "was lost with its holder"
            for name in filter(self.runs, list(self.records)):
                gone: StepRecord = {
                    **self.records[name],
                    "state": "ended",
                    "expected": True,
                    "ended_at": seen_at,
                    "reason": reason,
                }
                self.records[name] = gone
        self._known, self.answer = known_of(answer), answer
        self.records.update({record["name"]: record for record in answer["steps"]})
        ending = answer.get("ending")
        if ending:
            raise ending_error(self.talk, ending)
        return answer

    def runs(self, name: str) -> bool:
        """Return whether the step *name* was running in the latest answer."""
        return name in self.records and self.records[name]["state"] != "ended"

    def measured(self, name: str) -> list[StepRecord]:
        """Return the records of the benchmark steps that run, but for *name*."""
        live = (r for r in self.records.values() if r["tier"] == "benchmark" and r["state"] != "ended")
        return [record for record in live if record["name"] != name]

    def wait(self, name: str, slice_s: float) -> None:
        """Wait until the step *name* or a critical step ended, *slice_s* seconds at most."""
        self.ask("wait", watch=[name], guard=self._guard, slice_s=slice_s)

    def unplanned(self) -> list[str]:
        """Return how the service that runs is not the planned one, such as ``decode_1 does not run``."""
        differences = []
        for step in self.plan["steps"]:
            record = self.records.get(step["name"])
            if record and record["state"] != "ended":
                same = record["digest"] == step["digest"]
                differences += [] if same else [f"{step['name']} was started with other options or on other nodes"]
            elif step.get("critical"):
                differences.append(f"{step['name']} does not run")
        more = [record["name"] for record in self.strangers() if record["state"] != "ended"]
        return differences + [f"{name} runs, but is not in the plan" for name in more]

    def strangers(self) -> list[StepRecord]:
        """Return the records of steps of a service that are not in the plan: while they run, they serve as well."""
        planned = {step["name"] for step in self.plan["steps"]}
        served = [one for one in self.records.values() if one["tier"] and one["tier"] not in PASSING]
        return [one for one in served if one["name"] not in planned]

    def may_load(self) -> bool:
        """Return whether parts of the service may be loading now: nobody has seen it healthy, or they start again."""
        return not self.seen_healthy or any(step.get("restarts") for step in self.plan["steps"])

    def meanwhile(self, point: PlanPoint) -> str:
        """Return what happened when a part of the service ended in a point: the job may have been paused."""
        record, doing = self.records.get(point["step"]["name"]), f"while {point['label']} was measured"
        seconds = paused_s(self.answer, record["started_at"] or "") if record else 0
        return f"{doing} and the job had been paused for {seconds:.0f} s" if seconds else doing

    def broken(self, since: str | None) -> list[str]:
        """Return the critical steps whose server ended at or after *since* (UTC), whether or not they live on."""
        breaks = self.answer.get("breaks") or ()
        names = dict.fromkeys(one["name"] for one in breaks if since and one["at"] >= since)
        return [name for name in names if name in self._guard]

    def dead(self) -> list[StepRecord]:
        """Return the records of critical steps of the service that ended and should not have."""
        ended = (self.records.get(name) for name in self._guard)
        return [record for record in ended if record and record["state"] == "ended" and not record["expected"]]
