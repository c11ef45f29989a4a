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
from . import adopted, ownership
from .call import QUERIED, Call


def find(call: Call) -> dict | None:
    """Return the job, None if there is none; Error if a job_id to be used is not there, or if several jobs fit."""
    check_mode, job_id = call.ctx.check_mode, call.job_id
    limits = {"timeout_s": 5.0, "patience_s": 0.0} if check_mode else {}
    try:
        if not job_id:
            return only(call, matches(call, **limits))
        found = [job for job in commands.jobs(job_id=job_id, **limits) if slurm_calls.live(job["state"])]
        if not found and call.state in ("present", "running") and not check_mode:
            raise Error(
                f"Job {job_id} is not there: {commands.job_end(job_id)}. Leave job_id out for a new one; if none was "
                "given, it is that of the variable SLURM_JOB_ID of this shell: unset it."
            )
        return found[0] if found else None
    except SlurmError:
        if check_mode:  # a dry run works on a machine that has no Slurm
            return None
        raise


def matches(call: Call, **limits) -> list:
    """Return the jobs that wait or run and are ours; *limits* are options of commands.jobs."""
    return [job for job in commands.jobs(**limits) if slurm_calls.live(job["state"]) and is_ours(call, job)]


def is_ours(call: Call, job: dict) -> bool:
    """Return whether this collection submitted *job*, and for the request of the call if it has one."""
    if not call.allocation:
        return job["comment"].startswith(script.TAG)
    return script.asks_for(job, call.allocation)


def has_wanted_play(call: Call, job: dict) -> bool:
    """Return whether a job runs a playbook itself if, and only if, that is what we would submit."""
    return script.has_play(job) == bool(call.playbook)


def only(call: Call, found: list) -> dict | None:
    """Return the one job; of several the oldest, if the others are submissions that are about to withdraw."""
    found = sorted(found, key=lambda job: int(job["id"]))
    if [job for job in found[1:] if not commands.held_by_user(job)]:
        ids = [job["id"] for job in found]
        raise Error(
            f"Jobs {', '.join(ids)} have the same name and request ({call.allocation['name']}). "
            "Choose one with job_id, or end the others with scancel.",
            job_ids=ids,
        )
    return found[0] if found else None


def at_home(call: Call, job: dict) -> dict | None:
    """Return *job*, and let the call use its output directory; None if it is a foreign job with our job's id.

    Error where that would mix two output directories: secrets, digests and earlier points belong to one, so a service
    is not used from another one.
    """
    recorded, here = ownership.recorded_run_dir(job), call.run_dir(job)
    if call.state == QUERIED:
        adopted.check_run_dir(job, here)
    if not recorded or ownership.same(recorded, here) or ownership.is_of(here, job):
        return job
    if call.state == "absent":
        if call.job_id and os.path.isdir(here):
            return leave_alone(call, job)
        return _follow(call, job, recorded)
    if call.state in ("running", QUERIED) or commands.held_by_user(job):
        raise Error(
            f"Job {job['id']} ({job['name']}) is there already and works in {job['work_dir']}, not in "
            f"{call.output_dir}. Go on with it with -e output_dir={shlex.quote(job['work_dir'])}, or end it: "
            f"ansible-playbook playbooks/stop.yml -e run_dir={shlex.quote(recorded)}",
            run_dir=recorded,
        )
    return _follow(call, job, recorded)


def _follow(call, job, run_dir):
    call.output_dir = job["work_dir"]
    call.notes.append(f"Job {job['id']} works in {run_dir}.")
    return job


def leave_alone(call: Call, job: dict) -> None:
    """Take the run of the directory as ended: the job with its id is a foreign one."""
    folder = call.run_dir(job)
    call.tell(f"{ownership.why_foreign(job)}, and the run of {folder} is over.")
    if not call.ctx.check_mode and not ownership.elsewhere(folder):
        forget(folder)
