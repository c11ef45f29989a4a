# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Submission: a job is submitted held and released after its run directory is written, so it never lacks its files."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping

from ..failures import Error, SlurmError
from ..files import make_own_folder, write_text_atomic
from ..holder import FOLDER
from ..holder.places import PROGRAMS
from ..holder.secret_values import forget
from ..holder.utc import utc_now
from ..secrets.references import store
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import detached, driver, finding, job_end, ownership, site_check
from .call import Call
from .run_directory import check_writable, make_room, point_latest, writing

LOOKS_S = (0.0, 1.0, 2.0, 4.0)  # pauses before each lookup of the job of an sbatch without an answer


def submit(call: Call) -> QueueEntry:
    """Return the queue entry of the job; that of a concurrent controller if it was submitted first."""
    if call.playbook:
        detached.check(call.playbook)
    check_writable(call.output_dir)
    site_check.check(call)
    job = _sbatch(call)
    job_id = job["id"]
    if not commands.held_by_user(job):  # another controller has already released it
        return job
    try:
        found = finding.matches(call)
        oldest = min(found, key=lambda one: int(one["id"]), default=job)
        if int(oldest["id"]) < int(job_id):
            end = withdraw(call, job_id, f"job {job_id} was withdrawn.")
            call.notes.append(f"Job {oldest['id']} was submitted at the same time: {end}")
            return oldest
        release(call, next((one for one in found if one["id"] == job_id), job))
    except OSError as error:
        text = f"The run directory of job {job_id} cannot be written: {error}. {withdraw(call, job_id)}"
        raise Error(text) from None
    except Error as error:
        text = f"Job {job_id} was not started: {error.msg} {withdraw(call, job_id)}"
        raise Error(text, **error.evidence) from None
    except BaseException:
        call.ctx.show(withdraw(call, job_id))
        raise
    call.actions[-1:] = ["submitted"]
    ownership.forget_dead(call.output_dir)
    found = ownership.jobs(call.output_dir, job_id=job_id)
    if not found:
        job_end.raise_over(job_id, call.run_dir(job))
    return found[0]


def _sbatch(call: Call) -> QueueEntry:
    """Submit the job held; return the known facts. An sbatch without an answer may have submitted it."""
    left = 2
    while True:
        left -= 1
        try:
            return {"id": commands.submit_held(call.script), "reason": commands.HELD_BY_USER}
        except commands.NoAnswer as error:
            call.ctx.progress(f"{error.msg} Looking for its job before submitting again.")
            for pause in LOOKS_S:
                time.sleep(pause)
                found = [job for job in finding.matches(call) if finding.has_wanted_play(call, job)]
                job = finding.only(call, found)
                if job:
                    call.notes.append(f"sbatch did not answer, but Slurm has its job {job['id']}.")
                    return job
            if not left:
                text = f"{error.msg} Slurm does not have the job so far. Run again: a job that appears later is found."
                raise SlurmError(text) from None
        except SlurmError as error:
            raise site_check.refusal(call, error) from None


def withdraw(call: Call, job_id: str, done: str = "The job was cancelled before its start.") -> str:
    """Cancel a job that has not started; return a sentence with the outcome."""
    try:
        commands.cancel(job_id)
    except SlurmError as error:
        return f"It could not be cancelled either ({error.msg}) and may stay in the queue: run scancel {job_id}."
    folder = script.run_dir(call.output_dir, job_id)
    with contextlib.suppress(SlurmError):  # if Slurm does not answer, the next run removes the secrets
        if not ownership.elsewhere(folder):
            forget(folder)
    return done


def release(call: Call, job: QueueEntry) -> None:
    """Write the run directory of a held job, then release the job."""
    folder = call.run_dir(job)
    call.notes += make_room(folder, job)
    about = {ownership.NAME: call.allocation["name"].strip()}
    about[ownership.COMMENT] = script.comment(call.allocation, bool(call.playbook))
    write_run_dir(call, job, {"sbatch_script.sh": call.script}, about)
    if call.playbook:
        detached.freeze(folder, job["id"], call.playbook)
    commands.release(job["id"])
    if call.state == "running":
        call.ctx.holds(job["id"], folder)  # at once: an interrupt before the wait would leave it without a word
    ownership.note_release(folder)
    call.actions.append("released")


def write_run_dir(
    call: Call, job: QueueEntry, more: Mapping[str, str], submitted_as: Mapping[str, str] | None = None
) -> None:
    """Write the files of the run directory, *more* (``{path: text}``) included.

    :param submitted_as: how we have submitted the job, for its record; None for an adopted one.
    """
    job_id, folder = job["id"], call.run_dir(job)
    name = job.get("name") or call.allocation["name"]
    about = dict(call.metadata, job_id=job_id, job_name=name, generated_at=utc_now(), **ownership.identity(job))
    about.update(submitted_as or {})
    files = dict(driver.holder_files(), **more, **{f"{job_id}.json": json.dumps(about, indent=2) + "\n"})
    if call.config_text is not None:
        files["config.yaml"] = call.config_text
    with writing(folder, job_id):
        for below in ("", PROGRAMS, FOLDER, "logs", "results"):
            make_own_folder(os.path.join(folder, below).rstrip("/"))
        for path, text in files.items():
            write_text_atomic(os.path.join(folder, path), text)
        store(folder, call.secrets or {})
        point_latest(call.output_dir, job_id)
