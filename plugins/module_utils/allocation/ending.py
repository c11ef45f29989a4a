# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of an allocation: its steps in tiers by the holder, then the job, then its leftovers."""

from __future__ import annotations

import os
import socket
import time

from ..failures import Error, SlurmError
from ..holder import FOLDER, slurm_calls
from ..holder.secret_values import forget
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import adopted, detached, driver, finding, ownership
from . import requeue as requeueing
from .call import Call

GONE_S = 60.0  # how long a cancelled job may take to leave the queue
RESUMED_S = 10.0  # how long Slurm may take to resume a job


def requeue(call: Call, job: QueueEntry | None) -> None:
    """Requeue the job that we run in once its playbook has ended, if it may be."""
    if job and not call.ctx.check_mode:
        exclude = (call.allocation or {}).get("exclude") or ()
        call.actions += ["requeued"] if requeueing.requeue(job, call.run_dir(job), exclude) else []


def end(call: Call, job: QueueEntry | None) -> None:
    """Request the end of all steps in tiers, then wait until the job is gone; cancel it if it stays.

    SlurmError if it is still there after ``end_timeout_s`` and GONE_S.
    """
    if not job:
        return _clear_up(call)
    folder, check_mode = call.run_dir(job), call.ctx.check_mode
    if detached.inside(job["id"]):  # the holder ends the job after this playbook
        return _end_steps(call, job)
    if not job["comment"].startswith(script.TAG) and (check_mode or os.path.exists(os.path.join(folder, FOLDER))):
        if os.path.isdir(folder) and not ownership.is_of(folder, job):
            return finding.leave_alone(call, job)
        return _end_adopted(call, job)
    if not finding.is_ours(call, job):
        raise Error(
            f"Job {job['id']} ({job['name']}) was not submitted by this collection for this request. It was left alone."
        )
    call.actions.append("ended" if job["state"] in ("RUNNING", *slurm_calls.SUSPENDED_STATES) else "cancelled")
    if check_mode:
        return None
    job, began = _resumed(call, job), time.monotonic()
    requested = job["state"] == "RUNNING" and _request_end(call, job)
    if not requested:
        _cancel(job["id"])
    return _see_gone(call, job, folder, began, requested)


def _see_gone(call: Call, job: QueueEntry, folder: str, began: float, requested: bool = False) -> None:
    """Wait until the job has left the queue, then remove its secrets.

    :param requested: its holder is ending it; it is cancelled if that takes too long.
    """
    job_id, state, asked = job["id"], job["state"], time.monotonic()
    late = began + call.end_timeout_s
    while time.monotonic() < late + GONE_S:
        try:
            found = ownership.jobs(call.output_dir, job_id=job_id)
            if not found:
                return forget(folder)
            state = found[0]["state"]
            if job["state"] in slurm_calls.LEAVING and slurm_calls.live(state):  # it returns to the queue
                return end(call, found[0])
            if requested and time.monotonic() > late:
                commands.cancel(job_id)
                requested = False
        except SlurmError as error:  # slurmctld may be back later
            state = error.msg
        call.ctx.progress(f"job {job_id} is ending ({state})")
        # The pauses grow with the time that has passed, so the end is noticed at most a tenth of that time too late.
        time.sleep(min(1.0, max(0.05, (time.monotonic() - asked) / 10)))
    remedy = "Check its nodes." if state in slurm_calls.LEAVING else f"Cancel it: scancel {job_id}"
    raise SlurmError(f"Job {job_id} did not leave the queue ({state}). {remedy}")


def _resumed(call: Call, job: QueueEntry) -> QueueEntry:
    """Return *job*, resumed if it was suspended: stopped steps can neither end in tiers nor clean up."""
    if job["state"] not in slurm_calls.SUSPENDED_STATES or call.ctx.check_mode:
        return job
    resume = commands.resume if job["state"] == "SUSPENDED" else commands.go_on
    why, until = resume(job["id"]), time.monotonic() + RESUMED_S
    while not why:
        found = ownership.jobs(call.output_dir, job_id=job["id"])
        job = found[0] if found else dict(job, state="COMPLETED")
        if job["state"] not in slurm_calls.SUSPENDED_STATES:
            return job
        if time.monotonic() > until:
            why = f"it is still {job['state'].lower()} after {RESUMED_S:g} s"
        time.sleep(0.1)
    was = job["state"].lower()
    call.note(f"Job {job['id']} is {was} and could not be resumed for an orderly end: {why}")
    return job


