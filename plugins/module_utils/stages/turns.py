# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two points at once would measure each other: one waits for the other, as long as that one may take."""

from __future__ import annotations

from collections.abc import Mapping

from ..allocation.driver import age_s
from ..failures import Error
from ..holder.records import StepRecord
from ..plan_file import PlanPoint
from .evidence import step_error
from .session import Session

LOOK_S = 10.0  # the longest that one request waits
OVERTIME_S = 60.0  # what the controller of a measurement has to end it at its deadline, before somebody else does


def wait_turn(session: Session, point: PlanPoint) -> None:
    """Wait a while for the measurements that keep *point* from being started; end those that nobody else ends.

    Error when a part of the service died meanwhile, or when such a measurement cannot be ended.
    """
    name, others = point["step"]["name"], session.measured(point["step"]["name"])
    if not others:  # it has ended since
        return
    names = ", ".join(record["name"] for record in others)
    late = {record["name"]: record for record in others if _overdue_s(session, record) > OVERTIME_S}
    if late:
        _end(session, late)
    else:
        session.ctx.progress(f"{point['label']} waits for {names}, which is being measured")
        session.ask("wait", watch=[record["name"] for record in others], guard=[], slice_s=LOOK_S)
    if session.dead():
        raise step_error(session.dead(), session.plan["run_dir"], f"before {name} was measured")


def _overdue_s(session: Session, record: StepRecord) -> float:
    """Return for how many seconds a measurement goes on beyond its deadline; -1 if that is not known."""
    limit_s = record["deadline_s"]
    return age_s(session.answer, record["started_at"]) - limit_s if limit_s else -1.0


def _end(session: Session, late: Mapping[str, StepRecord]) -> None:
    """End measurements, *late* by name, whose controller is gone; Error if one of them lives on."""
    for record in late.values():
        age = f"{age_s(session.answer, record['started_at']):.0f} s"
        session.ctx.progress(f"{record['name']} is ended: it is not complete after {age}, and nobody else has ended it")
    session.ask("stop", names=list(late))
    now = (session.records[name] for name in late)
    left = [one["name"] for one in now if one["state"] != "ended" and one["attempt"] == late[one["name"]]["attempt"]]
    if left:
        raise Error(
            f"{', '.join(left)} is beyond its deadline and cannot be ended, so that nothing else can be measured. Look "
            f"at {', '.join(late[left[0]]['nodes'] or [])}, or end the job (playbooks/stop.yml)."
        )
