# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the jobs of a run are: what Slurm says, what they said themselves, and the ends of their outputs."""

from __future__ import annotations

import contextlib
import os
import re

from ..failures import Error, SlurmError
from ..files import read_object
from ..holder.slurm_calls import FINAL
from ..holder.tails import tail_lines
from ..json_types import JsonObject
from ..slurm import commands
from .explain import explain
from .launch import CONFIG
from .settings import SIDES, TRAINING
from .side.coord import COMPLETE, COMPLETED, JOBS, READY, URL

DIRECTORY = re.compile(r"\d{8}_\d{6}_\w+")
PROGRESS = re.compile(r"(?:epoch|step|iteration)\W{0,3}\d+|\d+\s*/\s*\d+", re.I)
MOST_LISTED = 20
UNKNOWN = "unknown"  # Slurm does not answer
LINES = 200  # at the end of an output, in which an explanation is looked for


def is_run(folder: str) -> bool:
    """Return whether *folder* is a coordination directory of ours."""
    return os.path.isfile(os.path.join(folder, CONFIG))


def recent(base: str) -> list[str]:
    """Return the coordination directories below *base*, newest first: a pair that goes on is newer than its name."""
    made = {}
    with contextlib.suppress(OSError):
        for name in os.listdir(base):
            if DIRECTORY.fullmatch(name):
                with contextlib.suppress(OSError):  # no directory of ours
                    made[os.path.join(base, name)] = os.stat(os.path.join(base, name, CONFIG)).st_mtime
    return sorted(made, key=lambda folder: (made[folder], folder), reverse=True)[:MOST_LISTED]


def chosen(base: str, name: str, folder: str) -> str:
    """Return the coordination directory *folder*, or the newest of the run *name*; Error if there is none."""
    if folder:
        path = os.path.abspath(os.path.expanduser(folder))
        if not is_run(path):
            raise Error(f"rl_dir: {path} is no coordination directory. rl_status.yml without a name lists them.")
        return path
    for path in recent(base):
        if name in ("", name_of(path)):
            return path
    what = f"of a run called {name} " if name else ""
    raise Error(f"There is no coordination directory {what}in {base}. Set rl_dir, or rl_skyrl_jobs_base.")


def name_of(folder: str) -> str:
    """Return the name of the run in a coordination directory."""
    return str((read_object(os.path.join(folder, CONFIG)) or {}).get("name", ""))


def outputs(folder: str, side: str, job_id: str) -> list[str]:
    """Return the files of a side's output that are there."""
    paths = [os.path.join(folder, f"{side}_{job_id}.{end}") for end in ("out", "err")]
    return [path for path in paths if os.path.isfile(path)]


def _slurm(job_id: str) -> tuple[str, str]:
    """Return (the state of a job, what else Slurm says): its reason, or its exit code."""
    try:
        fields = commands.show_job(job_id)
    except SlurmError as error:
        return UNKNOWN, error.msg
    state = fields.get("JobState", "")
    if not state:
        return "", "Slurm no longer knows the job"
    return state, fields.get("Reason", "") if is_active({"slurm": state}) else commands.exit_text(fields)


def is_active(job: JsonObject) -> bool:
    """Return whether a job has not ended, as far as Slurm says."""
    return bool(job["slurm"]) and job["slurm"] not in FINAL


def has_completed(job: JsonObject) -> bool:
    """Return whether a job that has ended did what it should; if Slurm has forgotten it, its own word counts."""
    return bool(job["slurm"] == "COMPLETED" or not job["slurm"] and job["state"] == COMPLETED)


def side_of(folder: str, side: str, job_id: str, lines: int) -> JsonObject:
    """Return how the job of a side is: job_id, slurm, detail, state, reason, logs, tail, remedies."""
    state, detail = _slurm(job_id)
    record = read_object(os.path.join(folder, f"{side}_state.json")) or {}
    logs = outputs(folder, side, job_id)
    ends = {path: tail_lines(path, LINES) for path in logs}
    failed = record.get("state") in ("failed", "timeout") or state in ("FAILED", "TIMEOUT", "OUT_OF_MEMORY")
    text = "\n".join([str(record.get("reason", "")), *(line for end in ends.values() for line in end)])
    return {
        "job_id": job_id,
        "slurm": state,
        "detail": detail,
        "state": record.get("state", ""),
        "reason": record.get("reason", ""),
        "logs": logs,
        "tail": {path: end[-lines:] if lines else [] for path, end in ends.items()},
        "remedies": explain(text) if failed else [],
    }


def look(folder: str, lines: int = 0) -> JsonObject:
    """Return how the run of a coordination directory is."""
    jobs = read_object(os.path.join(folder, JOBS)) or {}
    url = ""
    if os.path.isfile(os.path.join(folder, URL)):
        url = " ".join(tail_lines(os.path.join(folder, URL), 1))
    return {
        "dir": folder,
        "name": name_of(folder),
        "runtime_url": url,
        "ready": os.path.exists(os.path.join(folder, READY)),
        "training_complete": os.path.exists(os.path.join(folder, COMPLETE)),
        "next": str((read_object(os.path.join(folder, f"{TRAINING}_state.json")) or {}).get("next", "")),
        "jobs": {side: side_of(folder, side, str(jobs[side]), lines) for side in SIDES if jobs.get(side)},
    }


def progress(found: JsonObject) -> str:
    """Return the last line of training's output that looks like progress, "" if there is none."""
    tails = (found["jobs"].get(TRAINING) or {}).get("tail") or {}
    lines = [line for end in tails.values() for line in end if PROGRESS.search(line) and not line.startswith("[")]
    return lines[-1].strip() if lines else ""


def summary(found: JsonObject) -> list[str]:
    """Return the lines that a person is shown of a run."""
    lines = [f"{found['name']}: {found['dir']}"]
    for side, job in found["jobs"].items():
        said = f", {job['state']}" + (f" ({job['reason']})" if job["reason"] else "") if job["state"] else ""
        detail = f" ({job['detail']})" if job["detail"] not in ("", "None") else ""
        lines.append(f"{side}: job {job['job_id']} is {job['slurm'] or 'gone'}{detail}{said}")
        lines += [f"  remedy: {one}" for one in job["remedies"]]
    if found["runtime_url"]:
        lines.append(f"address: {found['runtime_url']}{'' if found['ready'] else ' (not ready)'}")
    if found["next"]:
        lines.append(f"next: training goes on in {found['next']}")
    return lines
