# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that are there and may be of no use: held ones whose submitter died, and those that are ending."""

from __future__ import annotations

import re
import time

from ..failures import Error
from ..holder import slurm_calls
from ..holder.job_ends import TAKEN_AWAY
from ..slurm import commands, script
from . import detached, finding, job_end, ownership, submission
from .call import Call

# States and reasons of a job that waits until somebody releases it.
HELD = re.compile("JobHeld|REQUEUE_HOLD|SPECIAL_EXIT|RESV_DEL_HOLD|requeued (?:in )?held")
AT_WORK_S = 3.0  # how long a submitter may need to release its job, if it lives
UNFINISHED_S = 10.0  # how long the submitter of a held job may need to release it
ENDING_S = 180.0  # how long a job that is ending may need to leave the queue


def held(job: dict) -> str:
    """Return what to do about a job (its queue entry) that waits until somebody releases it, "" if it does not."""
    text = f"{job['state']} {job['reason']}"
    return f"It is held; release it with scontrol release {job['id']}" if HELD.search(text) else ""


def is_unfinished(call: Call, job: dict) -> bool:
    """Return whether *job* is one of ours that is held because its submitter has not released it, or died before.

    Otherwise somebody holds it: it was released before, or has even begun, as one that was requeued.
    """
    if not commands.held_by_user(job) or not finding.is_ours(call, job):
        return False
    folder = call.run_dir(job)
    # Nothing is written of this submission yet; or the job was requeued, and counts as submitted anew.
    unknown = ownership.record(folder).get(ownership.SUBMITTED) != job["submitted_at"]
    if unknown and commands.show_job(job["id"]).get("Restarts", "0") != "0":
        return False
    about = ownership.record(folder)  # read again: its submitter may be at work
    return about.get(ownership.SUBMITTED) != job["submitted_at"] or not about.get(ownership.RELEASED)


def release_unfinished(call: Call, job: dict) -> dict | None:
    """Release a job whose submitter died before it did so; return its queue entry, None if it is gone.

    A submitter that is at work releases it itself, or withdraws it.
    """
    until = time.monotonic() + AT_WORK_S
    while is_unfinished(call, job):
        if time.monotonic() >= until:
            submission.release(call, job)
            break
        time.sleep(min(0.2, AT_WORK_S))
        job = _present(job)
        if not job:
            return None
    return job


def usable(call: Call, job: dict) -> dict | None:
    """Return *job*; None if it is ending, or if its submitter died and it cannot be released as what we want.

    The latter is withdrawn. One without a playbook never gets one, and one with a playbook needs the file that only its
    submitter writes.
    """
    until = time.monotonic() + UNFINISHED_S
    while not finding.has_wanted_play(call, job) and is_unfinished(call, job):
        if script.has_play(job) and detached.is_frozen(job, call.run_dir(job)):
            return job
        if call.job_id:
            raise Error(
                f"Job {job['id']} is held: its submission was not finished. End it: ansible-playbook "
                f"playbooks/stop.yml -e job_id={job['id']}, and leave job_id out for a new one."
            )
        if call.ctx.check_mode:
            return None
        if time.monotonic() >= until:
            end = submission.withdraw(call, job["id"])
            call.notes.append(f"The submission of job {job['id']} was not finished. {end}")
            return None
        time.sleep(min(1.0, UNFINISHED_S))  # its submitter may be at work
        job = _present(job)
        if not job:
            return None
    return _unless_ending(call, job)


def _unless_ending(call, job):
    """Return *job*; None once it is gone, if its holder was ending it already.

    Nothing begins in such a job any more: its lease ran out, or the controller that ended it went away meanwhile.
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
        found = _present(job)
        if not found:
            call.notes.append(f"Job {job['id']} was ending: {end['reason']}.")
            return None
        job = found
    return job


def _present(job):
    """Return the queue entry of *job* as it is now, None if it is over."""
    found = commands.jobs(job_id=job["id"])
    return found[0] if found and slurm_calls.live(found[0]["state"]) else None
