# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which job a run directory belongs to.

Its name is a job id, and ids repeat: on a second cluster with the same disk, or after a new setup of Slurm. So the
name is not enough to act on a job: the job must have this run directory.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from typing import Any

from ..failures import SlurmError
from ..files import read_object, write_text_atomic
from ..holder import journal, slurm_calls
from ..holder.job_ends import BY_SLURM, CANCELLED, TIME_LIMIT
from ..holder.secret_values import FOLDER, forget
from ..holder.utc import utc_now
from ..json_types import Json, JsonObject
from ..slurm import commands, script
from ..slurm.commands import QueueEntry

# In ID.json of the run directory. The last two are of a job that this collection has submitted.
CLUSTER, SUBMITTED, RELEASED, NAME, COMMENT = (
    "slurm_cluster", "submitted_at", "released_at", "slurm_job_name", "slurm_comment",
)  # fmt: skip


# After these ends a job may return to the queue.
RETURNING = frozenset(BY_SLURM) - {CANCELLED, TIME_LIMIT}


def record(run_dir: str) -> JsonObject:
    """Return the record in ID.json of a run directory from the submission or adoption of its job, or {}."""
    return read_object(os.path.join(run_dir, f"{job_id_of(run_dir)}.json")) or {}


def job_id_of(run_dir: str) -> str:
    """Return ``7`` for the run directories ``7`` and ``7.earlier1``."""
    return os.path.basename(run_dir.rstrip("/")).partition(".")[0]


def identity(job: QueueEntry) -> dict[str, str | None]:
    """Return the record for ID.json that distinguishes this job from others with its id."""
    return {SUBMITTED: job.get("submitted_at") or None, CLUSTER: commands.cluster()}


def jobs(output_dir: str | None, **wanted: Any) -> list[QueueEntry]:
    """Return the jobs that commands.jobs finds, each of ours as it was submitted: see :func:`as_submitted`."""
    return [as_submitted(job, output_dir) for job in commands.jobs(**wanted)]


def as_submitted(job: QueueEntry, output_dir: str | None) -> QueueEntry:
    """Return *job*, with the name and the comment of its submission if a run directory is certainly its own.

    Everybody who may change the job can change them with scontrol update, and the job stays ours.

    :param output_dir: where its run directory may be, beside its working directory.
    """
    for parent in filter(None, dict.fromkeys([output_dir, job.get("work_dir")])):
        folder = script.run_dir(parent, job["id"])
        about = record(folder)
        if about.get(COMMENT):
            known = {"name": str(about.get(NAME)), "comment": str(about[COMMENT])}
            if all(job[key] == value for key, value in known.items()):
                return job
            if _was_submitted(job, folder, about):
                return dict(job, **known, work_dir=parent)
    return job


def _was_submitted(job: QueueEntry, folder: str, about: Mapping[str, Json]) -> bool:
    """Return whether the record *about* in *folder* is of *job* and not of an earlier one with its id.

    A requeued job counts as submitted anew. Then nobody but Slurm may have ended its run.
    """
    recorded, now = about.get(SUBMITTED), job["submitted_at"]
    if not recorded or recorded == now:
        return bool(recorded)
    events = journal.holder_events(folder)
    codes = [str(event.get("code")) for event in events if event.get("phase") == journal.ENDING]
    requeued = any(event.get("phase") == journal.REQUEUE for event in events)
    if recorded > now or not requeued and not RETURNING.issuperset(codes):
        return False
    return str(commands.show_job(job["id"]).get("Restarts", "0")) != "0"


def note_release(run_dir: str) -> None:
    """Record in ID.json that the job was released: if it is held later, a user has held it."""
    path = os.path.join(run_dir, f"{job_id_of(run_dir)}.json")
    with contextlib.suppress(OSError):  # the job does not depend on it
        write_text_atomic(path, json.dumps(dict(record(run_dir), **{RELEASED: utc_now()}), indent=2) + "\n")


def recorded_run_dir(job: QueueEntry) -> str | None:
    """Return the run directory of our job according to Slurm; None for a job submitted by other means."""
    ours = job["comment"].startswith(script.TAG) and job["work_dir"]
    return script.run_dir(job["work_dir"], job["id"]) if ours else None


def same(path: str, other: str) -> bool:
    """Return whether two paths are the same directory, also through links and mounts."""
    if os.path.realpath(path) == os.path.realpath(other):
        return True
    try:
        return os.path.samefile(path, other)
    except OSError:
        return False


def is_of(run_dir: str, job: QueueEntry) -> bool:
    """Return whether *run_dir* is the run directory of *job* (its queue entry)."""
    recorded = recorded_run_dir(job)
    if recorded and (same(recorded, run_dir) or os.path.exists(recorded)):
        return same(recorded, run_dir)
    # An adopted job may work anywhere, and another machine may mount the disk elsewhere.
    return bool(job["submitted_at"]) and record(run_dir).get(SUBMITTED) == job["submitted_at"]


def why_foreign(job: QueueEntry) -> str:
    """Return why the Slurm job with the id of a run directory is not the job of that run."""
    recorded = recorded_run_dir(job)
    where = (
        f"works in {recorded}"
        if recorded
        else f"({job['name']}) was submitted at {job['submitted_at'] or 'another time'}"
    )
    return f"The present job {job['id']} is a foreign job: it {where}. It was left alone"


def elsewhere(run_dir: str) -> str | None:
    """Return the name of the cluster that the job of *run_dir* was submitted to if it is not this one, else None."""
    there = record(run_dir).get(CLUSTER)
    if not there:
        return None
    here = commands.cluster()
    return there if here and here != there else None


def forget_dead(output_dir: str) -> list[str]:
    """Remove the secrets that cancelled or killed jobs left in their run directories; return these directories.

    Only if the job is certainly over: a job of this user, of this cluster, that Slurm does not list.
    """
    left = [path for path in _with_secrets(output_dir) if record(path).get(CLUSTER)]
    if not left:
        return []
    try:
        listed, here = {job["id"]: job for job in jobs(output_dir)}, commands.cluster()
        dead = [path for path in left if record(path)[CLUSTER] == here and _is_dead(path, listed)]
    except SlurmError:
        return []  # the next run retries
    for path in dead:
        forget(path)
    return dead


def _with_secrets(output_dir: str) -> list[str]:
    found = []
    try:
        with os.scandir(output_dir) as entries:
            for entry in entries:
                secrets = os.path.join(entry.path, FOLDER)
                if entry.name[:1].isdigit() and not entry.is_symlink() and os.path.isdir(secrets):
                    found += [entry.path] if os.stat(secrets).st_uid == os.getuid() else []
    except OSError:
        pass
    return found


def _is_dead(run_dir: str, listed: Mapping[str, QueueEntry]) -> bool:
    job_id = job_id_of(run_dir)
    if job_id in listed:
        recorded = recorded_run_dir(listed[job_id])  # not visible here: it may be this directory
        return not is_of(run_dir, listed[job_id]) and (not recorded or os.path.exists(recorded))
    return commands.show_job(job_id).get("JobState", "") in ("", *slurm_calls.FINAL)