def _cancel(job_id: str) -> None:
    try:
        commands.cancel(job_id)
    except SlurmError as error:
        raise SlurmError(
            f"Job {job_id} could not be cancelled and may stay in the queue: {error.msg} When Slurm answers again, "
            f"run scancel {job_id}."
        ) from None


def _clear_up(call: Call) -> None:
    """Remove the secrets of jobs that ended without us, for example cancelled while pending."""
    job_id = call.job_id
    if call.ctx.check_mode or job_id and detached.inside(job_id):
        return
    folder = script.run_dir(call.output_dir, job_id) if job_id else ""
    there = ownership.elsewhere(folder) if os.path.isdir(folder) else None
    if there:
        call.note(f"Job {job_id} was submitted to the cluster {there}. Run there; nothing was ended.")
    else:
        for job in _completing(call, folder):
            _see_gone(call, job, ownership.recorded_run_dir(job) or folder, time.monotonic())
        if os.path.isdir(folder) and not commands.jobs(job_id=job_id):
            forget(folder)
    ownership.forget_dead(call.output_dir)


def _completing(call: Call, folder: str) -> list[QueueEntry]:
    """Return the jobs to be ended that Slurm is already ending, for example after a manual scancel."""
    found = [job for job in ownership.jobs(call.output_dir, job_id=call.job_id) if job["state"] in slurm_calls.LEAVING]
    return [job for job in found if (ownership.is_of(folder, job) if folder else finding.is_ours(call, job))]


def _end_steps(call: Call, job: QueueEntry) -> None:
    """End all steps of the job that we run in."""
    call.actions.append("ended")
    if not call.ctx.check_mode:
        driver.connect(job["id"], call.run_dir(job), commands.hostnames(job["nodelist"])[0]).request(
            "stop", timeout_s=call.end_timeout_s + driver.MARGIN_S
        )


def _end_adopted(call: Call, job: QueueEntry) -> None:
    """End the service in an adopted allocation, which stays with its owner."""
    job, folder = _resumed(call, job), call.run_dir(job)
    running = job["state"] == "RUNNING"
    if call.ctx.check_mode:
        ended = running and (adopted.answers(job, folder) or bool(adopted.orphans(job, folder)))
    elif job["state"] in slurm_calls.SUSPENDED_STATES:
        remedy = "scontrol resume" if job["state"] == "SUSPENDED" else "scancel --signal=CONT"
        raise Error(
            f"The steps of job {job['id']} cannot end in order while it is {job['state'].lower()}. Continue it "
            f"({remedy} {job['id']}) and run again, or end the allocation (scancel {job['id']})."
        )
    else:
        ended = running and (
            adopted.stop_holder(job, folder, call.ctx, _reason(call), call.end_timeout_s)
            or adopted.stop_orphans(job, folder, call.ctx, call.end_timeout_s)
        )
        forget(folder)
    if ended:
        call.actions.append("ended")
    call.notes.append(f"Job {job['id']} was not submitted by srt.slurm and keeps running.")


def _reason(call: Call) -> str:
    """Return in one line why the job ends and who requested it, for the record of the run."""
    reason = " ".join((call.reason or "").split()) or "its end was requested"
    return f"{reason} ({slurm_calls.account()}@{socket.gethostname()})"


def _request_end(call: Call, job: QueueEntry) -> bool:
    """Request the end of the job from its holder; False if there is no holder, and Slurm must end the job."""
    first = commands.hostnames(job["nodelist"])[0]
    try:
        driver.connect(job["id"], call.run_dir(job), first, patience_s=3.0).request("end", reason=_reason(call))
    except Error:
        return False
    return True
