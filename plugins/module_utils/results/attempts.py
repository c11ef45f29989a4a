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

from ..benchmarks.base import partial_path, progress_path
from ..plan_file import PlanPoint
from .verdict import Verdict, may_stand, read_verdict, verdict_path, why_unsealed


def attempt_path(result: str, number: int) -> str:
    """Return the path of the result file that was set aside as *number*; 0: the current one, *result*."""
    stem, suffix = os.path.splitext(result)
    return f"{stem}.attempt{number}{suffix}" if number else result


def files_of(result: str) -> list[str]:
    """Return the paths of all files of the measurement whose result file is *result*, the verdict last."""
    return [result, partial_path(result), progress_path(result), verdict_path(result)]


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
    for when, number in sorted(evaluated(result), reverse=True):
        verdict = read_verdict(attempt_path(result, number))
        if verdict and verdict.get("digest") == point["digest"]:
            found = reusable(point, result, number)
            return Usable(when, number, found[0], found[1]) if found else None
    return None


def evaluated(result: str) -> list[tuple[float, int]]:
    """Return ``[(time of the verdict in seconds, number)]`` of the measurements beside *result* with a verdict."""
    found = []
    for number in numbers(result):
        # Another controller may rename one meanwhile.
        with contextlib.suppress(OSError):
            found.append((os.stat(verdict_path(attempt_path(result, number))).st_mtime, number))
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
