# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Valid results of earlier runs, which a run takes over instead of measuring again."""

from __future__ import annotations

import os

from .verdict import standing, verdict_path


def earlier_result(plan, point):
    """Return (result path, verdict) of a valid point with the same digest in a sibling run, newest first, or None."""
    output_dir, own = os.path.split(os.path.normpath(plan["run_dir"]))
    found = []
    try:
        entries = list(os.scandir(output_dir))
    except OSError:
        return None
    for entry in entries:
        if entry.name == own or entry.is_symlink() or not entry.is_dir():
            continue
        result = os.path.join(entry.path, point["result"])
        try:
            found.append((os.stat(verdict_path(result)).st_mtime, result))
        except OSError:
            continue
    for _mtime, result in sorted(found, reverse=True):
        verdict, reasons = standing(point, result)
        if not reasons and not verdict.get("losses"):
            return result, verdict
    return None


def origin(point, result, verdict):
    """Return ``{job_id, path}`` of the run that measured the point, also over several take-overs."""
    run_dir = result[: -len(point["result"])].rstrip(os.sep)
    return verdict.get("origin") or {"job_id": os.path.basename(run_dir), "path": result}
