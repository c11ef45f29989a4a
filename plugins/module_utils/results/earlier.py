# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Valid measurements that are used for a point instead of a new one: set aside in its run, or from earlier runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import NamedTuple

from .. import sweep_folders
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


def variant_dirs(output_dir: str, name: str | None = None) -> list[str]:
    """Return the run directories of jobs of sweeps (called *name*) that no other user could have written."""
    return [path for path in sweep_folders.variant_dirs(output_dir, name) if _is_trusted_below(output_dir, path)]


def _is_trusted_below(output_dir: str, path: str) -> bool:
    """Return whether no other user could have written *path* or a directory between it and *output_dir*."""
    try:
        while path != output_dir:
            if os.path.islink(path) or doubt(path) is not None:
                return False
            path = os.path.dirname(path)
    except OSError:  # it has gone
        return False
    return True


def own_attempt(plan: Plan, point: PlanPoint) -> Found | None:
    """Return the newest valid measurement of *point* that its run has set aside (Found), or None."""
    result = os.path.join(plan["run_dir"], point["result"])
    one = newest(point, result)
    if one is None or not (one.number or one.result_number):
        return None
    path = attempt_path(result, one.result_number)
    return Found(path, one.verdict, max(one.number, one.result_number), one.number, one.result_number)


def earlier_result(plan: Plan, point: PlanPoint) -> Found | None:
    """Return the newest valid measurement of *point* in other runs of the same output directory (Found), or None.

    The run of a sweep's job has copies. They count if the run that measured is no longer there.
    """
    own, output_dir = os.path.normpath(plan["run_dir"]), sweep_folders.output_dir_of(plan["run_dir"])
    try:
        beside = [entry.path for entry in os.scandir(output_dir) if is_trusted_run(entry)]
    except OSError:
        return None
    found = _measured(point, beside, own) or _measured(point, variant_dirs(output_dir), own)
    if not found:
        return None
    _time, path, folder, verdict = max(found, key=lambda one: one[:3])
    # The first run that measured it, also over several take-overs. Its attempts are none of this run.
    return Found(path, {**verdict, "origin": origin_of(verdict, path, folder), "attempt": 0})


def _measured(point: PlanPoint, run_dirs: Iterable[str], own: str) -> list[tuple[float, str, str, Verdict]]:
    """Return ``[(when, path of the result, run directory, verdict)]`` of *point* in *run_dirs* other than *own*."""
    found = []
    for folder in run_dirs:
        result = os.path.join(folder, point["result"])
        one = newest(point, result) if folder != own else None
        if one and not one.verdict.get("profiled"):  # its profiles are in its own run
            found.append((one.when, attempt_path(result, one.result_number), folder, one.verdict))
    return found


def standing_for(plan: Plan, point: PlanPoint) -> Found | None:
    """Return what is used for *point* instead of its current result: own_attempt, or else earlier_result.

    What this run has measured and found wrong (with ``force``, after it was taken over) is not taken over again.
    """
    measured_here = any(attempt for attempt, *_more in evaluated(point, os.path.join(plan["run_dir"], point["result"])))
    return own_attempt(plan, point) or (None if measured_here else earlier_result(plan, point))
