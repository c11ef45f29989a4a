# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The measurements of one point in a run: the current one, and those that were set aside as ``.attemptN``.

A verdict and its result have the same number, 0 for the current ones. Only a process killed between two renames leaves
them under different numbers; the hash in the verdict shows which belong together.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import NamedTuple

from ..benchmarks.base import files_path, partial_path, progress_path
from ..plan_file import PlanPoint
from .verdict import Verdict, may_stand, read_verdict, verdict_path, why_unsealed


def attempt_path(result: str, number: int) -> str:
    """Return the path of the result file that was set aside as *number*; 0: the current one, *result*."""
    stem, suffix = os.path.splitext(result)
    return f"{stem}.attempt{number}{suffix}" if number else result


def unnumbered(result: str) -> str:
    """Return the path of the current result file for one of :func:`attempt_path`."""
    return re.sub(r"\.attempt[1-9][0-9]*(?=\.\w+$)", "", result)


def files_of(result: str) -> list[str]:
    """Return the paths of what belongs to the measurement whose result file is *result*, the verdict last."""
    return [result, partial_path(result), progress_path(result), files_path(result), verdict_path(result)]


def numbers(result: str) -> list[int]:
    """Return the numbers of the measurements beside *result*, in order; 0 is the current one."""
    folder, name = os.path.split(os.path.splitext(result)[0])
    pattern = re.compile(rf"{re.escape(name)}(?:\.attempt([1-9][0-9]*))?(?:\.\w+)?\.\w+")
    try:
        found = [pattern.fullmatch(entry) for entry in os.listdir(folder)]
    except OSError:
        return []
    return sorted({int(match.group(1) or 0) for match in found if match})


class Usable(NamedTuple):
    """A usable measurement: ``when`` its verdict was written, in seconds, and the numbers of its verdict and result."""

    when: float
    number: int
    verdict: Verdict
    result_number: int


def newest(point: PlanPoint, result: str) -> Usable | None:
    """Return the usable measurement of *point*, or None.

    It is the newest measurement of its digest beside *result*. If that one is not valid, none is used: an older valid
    one from before a new measurement (``force``) does not outweigh it.
    """
    latest = max(evaluated(point, result), default=None)
    found = reusable(point, result, latest[2]) if latest else None
    return Usable(latest[1], latest[2], found[0], found[1]) if latest and found else None


def evaluated(point: PlanPoint, result: str) -> list[tuple[int, float, int]]:
    """Return ``[(attempt of the step, time of the verdict in seconds, number)]`` of the measurements beside *result*.

    They are those of the digest of *point* with a verdict. The attempts of a run tell their order, whatever the clocks
    say; 0: another run measured it, before this one did.
    """
    found = []
    for number in numbers(result):
        verdict = read_verdict(attempt_path(result, number))
        # Another controller may rename one meanwhile.
        with contextlib.suppress(OSError):
            if verdict and verdict.get("digest") == point["digest"]:
                when = os.stat(verdict_path(attempt_path(result, number))).st_mtime
                found.append((verdict.get("attempt") or 0, when, number))
    return found


def reusable(point: PlanPoint, result: str, number: int) -> tuple[Verdict, int] | None:
    """Return (verdict, number of its result) if the verdict *number* beside *result* may be used for *point*, or None.

    It may if it is valid, of the digest of *point*, without a service gap, and its result is
    unchanged since it was evaluated.
    """
    verdict = read_verdict(attempt_path(result, number))
    if verdict is None or not may_stand(point, verdict):
        return None
    for other in (number, *numbers(result)):
        if not why_unsealed(verdict, attempt_path(result, other)):
            return verdict, other
    return None
