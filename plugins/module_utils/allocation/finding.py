# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job of a call: found by its id, or by user, name and digest of the allocation request. Jobs are queue entries."""

from __future__ import annotations

import os
import shlex

from ..failures import Error, SlurmError
from ..holder import slurm_calls
from ..holder.secret_values import forget
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import adopted, ownership
from .call import QUERIED, Call


def find(call: Call) -> QueueEntry | None:
    """Return the job, None if there is none; Error if the given job_id does not exist, or if several jobs match."""
    check_mode, job_id = call.ctx.check_mode, call.job_id
    timeout_s, patience_s = (5.0, 0.0) if check_mode else (None, None)
    try:
        if not job_id:
            return only(call, matches(call, timeout_s, patience_s))
        found = [
            job
            for job in ownership.jobs(call.output_dir, job_id=job_id, timeout_s=timeout_s, patience_s=patience_s)
            if slurm_calls.live(job["state"])
        ]
        if not found and call.state in ("present", "running") and not check_mode:
            raise Error(
                f"Job {job_id} does not exist: {commands.job_end(job_id)}. Leave job_id out for a new one. If you did "
                "not set it, it comes from the variable SLURM_JOB_ID of this shell: unset it."
            )
        return found[0] if found else None
    except SlurmError:
        if check_mode:  # a dry run works on a machine without Slurm
            return None
        raise


def matches(call: Call, timeout_s: float | None = None, patience_s: float | None = None) -> list[QueueEntry]:
    """Return the jobs that wait or run and are ours; see commands.jobs for the limits."""
    return [
        job
        for job in ownership.jobs(call.output_dir, timeout_s=timeout_s, patience_s=patience_s)
        if slurm_calls.live(job["state"]) and is_ours(call, job)
    ]


def is_ours(call: Call, job: QueueEntry) -> bool:
    """Return whether this collection submitted *job*, and, if the call has a request, for that request."""
    if not call.allocation:
        return job["comment"].startswith(script.TAG)
    return script.asks_for(job, call.allocation)


def has_wanted_play(call: Call, job: QueueEntry) -> bool:
    """Return whether a job runs a playbook exactly if we would submit one that does."""
    return script.has_play(job) == bool(call.playbook)


def only(call: Call, found: list[QueueEntry]) -> QueueEntry | None:
    """Return the one job; of several, the oldest if the others are about to withdraw."""
    found = sorted(found, key=lambda job: int(job["id"]))
    if [job for job in found[1:] if not commands.held_by_user(job)]:
        ids = [job["id"] for job in found]
        raise Error(
            f"Jobs {', '.join(ids)} have the same name and request ({call.allocation['name']}). "
            "Select one with job_id, or end the others with scancel.",
            job_ids=ids,
        )
    return found[0] if found else None


def with_its_directory(call: Call, job: QueueEntry) -> QueueEntry | None:
    """Return *job*, and make the call use its output directory; None if it is a foreign job with the same id.

    Error if that would mix two output directories: secrets, digests and earlier points belong to one, so a service is
    not used from another one.
    """
    recorded, here = ownership.recorded_run_dir(job), call.run_dir(job)
    if call.state == QUERIED:
        adopted.check_run_dir(job, here)
    if not recorded or ownership.same(recorded, here) or ownership.is_of(here, job):
        return job
    if call.state == "absent":
        if call.job_id and os.path.isdir(here):
            leave_alone(call, job)
            return None
        return _use_its_directory(call, job, recorded)
    if call.state in ("running", QUERIED) or commands.held_by_user(job):
        raise Error(
            f"Job {job['id']} ({job['name']}) already exists and works in {job['work_dir']}, not in "
            f"{call.output_dir}. Continue it with -e output_dir={shlex.quote(job['work_dir'])}, or end it: "
            f"ansible-playbook playbooks/stop.yml -e run_dir={shlex.quote(recorded)}",
            run_dir=recorded,
        )
    return _use_its_directory(call, job, recorded)


def _use_its_directory(call: Call, job: QueueEntry, run_dir: str) -> QueueEntry:
    call.output_dir = job["work_dir"]
    call.notes.append(f"Job {job['id']} works in {run_dir}.")
    return job


def leave_alone(call: Call, job: QueueEntry) -> None:
    """Treat the run of the directory as ended: the job with its id is a foreign job."""
    folder = call.run_dir(job)
    call.note(f"{ownership.why_foreign(job)}, and the run of {folder} is over.")
    if not call.ctx.check_mode and not ownership.elsewhere(folder):
        forget(folder)
