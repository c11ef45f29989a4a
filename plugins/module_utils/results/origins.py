# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a result that was taken over comes from: the job that measured it, when, and where its file is now.

Job ids repeat when Slurm is set up anew, and the directory of the earlier job is then set aside (``1.earlier1``). So a
path alone does not say which job it was: the hash of the result does.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator

from ..files import read_object
from ..plan_file import PLAN
from .attempts import attempt_path, numbers, unnumbered
from .verdict import Origin, Verdict, why_unsealed


def origin_of(verdict: Verdict, path: str, run_dir: str) -> Origin:
    """Return the origin of a result at *path* of the run in *run_dir*: that run, or the one it took the result from."""
    known = verdict.get("origin")
    if known:
        return {**known, "measured_at": known.get("measured_at") or verdict.get("ended_at")}
    job_id = os.path.basename(run_dir).partition(".")[0]
    if not job_id.isdigit():  # that of a sweep's job, which is called like the job
        job_id = str((read_object(os.path.join(run_dir, PLAN)) or {}).get("job_id") or job_id)
    return {"job_id": job_id, "path": path, "measured_at": verdict.get("ended_at")}


def present(verdict: Verdict) -> Origin | None:
    """Return the origin of *verdict* with the path that its result has now, None if it is nowhere any more."""
    origin = verdict.get("origin")
    if not origin:
        return None
    path = origin.get("path")
    found = (
        next((one for one in _places(path, origin["job_id"]) if not why_unsealed(verdict, one)), None) if path else None
    )
    return {**origin, "path": found, "measured_at": origin.get("measured_at") or verdict.get("ended_at")}


def _places(path: str, job_id: str) -> Iterator[str]:
    """Yield the paths that the result of a job may have now: at *path*, set aside, or in a directory set aside."""
    yield path
    run_dir = os.path.dirname(path)
    while os.path.basename(run_dir).partition(".")[0] != job_id:
        if run_dir in ("", os.path.dirname(run_dir)):
            return
        run_dir = os.path.dirname(run_dir)
    result = unnumbered(os.path.relpath(path, run_dir))
    first = os.path.join(os.path.dirname(run_dir), job_id)
    for folder in (run_dir, first, *sorted(glob.glob(f"{glob.escape(first)}.earlier*"))):
        one = os.path.join(folder, result)
        for number in numbers(one):
            yield attempt_path(one, number)


def in_words(origin: Origin) -> str:
    """Return an origin as text, such as ``job 1 in 1.earlier1, measured 2026-11-21``."""
    text, path, when = f"job {origin.get('job_id')}", origin.get("path"), origin.get("measured_at")
    folder = directory(origin)
    if not path:
        text += ", whose result is gone"
    elif folder != origin.get("job_id"):
        text += f" in {folder}"
    return f"{text}, measured {when[:10]}" if when else text


def directory(origin: Origin) -> str:
    """Return the name of the run directory that a result is from."""
    job_id = origin["job_id"]
    parts = (origin.get("path") or "").split(os.sep)
    return next((part for part in reversed(parts) if part.partition(".")[0] == job_id), job_id)
