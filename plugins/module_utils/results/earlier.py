# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid measurements that are used for a point instead of a new one: set aside in its run, or from earlier runs."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..files import doubt
from ..plan_file import Plan, PlanPoint
from .attempts import attempt_path, evaluated, newest
from .origins import origin_of
from .verdict import Verdict


class Found(NamedTuple):
    """A measurement that may be used for a point.

    :ivar result: path of its result file.
    :ivar verdict: its verdict, which names the origin if another run measured it.
    :ivar attempt: the number under which this run has set it aside; None for another run.
    :ivar verdict_number: that of its verdict, which differs after an interrupted rename.
    :ivar result_number: that of its result.
    """

    result: str
    verdict: Verdict
    attempt: int | None = None
    verdict_number: int = 0
    result_number: int = 0


def is_trusted_run(entry: os.DirEntry[str]) -> bool:
    """Return whether *entry* of an output directory is a directory that no other user could have written."""
    try:
        return entry.is_dir(follow_symlinks=False) and doubt(entry.path) is None
    except OSError:  # it has gone
        return False


def own_attempt(plan: Plan, point: PlanPoint) -> Found | None:
    """Return the newest valid measurement of *point* that its run has set aside (Found), or None."""
    result = os.path.join(plan["run_dir"], point["result"])
    one = newest(point, result)
    if one is None or not (one.number or one.result_number):
        return None
    path = attempt_path(result, one.result_number)
    return Found(path, one.verdict, max(one.number, one.result_number), one.number, one.result_number)


def earlier_result(plan: Plan, point: PlanPoint) -> Found | None:
    """Return the newest valid measurement of *point* in the runs beside this one (Found), or None."""
    output_dir, own = os.path.split(os.path.normpath(plan["run_dir"]))
    found = []
    try:
        entries = list(os.scandir(output_dir))
    except OSError:
        return None
    for entry in entries:
        if entry.name == own or not is_trusted_run(entry):
            continue
        result = os.path.join(entry.path, point["result"])
        one = newest(point, result)
        if one and not one.verdict.get("profiled"):  # its profiles are in its own run
            found.append((one.when, attempt_path(result, one.result_number), entry.path, one.verdict))
    if not found:
        return None
    _time, path, folder, verdict = max(found, key=lambda one: one[:3])
    # The first run that measured it, also over several take-overs. Its attempts are none of this run.
    return Found(path, {**verdict, "origin": origin_of(verdict, path, folder), "attempt": 0})


def standing_for(plan: Plan, point: PlanPoint) -> Found | None:
    """Return what is used for *point* instead of its current result: own_attempt, or else earlier_result.

    What this run has measured and found wrong (with ``force``, after it was taken over) is not taken over again.
    """
    measured_here = any(attempt for attempt, *_more in evaluated(point, os.path.join(plan["run_dir"], point["result"])))
    return own_attempt(plan, point) or (None if measured_here else earlier_result(plan, point))
