# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wait until a job runs and its holder answers, and why that can be in vain."""

from __future__ import annotations

import time

from ..failures import Error, SlurmError
from ..holder import slurm_calls
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import adopted, description, handshake, job_end, ownership, submission
from .call import Call
from .run_directory import check_writable, make_room
from .unfinished import held

# Slurm's reasons of a pending job that will never start.
PERMANENT = {
    "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed",
}  # fmt: skip


def wait_until_running(call: Call, job_id: str) -> QueueEntry:
    """Return the queue entry of the job once it runs and its holder answers; Error if that takes too long."""
    pause, began = 0.05, time.monotonic()
    until = began + (call.wait_timeout_s or float("inf"))
    unknown = {"id": job_id, "state": "unknown", "reason": "Slurm did not answer"}
    job = dict(dict.fromkeys(commands.JOB_FIELDS, ""), **unknown)
    call.ctx.holds(job_id, call.run_dir(job))
    while True:
        job = _look(call, job)
        if job["state"] == "RUNNING":
            break
        if job["reason"] in PERMANENT:
            _give_up(call, job)
        if time.monotonic() > began + 2.0:
            call.ctx.progress(f"job {job_id} is {job['state']} ({job['reason']}){_hint(call, job)}")
        if time.monotonic() >= until:
            raise Error(
                f"Job {job_id} is still {job['state']} after {call.wait_timeout_s:g} s: {job['reason']}"
                f"{_hint(call, job)}. It stays in the queue; run again to go on waiting.",
                job=description.describe(call, job),
            )
        if not call.ctx.controller_alive():
            raise Error("The controller has ended.")
        time.sleep(min(pause, max(0.0, until - time.monotonic())))
        pause = min(2.0, pause * 1.5)
    _handshake(call, job, max(10.0, min(60.0, until - time.monotonic())))
    return job


def _look(call: Call, job: QueueEntry) -> QueueEntry:
    """Return the current queue entry of *job*, or *job* if Slurm does not answer; Error if it is over."""
    try:
        found = ownership.jobs(call.output_dir, job_id=job["id"])
        if not found or not slurm_calls.live(found[0]["state"]):
            job_end.raise_over(job["id"], call.run_dir(job))
        return found[0]
    except commands.Unlisted:
        raise
    except SlurmError as error:
        call.ctx.progress(str(error))
    return job


def _give_up(call: Call, job: QueueEntry) -> None:
    """Fail for a job that Slurm will never start as it was requested; cancel it if it was submitted just now."""
    stays = "It stays in the queue."
    if "submitted" in call.actions:
        stays = submission.withdraw(call, job["id"], "It was cancelled.")
    wanted = call.allocation or {}
    raise Error(
        f"Slurm will not start job {job['id']}: {job['reason']}. It requests {wanted.get('nodes')} nodes with "
        f"{wanted.get('gpus_per_node') or 'any'} GPUs for {wanted.get('time_limit')} in partition "
        f"{wanted.get('partition') or '(default)'}; compare with sinfo and scontrol show partition. {stays}"
    )


def _handshake(call: Call, job: QueueEntry, limit_s: float) -> None:
    """See that the holder answers, with the wanted lease; start one if it is an adopted allocation without any."""
    folder, client, ours = call.run_dir(job), None, job["comment"].startswith(script.TAG)
    if not ours and adopted.lacks_holder(job, folder, call.ctx):
        adopted.check(job, call.allocation, folder)
        check_writable(call.output_dir)
        call.notes += make_room(folder, job)
        submission.write_run_dir(call, job, {})
        client = adopted.start_holder(job, folder, call.lease_s)
        call.actions.append("adopted")
        call.notes.append(adopted.in_words(job))
    handshake.wait_for_holder(job, folder, call.lease_s, limit_s, ours, call.ctx, client)


def _hint(call: Call, job: QueueEntry) -> str:
    """Return what helps a job that waits: it is held, or a job of its name, kept perhaps, has the nodes."""
    if held(job):
        return f". {held(job)}"
    if job["reason"] not in ("Resources", "Priority"):
        return ""
    try:
        others = [
            j
            for j in ownership.jobs(call.output_dir)
            if j["name"] == job["name"] and j["comment"].startswith(script.TAG)
        ]
    except SlurmError:
        return ""
    up = [j["id"] for j in others if j["id"] != job["id"] and j["state"] == "RUNNING"]
    return f"; job {up[0]} of the same name is up: --tags teardown -e job_id={up[0]} ends it" if up else ""
