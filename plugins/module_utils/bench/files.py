# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The files of a point: what is there already, here or in an earlier run, and what must not be written over."""

from __future__ import annotations

import json
import os
import shutil

from ..results.earlier import earlier_result, origin
from ..results.verdict import partial_path, read_verdict, standing, verdict_path, write_verdict

__all__ = ["earlier_result", "origin"]


def result_path(plan, point):
    """Return the absolute path of the result file of *point*."""
    return os.path.join(plan["run_dir"], point["result"])


def kept_verdict(plan, point):
    """Return the verdict on *point* if this run has a valid result of the same digest, else None."""
    verdict, reasons = standing(point, result_path(plan, point))
    return None if reasons or verdict.get("losses") else verdict


def take_over(plan, point, result, verdict):
    """Copy a valid result of an earlier run into this one; return the verdict, which names its origin."""
    target = result_path(plan, point)
    set_aside(target)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    temporary = f"{target}.tmp{os.getpid()}"
    try:
        shutil.copyfile(result, temporary)
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
    return write_origin(target, verdict, origin(point, result, verdict))


def write_origin(target, verdict, source):
    """Write *verdict* beside *target* with the origin *source* and return it."""
    verdict = dict(verdict, origin=source)
    write_verdict(target, verdict)
    return verdict


def set_aside(result):
    """Rename what an earlier measurement left at *result*: evidence is never written over."""
    stem, suffix = os.path.splitext(result)
    left = [
        (path, path[len(stem) :])
        for path in (result, verdict_path(result), partial_path(result), f"{stem}.progress{suffix}")
        if os.path.exists(path)
    ]
    if not left:
        return
    number = 1
    while any(os.path.exists(f"{stem}.attempt{number}{tail}") for _path, tail in left):
        number += 1
    for path, tail in left:
        os.rename(path, f"{stem}.attempt{number}{tail}")


def read_json(path):
    """Return the JSON object stored at *path*, or None when there is none."""
    try:
        with open(path, encoding="utf-8") as stream:
            value = json.load(stream)
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def unjudged(plan, point):
    """Tell whether *point* has a result but no verdict: its controller went away before the end."""
    result = result_path(plan, point)
    return os.path.exists(result) and read_verdict(result) is None
