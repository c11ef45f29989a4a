# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A deployment of its own for each repeat, if the job asks for that (``repeat_redeploy``).

What a deployment has measured is in the verdicts, so that a run which was interrupted goes on with the deployment that
is up: it is replaced only before a point of another repeat than those that it has measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..benchmarks import repeats
from ..benchmarks.repeats import REPEAT
from ..failures import Error
from ..holder.records import StepRecord
from ..plan_file import Plan, PlanPoint
from ..results import deployments
from ..results.verdict import Deployment, Verdict, read_verdict
from . import point_files, srun_worker
from .concurrent_measurements import wait_for_others
from .service_look import look_before
from .session import Session

SERVING = ("worker", "frontend")  # tiers of the steps that start anew, in the order in which they start
START_S = 120.0  # in which every step that starts must run, as in the stages of the playbook


def of_measurement(session: Session, own: StepRecord) -> Deployment | None:
    """Return the deployment that ran when the step of *own* began, by the holder's clock."""
    begin, starts = own["started_at"] or "", dict.fromkeys(_names(session.plan), "")
    lives = [(one["name"], one["from"]) for one in session.answer.get("ends") or ()]
    lives += [(one["name"], one["started_at"]) for one in session.records.values()]
    for name, start in lives:
        if name in starts and start and start <= begin:
            starts[name] = max(starts[name], start)
    return _deployment(session.plan, starts.values())


def _names(plan: Plan) -> list[str]:
    return [step["name"] for step in plan["steps"] if step["tier"] in SERVING]


def _deployment(plan: Plan, starts: Iterable[str]) -> Deployment | None:
    known = [start for start in starts if start]
    return {"job_id": plan["job_id"], "first": min(known), "since": max(known)} if known else None


class Redeployments:
    """Keeps the repeats of *plan* apart."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._wanted = repeats.redeploys((plan.get("spec") or {}).get("benchmark") or {})
        self._points = [one for one in (plan.get("benchmark") or {}).get("points") or () if REPEAT in one["key"]]
        self._seen: dict[str, Deployment] = {}  # {name of a point: the deployment that measured it}
        for point in self._points if self._wanted else ():
            self.note(point)

    def note(self, point: PlanPoint) -> None:
        """Read the verdict on *point* again."""
        verdict = read_verdict(point_files.result_path(self._plan, point)) if self._wanted else None
        self._seen.pop(point["name"], None)
        if verdict and verdict["digest"] == point["digest"]:
            found = deployments.of_verdict(verdict, self._plan["job_id"])
            self._seen.update({point["name"]: found} if found else {})

    def clashes(self, point: PlanPoint, verdict: Verdict) -> bool:
        """Return whether the deployment of *verdict*, one on *point*, has measured another repeat that comes first."""
        own = deployments.of_verdict(verdict, self._plan["job_id"]) if self._wanted else None
        if not own or REPEAT not in point["key"]:
            return False
        names = [one["name"] for one in self._points]
        before = self._points[: names.index(point["name"])]
        return any(deployments.overlap(own, other) for other in self._others(point, before))

    def renew(self, session: Session, point: PlanPoint) -> None:
        """Start the service anew if what runs has measured another repeat than that of *point*."""
        if not self._wanted or REPEAT not in point["key"]:
            return
        live = [session.records[name] for name in _names(self._plan) if session.runs(name)]
        running = _deployment(self._plan, [record["started_at"] or "" for record in live])
        if not running or not any(deployments.overlap(running, other) for other in self._others(point, self._points)):
            return
        look_before(session)  # what is not the service of the plan is not replaced unasked
        while session.measured(point["step"]["name"]):
            wait_for_others(session, point)
        session.ctx.progress(f"workers and frontends start anew before {point['label']}")
        _start_anew(session, [record["name"] for record in live])

    def planned(self, points: Sequence[PlanPoint]) -> list[PlanPoint]:
        """Return those of *points*, which are to be measured, before which the service starts anew."""
        found: list[PlanPoint] = []
        if not self._wanted:
            return found
        by_name = {one["name"]: one for one in self._points}
        here = {name: one for name, one in self._seen.items() if one["job_id"] == self._plan["job_id"]}
        latest = max(here, key=lambda name: here[name]["since"], default=None)
        repeat = by_name[latest]["key"][REPEAT] if latest else None
        for point in points:
            own = point["key"].get(REPEAT)
            if own is not None:
                found += [point] if repeat not in (None, own) else []
                repeat = own
        return found

    def _others(self, point: PlanPoint, among: Sequence[PlanPoint]) -> list[Deployment]:
        """Return the deployments that have measured other repeats than that of *point*."""
        others = [one["name"] for one in among if one["key"][REPEAT] != point["key"][REPEAT]]
        return [self._seen[name] for name in others if name in self._seen]


def _start_anew(session: Session, names: Sequence[str]) -> None:
    """Stop the steps *names*, and start all that serve, tier by tier as the stages of the playbook do."""
    plan = session.plan
    session.ask("stop", names=list(names))
    left = [name for name in names if session.runs(name)]
    if left:
        raise Error(f"Job {plan['job_id']}: {', '.join(left)} did not end, so the service cannot start anew.")
    asked = {"plan": plan, "hosts": [], "names": [], "state": "started", "wait_timeout_s": START_S}
    for tier in SERVING:
        srun_worker.run({**asked, "tier": tier}, session.ctx)
    session.ask("status")
    session.seen_healthy, session.whole_since = False, None
