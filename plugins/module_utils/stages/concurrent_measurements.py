# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measurements of concurrent controllers: two at once would disturb each other, so one waits for the other."""

from __future__ import annotations

from collections.abc import Mapping

from ..allocation.driver import age_s
from ..failures import Error
from ..holder.records import StepRecord
from ..plan_file import PlanPoint
from .evidence import step_error
from .session import Session

SLICE_S = 10.0  # the longest wait of one request
OVERTIME_S = 60.0  # time for the controller of a measurement to end it after its deadline, before another one does


def wait_for_others(session: Session, point: PlanPoint) -> None:
    """Wait a while for the measurements that block *point*; end abandoned ones.

    Error if a part of the service failed meanwhile, or if such a measurement cannot be ended.
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
        session.ask("wait", watch=[record["name"] for record in others], guard=[], slice_s=SLICE_S)
    if session.dead():
        raise step_error(session.dead(), session.plan["run_dir"], f"before {name} was measured")


def _overdue_s(session: Session, record: StepRecord) -> float:
    """Return for how many seconds a measurement has exceeded its deadline; -1 if unknown."""
    limit_s = record["deadline_s"]
    return age_s(session.answer, record["started_at"]) - limit_s if limit_s else -1.0


def _end(session: Session, late: Mapping[str, StepRecord]) -> None:
    """End measurements, *late* by name, whose controller has ended; Error if one of them keeps running."""
    for record in late.values():
        age = f"{age_s(session.answer, record['started_at']):.0f} s"
        session.ctx.progress(
            f"{record['name']} was ended: it was not complete after {age}, and its controller did not end it"
        )
    session.ask("stop", names=list(late))
    now = (session.records[name] for name in late)
    left = [one["name"] for one in now if one["state"] != "ended" and one["attempt"] == late[one["name"]]["attempt"]]
    if left:
        raise Error(
            f"{', '.join(left)} exceeded its deadline and cannot be ended, so nothing else can be measured. Check "
            f"{', '.join(late[left[0]]['nodes'] or [])}, or end the job (playbooks/stop.yml)."
        )
