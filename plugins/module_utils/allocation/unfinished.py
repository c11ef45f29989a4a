# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that may be unusable: held ones whose submitter was killed, and those that are ending."""

from __future__ import annotations

import os
import re
import time

from ..failures import Error
from ..holder import slurm_calls
from ..holder.job_ends import TAKEN_AWAY
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import detached, finding, job_end, ownership, submission
from .call import Call

# States and reasons of a held job.
HELD = re.compile("JobHeld|REQUEUE_HOLD|SPECIAL_EXIT|RESV_DEL_HOLD|requeued (?:in )?held")
AT_WORK_S = 3.0  # how long a live submitter may take to release its job
SEEN_S = 5.0  # how long a shared disk may take to show a directory that another machine has made
UNFINISHED_S = 10.0  # how long the submitter of a held job may take to release it
ENDING_S = 180.0  # how long an ending job may take to leave the queue


def held(job: QueueEntry) -> str:
    """Return the remedy for a held job (its queue entry), "" if it is not held."""
    text = f"{job['state']} {job['reason']}"
    return f"It is held; release it with scontrol release {job['id']}" if HELD.search(text) else ""


def is_unfinished(call: Call, job: QueueEntry) -> bool:
    """Return whether *job* is one of ours that its submitter has not released yet, or was killed before it could.

    Otherwise a user holds it: it was released before, or has even started, like a requeued job.
    """
    if not commands.held_by_user(job) or not finding.is_ours(call, job):
        return False
    folder = call.run_dir(job)
    # This submission has no record yet; or the job was requeued, and counts as a new submission.
    unknown = ownership.record(folder).get(ownership.SUBMITTED) != job["submitted_at"]
    if unknown and commands.show_job(job["id"]).get("Restarts", "0") != "0":
        return False
    about = ownership.record(folder)  # read again: its submitter may be at work
    return about.get(ownership.SUBMITTED) != job["submitted_at"] or not about.get(ownership.RELEASED)


def release_unfinished(call: Call, job: QueueEntry) -> QueueEntry | None:
    """Release a job whose submitter was killed before it could; return its queue entry, None if it is gone.

    A live submitter releases or withdraws it.
    """
    until = time.monotonic() + AT_WORK_S
    while is_unfinished(call, job):
        if time.monotonic() >= until:
            submission.release(call, job)
            break
        time.sleep(min(0.2, AT_WORK_S))
        found = _present(call, job)
        if not found:
            return None
        job = found
    return job


def with_files(call: Call, job: QueueEntry) -> QueueEntry:
    """Return *job*, one that is found; Error if it is one of ours that has been released, and its directory is gone."""
    folder, until = call.run_dir(job), time.monotonic() + SEEN_S
    ours = job["comment"].startswith(script.TAG) and not commands.held_by_user(job)
    while ours and not os.path.isdir(folder):
        if call.ctx.check_mode or time.monotonic() > until:
            raise Error(
                f"Job {job['id']} is {job['state']}, but its run directory {folder} does not exist: it was removed "
                f"or moved, and the job cannot work without it. Move it back, or end the job (scancel {job['id']}) and "
                "run again.",
                run_dir=folder,
            )
        time.sleep(0.5)
    return job


def usable(call: Call, job: QueueEntry) -> QueueEntry | None:
    """Return *job*; None if it is ending, or if its submitter was killed and it does not match the request.

    The latter is withdrawn. A job without a playbook never gets one, and one with a playbook needs the file that only
    its submitter writes.
    """
    until = time.monotonic() + UNFINISHED_S
    while not finding.has_wanted_play(call, job) and is_unfinished(call, job):
        if script.has_play(job) and detached.is_frozen(job, call.run_dir(job)):
            return job
        if call.job_id:
            raise Error(
                f"Job {job['id']} is held because its submission did not finish. End it: ansible-playbook "
                f"playbooks/stop.yml -e job_id={job['id']}, and leave job_id out for a new one."
            )
        if call.ctx.check_mode:
            return None
        if time.monotonic() >= until:
            end = submission.withdraw(call, job["id"])
            call.notes.append(f"The submission of job {job['id']} was not finished. {end}")
            return None
        time.sleep(min(1.0, UNFINISHED_S))  # its submitter may be at work
        found = _present(call, job)
        if not found:
            return None
        job = found
    return _unless_ending(call, job)


def _unless_ending(call: Call, job: QueueEntry) -> QueueEntry | None:
    """Return *job*; None once it is gone, if its holder was ending it already.

    Nothing new starts in such a job: its lease ended, or the controller that was ending it has gone.
    """
    until, pause, folder = time.monotonic() + ENDING_S, 0.1, call.run_dir(job)
    ours = job["comment"].startswith(script.TAG) and not call.job_id
    if not ours or call.ctx.check_mode or detached.inside(job["id"]):
        return job
    while job["state"] == "RUNNING" and time.monotonic() < until:
        end = job_end.written_end(folder)
        if not end or end["code"] in TAKEN_AWAY:  # Slurm may requeue it
            return job
        call.ctx.progress(f"job {job['id']} is ending ({end['reason']}); another one follows it")
        time.sleep(pause)
        pause = min(1.0, pause * 1.5)
        found = _present(call, job)
        if not found:
            call.notes.append(f"Job {job['id']} was ending: {end['reason']}.")
            return None
        job = found
    return job


def _present(call: Call, job: QueueEntry) -> QueueEntry | None:
    """Return the queue entry of *job* as it is now, None if it is over."""
    found = ownership.jobs(call.output_dir, job_id=job["id"])
    return found[0] if found and slurm_calls.live(found[0]["state"]) else None
