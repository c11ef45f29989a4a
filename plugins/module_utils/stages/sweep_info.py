# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module sweep_info: the state of a sweep, from the files of its folder and Slurm's queue."""

from __future__ import annotations

import glob
import os

from .. import sweep_folders
from ..allocation import ownership, runs
from ..entry import Context
from ..failures import SlurmError
from ..holder.slurm_calls import live
from ..json_types import JsonObject
from ..plain_text import cleaned, shown
from ..slurm.commands import QueueEntry
from ..sweeps import tables

ARGUMENT_SPEC = {**runs.ARGUMENT_SPEC, "name": {"type": "str"}}
NOTHING: JsonObject = {"changed": False, "folder": None, "state": None, "points": None, "jobs": [], "text": ""}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, folder, state, points, jobs, text}``; ``folder`` is None if no sweep is meant."""
    del ctx
    folder = folder_meant(params)
    record = sweep_folders.read_record(folder) if folder else None
    if not folder or not record:
        return NOTHING
    try:
        jobs = [{key: one[key] for key in ("id", "name", "state", "reason")} for one in _jobs(record)]
        silent = None
    except SlurmError as error:
        jobs, silent = [], error.msg
    stopped = os.path.exists(os.path.join(folder, sweep_folders.STOP))
    state = (
        "stopped"
        if stopped
        else "running"
        if jobs
        else record["state"]
        if record["state"] != "running"
        else "interrupted"
    )
    points, rows = record["points"], [row for job in record["jobs"] for row in job["rows"]]
    head = f"sweep {record['name']}: {state}, {points['valid']} of {points['total']} points valid"
    head += f", {points['passed']} passed" if points.get("passed") else ""
    head += f", {points['invalid']} NOT valid" if points["invalid"] else ""
    lines = [head + (f", {points['left']} left" if points["left"] else "")]
    lines += [f"Slurm: {silent}"] if silent else []
    for job in jobs:
        reason = f" ({job['reason']})" if job["reason"] not in ("", "None") else ""
        lines.append(f"  job {job['id']} {job['name']}: {job['state']}{reason}")
    for one in record["jobs"]:
        lines.append(f"  {tables.job_line(one)}")
    lines += [f"  best {tables.best_line(one)}" for one in record["best"][:3]] if rows else []
    lines.append(f"sweep directory: {folder}")
    about = {"folder": folder, "state": state, "points": points, "jobs": jobs, "text": "\n".join(lines)}
    return {"changed": False, **cleaned(about, shown)}


def folder_meant(params: JsonObject) -> str | None:
    """Return the folder of the sweep that is meant: by its directory or its jobs, or by the newest run."""
    output_dir = os.path.abspath(os.path.expanduser(params["output_dir"]))
    given = params.get("run_dir")
    if given:
        given = os.path.realpath(os.path.expanduser(given))
        return given if os.path.isfile(os.path.join(given, sweep_folders.RECORD)) else None
    if params.get("job_id"):
        return None
    if params.get("job_names"):
        folder = sweep_folders.folder_of(output_dir, params.get("name") or "")
        several = len(params["job_names"]) > 1
        return folder if several and os.path.isfile(os.path.join(folder, sweep_folders.RECORD)) else None
    return _of_newest_run(output_dir)


def _of_newest_run(output_dir: str) -> str | None:
    """Return the folder of the sweep that is going on and whose allocation is the newest run, or None."""
    newest = os.path.realpath(os.path.join(output_dir, "latest"))
    name = ownership.record(newest).get(ownership.NAME)
    for path in glob.glob(os.path.join(glob.escape(output_dir), sweep_folders.SWEEPS, "*", sweep_folders.RECORD)):
        record = sweep_folders.read_record(os.path.dirname(path))
        if name and record and record["left"] and name in record["allocation_names"]:
            return os.path.dirname(path)
    return None


def _jobs(record: JsonObject) -> list[QueueEntry]:
    """Return the jobs of the sweep that wait or run."""
    output_dir = record["output_dir"]
    found = ownership.jobs(output_dir, timeout_s=10.0, patience_s=0.0)
    return [
        job
        for job in found
        if live(job["state"])
        and job["name"] in record["allocation_names"]
        and ownership.same(ownership.recorded_run_dir(job) or "", os.path.join(output_dir, job["id"]))
    ]
