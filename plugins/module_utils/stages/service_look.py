# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the whole service serves: asked before a point and after it.

Three are asked, because each may be wrong alone:

- Slurm, which steps it runs: an srun client that was stopped reports nothing.
- Every part of the service, by the checks that made it healthy: a launcher outlives its engine.
- The holder, whether it lost its connection to a part meanwhile: an engine that its launcher started again answers.
"""

from __future__ import annotations

import time
import uuid

from ..failures import Error
from ..holder.records import CheckRecord, StepRecord
from ..json_types import Json
from ..plan_file import Check
from . import health_wait
from .evidence import step_error
from .health_wait import first_step, losses, nodes_of, without, without_node
from .service_gaps import gaps_between
from .session import Session

AGAIN_S = 0.5  # pause before the service is asked once more
STILL_WHOLE_S = 30.0  # how long a healthy service may take to answer before the next point
ANSWER_S = 15.0  # how long a part without load may take to answer
LOOK_S = 60.0  # how long Slurm and late srun clients may take, see Steps.look
WITNESSED = ("worker", "frontend")  # tiers of parts that do not mind a connection on which nothing is sent


def witnesses(session: Session) -> dict[str, Json]:
    """Return ``{step: [host, port]}`` of the parts that the holder keeps a connection to."""
    lost = lost_steps(session)
    tiers = {step["name"]: step["tier"] for step in session.plan["steps"] if step["name"] not in lost}
    found: dict[str, Json] = {}
    for check in session.plan.get("checks") or ():
        name = first_step(check)
        if name and tiers.get(name) in WITNESSED and check.get("port"):
            found.setdefault(name, [check["host"], check["port"]])
    return found


def lost_steps(session: Session) -> dict[str, StepRecord]:
    """Return {name: record} of the steps that the service may lose, and has lost."""
    return {**without_node(session.plan), **losses(session.records.values(), session.plan)}


def look_before(session: Session, quiet_s: float = 0.0) -> None:
    """Return once the running service is the planned one, and whole; Error if it is another one, or does not get whole.

    ``session.whole_since`` is then the holder's time from which on no part may be lost: all of them answered after it.
    What ends after its own answer, while others are waited for, makes them all be asked again.
    """
    plan, whole_s, began = session.plan, _patience_s(session), time.monotonic()
    while True:
        wrong = session.unplanned()
        if wrong:
            raise Error(
                f"The running service does not match the plan: {'; '.join(wrong)}. It was not measured. Run the whole "
                "playbook, or the stages before this one (--tags head_infra,worker,frontend)."
            )
        since = session.ask("status", witness=witnesses(session))["now"]
        if plan.get("checks"):
            health_wait.wait_for(session.talk, plan, plan["checks"], whole_s, 5.0, session.ctx, quiet_s)
        lost = _lost_since(session, since)
        if not lost:
            break
        if time.monotonic() - began >= whole_s:
            raise Error(f"The service does not stay whole: {'; '.join(lost)}. Logs are in {plan['run_dir']}/logs.")
        if session.dead():
            raise step_error(session.dead(), plan["run_dir"], "before the point was measured")
        time.sleep(AGAIN_S)
    session.seen_healthy, session.whole_since = True, since


def _patience_s(session: Session) -> float:
    """Return how long the service may take to be whole before a point."""
    whole_s = float(session.plan["health_timeout_s"])
    # A part that was healthy before and does not answer now is broken, unless it is restarting.
    listings = [check.get("listing") for check in session.plan.get("checks") or ()]
    held_s = max((float(one["kept_s"]) for one in listings if one), default=0.0)
    return whole_s if session.may_load() else min(STILL_WHOLE_S + held_s, whole_s)


def _lost_since(session: Session, since: str) -> list[str]:
    """Return which parts that may not be lost have ended or begun after *since*, in words."""
    answer = session.ask("status")
    ends, breaks = answer.get("ends") or (), answer.get("breaks") or ()
    return gaps_between(session.plan["steps"], session.records, ends, since, answer["now"], breaks).critical


def look_afterwards(session: Session) -> list[str]:
    """Return what of the service does not serve now, in words.

    The steps in the session's records are then those that Slurm runs. Error if nobody can be asked.
    """
    answer = session.ask("status", look=True, wait_s=LOOK_S)
    if not answer.get("looked", True):
        return ["Slurm did not say afterwards which steps it runs"]
    if session.dead():
        return []
    lost = lost_steps(session)
    checks = _at_once(without(session.plan.get("checks") or (), lost, session.plan))
    for step in session.plan["steps"]:
        checks += _at_once([] if step["name"] in lost else step.get("ready") or [])
    where = nodes_of(checks, session.plan)
    silent = _ask(session, checks)
    texts = [f"{name} on {where[name]} ({why})" if name in where else f"{name} ({why})" for name, why in silent.items()]
    return [f"parts of the service did not answer afterwards: {', '.join(texts)}"] if texts else []


def _at_once(checks: list[Check]) -> list[Check]:
    """Return *checks* as they are asked after a point: each by itself."""
    limits = [min(float(check.get("timeout_s") or ANSWER_S), ANSWER_S) for check in checks]
    # Which parts a list names does not matter here: a lost one is listed for a while.
    return [{**one, "after": [], "listing": None, "timeout_s": limit_s} for one, limit_s in zip(checks, limits)]


def _ask(session: Session, checks: list[Check]) -> dict[str, str]:
    """Return {name of a check: why it failed at once}."""
    wait_id, until = uuid.uuid4().hex, time.monotonic() + ANSWER_S + 2.0
    answers: list[CheckRecord] = []
    while checks and time.monotonic() < until:
        answers = session.ask("wait", wait_id=wait_id, checks=[*checks], guard=[], slice_s=1.0)["checks"]
        if all(one["done"] or one["last_error"] for one in answers):
            break
    return {one["name"]: one["last_error"] or "no answer" for one in answers if not one["done"]}
