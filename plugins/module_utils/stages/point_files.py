# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a point: existing ones, here or in an earlier run, and their protection against overwriting.

An interruption between two renames is harmless: a result without a verdict would be evaluated by the next run, so the
verdict is the last file to be moved away and the first to be restored.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Iterator

from ..benchmarks import SELECTING, of_plan
from ..failures import Error
from ..json_types import Json, JsonObject
from ..plan_file import Plan, PlanPoint
from ..results.attempts import attempt_path, files_of, numbers
from ..results.earlier import Found, own_attempt, standing_for
from ..results.verdict import Verdict, may_stand, read_verdict, standing, why_unsealed, write_verdict

__all__ = ["standing_for"]
LOCK_S = 10.0  # far longer than a few renames take; a process that still has the lock was stopped


def wanted(params: JsonObject) -> dict[str, list[Json]]:
    """Return ``{run option: values}`` of the options that select points, see :meth:`Benchmark.choose`."""
    return {option: params.get(option) or [] for option in SELECTING}


def chosen(plan: Plan, params: JsonObject) -> list[PlanPoint]:
    """Return the points of *plan* that the options in *params* select; Error if there is none for one of the values."""
    points = (plan.get("benchmark") or {}).get("points") or []
    found, unknown = of_plan(plan).choose(points, wanted(params))
    if unknown:
        known = ", ".join(point["label"] for point in points) or "none"
        raise Error(f"The plan has no point with {', '.join(unknown)}. Its points: {known}.")
    return found


def result_path(plan: Plan, point: PlanPoint) -> str:
    """Return the absolute path of the result file of *point*."""
    return os.path.join(plan["run_dir"], point["result"])


def kept_verdict(plan: Plan, point: PlanPoint) -> Verdict | None:
    """Return the verdict on *point* if this run has a valid result of the same digest, else None."""
    verdict, reasons, _state = standing(point, result_path(plan, point))
    return None if reasons or not may_stand(point, verdict) else verdict


def bring_back(plan: Plan, point: PlanPoint) -> Found | None:
    """Restore the newest valid measurement of *point* that was set aside, and set the current one aside.

    Return it (Found), or None if there is none or another controller was faster.
    """
    target = result_path(plan, point)
    with _alone(os.path.dirname(target)):
        found = None if kept_verdict(plan, point) else own_attempt(plan, point)
        if not found:
            return None
        aside = _set_aside(target)
        # A partial measurement at the current names has been moved with it.
        verdict, result = (
            files_of(attempt_path(target, number or aside or 0))
            for number in (found.verdict_number, found.result_number)
        )
        moved = [verdict[-1], *result[:-1]]
        names = files_of(target)
        for source, path in zip(moved, [names[-1], *names[:-1]]):
            _rename(source, path)
        return found if kept_verdict(plan, point) else None


def take_over(plan: Plan, point: PlanPoint, found: Found) -> Verdict | None:
    """Copy a valid result of an earlier run (Found) into this one; return the verdict, which names its origin.

    None if that run has changed its files meanwhile.
    """
    target = result_path(plan, point)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.tmp{os.getpid()}"
    try:
        with contextlib.suppress(FileNotFoundError):
            shutil.copyfile(found.result, temporary)
        if why_unsealed(found.verdict, temporary):
            return None
        set_aside(target)
        write_verdict(target, found.verdict)
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return found.verdict


def set_aside(result: str) -> None:
    """Rename what an earlier measurement left at *result*: evidence is never overwritten."""
    with _alone(os.path.dirname(result)):
        _set_aside(result)


def _set_aside(result: str) -> int | None:
    """Set a measurement aside; return its number, None if there was nothing."""
    known = numbers(result)
    number = next(number for number in range(1, len(known) + 2) if number not in known)
    moved = [_rename(old, new) for old, new in zip(files_of(result), files_of(attempt_path(result, number)))]
    return number if any(moved) else None


def _rename(old: str, new: str) -> bool:
    """Rename a file; return False if it does not exist."""
    try:
        os.rename(old, new)
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def _alone(folder: str) -> Iterator[None]:
    """Prevent other controllers from renaming files in *folder*, if its file system supports locks."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # then it has no files
        yield
        return
    until = time.monotonic() + LOCK_S
    try:
        while time.monotonic() < until:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                time.sleep(0.05)
            except OSError:  # a file system without locks
                break
        yield
    finally:
        os.close(lock)


def unevaluated(plan: Plan, point: PlanPoint) -> bool:
    """Return whether *point* has a result but no verdict: its controller ended too early."""
    result = result_path(plan, point)
    return os.path.exists(result) and read_verdict(result) is None
