# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a point: what is there already, here or in an earlier run, and what must not be written over.

Nothing that is cut off between two renames counts for what it is not: a result without a verdict would be evaluated by
the next run, so a verdict is the last of the files that go and the first that comes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import time

from ..results.attempts import attempt_path, files_of, numbers
from ..results.earlier import own_attempt, standing_for
from ..results.verdict import may_stand, read_verdict, standing, why_unsealed, write_verdict

__all__ = ["standing_for"]
CHOOSING = ("concurrencies",)  # the run options that choose points
LOCK_S = 10.0  # far longer than some renames take; whoever has the lock then was stopped


def wanted(params):
    """Return ``{run option: values}`` of what chooses points, see :meth:`Benchmark.choose`."""
    return {option: params.get(option) or [] for option in CHOOSING}


def result_path(plan, point):
    """Return the absolute path of the result file of *point*."""
    return os.path.join(plan["run_dir"], point["result"])


def kept_verdict(plan, point):
    """Return the verdict on *point* if this run has a valid result of the same digest, else None."""
    verdict, reasons, _state = standing(point, result_path(plan, point))
    return None if reasons or not may_stand(point, verdict) else verdict


def bring_back(plan, point):
    """Make the newest valid measurement of *point* that was set aside the current one again, and set that one aside.

    Return it (Found), or None: there is none any more, or another controller was faster.
    """
    target = result_path(plan, point)
    with _alone(os.path.dirname(target)):
        found = None if kept_verdict(plan, point) else own_attempt(plan, point)
        if not found:
            return None
        aside = _set_aside(target)
        # A half of it that was left at the current names has gone along.
        verdict, result = (
            files_of(attempt_path(target, number or aside)) for number in (found.verdict_number, found.result_number)
        )
        moved = [verdict[-1], *result[:-1]]
        names = files_of(target)
        for source, path in zip(moved, [names[-1], *names[:-1]]):
            _rename(source, path)
        return found if kept_verdict(plan, point) else None


def take_over(plan, point, found):
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


def set_aside(result):
    """Rename what an earlier measurement left at *result*: evidence is never written over."""
    with _alone(os.path.dirname(result)):
        _set_aside(result)


def _set_aside(result):
    """Do it; return the number that it has now, None if nothing was there."""
    known = numbers(result)
    number = next(number for number in range(1, len(known) + 2) if number not in known)
    moved = [_rename(old, new) for old, new in zip(files_of(result), files_of(attempt_path(result, number)))]
    return number if any(moved) else None


def _rename(old, new):
    """Rename a file; return False if it is not there."""
    try:
        os.rename(old, new)
    except FileNotFoundError:
        return False
    return True


@contextlib.contextmanager
def _alone(folder):
    """Keep other controllers from renaming files in *folder* meanwhile, where its file system knows locks."""
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:  # then nothing is in it
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
            except OSError:  # a file system that knows no locks
                break
        yield
    finally:
        os.close(lock)


def read_json(path):
    """Return the JSON object stored at *path*, or None when there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def unevaluated(plan, point):
    """Return whether *point* has a result but no verdict: its controller went away before the end."""
    result = result_path(plan, point)
    return os.path.exists(result) and read_verdict(result) is None
