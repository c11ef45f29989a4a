# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The end of an allocation: its steps in tiers by the holder, then the job, then what it left behind."""

from __future__ import annotations

import getpass
import os
import socket
import time

from ..failures import Error, SlurmError
from ..holder import FOLDER, slurm_calls
from ..secrets.references import forget
from ..slurm import commands, script
from . import adopted, detached, driver, ownership, requeue

ABSENT_S = 180.0
GONE_S = 60.0  # how long a job may need beyond that to leave the queue
RESUMED_S = 10.0  # how long Slurm may take to let a job go on that it agreed to resume


class Ending:
    """The part of the work on one allocation that ends it; see job.py for the rest and for the attributes."""

    def _requeue(self, job):
        """Let the job that we run in begin again, if it may."""
        if self.ctx.check_mode or not job:
            return
        folder, left_out = script.run_dir(self.output_dir, job["id"]), (self.allocation or {}).get("exclude") or ()
        self.actions += ["requeued"] if requeue.requeue(job, folder, left_out) else []

    def _leave_alone(self, job):
        """Take the run of the directory as ended: the job with its id is another one."""
        folder = script.run_dir(self.output_dir, job["id"])
        self.notes.append(f"{ownership.why_not(job)}, and the run of {folder} is over.")
        self.ctx.progress(self.notes[-1])
        if not self.ctx.check_mode and not ownership.elsewhere(folder):
            forget(folder)

    def _end(self, job):
        """Ask the holder to end all steps in tiers, then see that the job is gone; cancel it if it does not go."""
        if not job:
            return self._clear_up()
        job_id = job["id"]
        folder = script.run_dir(self.output_dir, job_id)
        if detached.inside(job_id):  # the holder ends the job after the playbook that asks for it here
            return self._end_steps(job, folder)
        guest = self.ctx.check_mode or os.path.exists(os.path.join(folder, FOLDER))
        if guest and not job["comment"].startswith(script.TAG):
            if os.path.isdir(folder) and not ownership.is_of(folder, job):
                return self._leave_alone(job)
            return self._give_up(job, folder)
        if not self._is_ours(job):
            raise Error(
                f"Job {job_id} ({job['name']}) is not one that this collection submitted for this request. "
                "It is left alone."
            )
        self.actions.append("ended" if job["state"] in ("RUNNING", *slurm_calls.STANDS_STILL) else "cancelled")
        if self.ctx.check_mode:
            return None
        job, began = self._awake(job), time.monotonic()
        asked = job["state"] == "RUNNING" and self._ask_to_end(job)
        if not asked:
            self._cancel(job_id)
        return self._see_gone(job, folder, began, asked)

    def _see_gone(self, job, folder, began, asked=False):
        """Wait until the job has left the queue, then remove its secrets.

        :param asked: its holder was asked to end it: it is cancelled if that takes too long.
        """
        job_id, state, pause = job["id"], job["state"], 0.05
        while time.monotonic() < began + ABSENT_S + GONE_S:
            try:
                found = commands.jobs(job_id=job_id)
                if not found:
                    return forget(folder)
                state = found[0]["state"]
                if job["state"] in slurm_calls.LEAVING and slurm_calls.live(state):  # it goes back into the queue
                    return self._end(found[0])
                if asked and time.monotonic() > began + ABSENT_S:
                    commands.cancel(job_id)
                    asked = False
            except SlurmError as error:  # slurmctld may come back
                state = error.msg
            self.ctx.progress(f"job {job_id} is ending ({state})")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)
        remedy = "Look at its nodes." if state in slurm_calls.LEAVING else f"Cancel it: scancel {job_id}"
        raise SlurmError(f"Job {job_id} did not leave the queue ({state}). {remedy}")

    def _awake(self, job):
        """Return *job*, going on if it was suspended: what is stopped can neither end in tiers nor clean up."""
        if job["state"] not in slurm_calls.STANDS_STILL or self.ctx.check_mode:
            return job
        resume = commands.resume if job["state"] == "SUSPENDED" else commands.go_on
        why, until = resume(job["id"]), time.monotonic() + RESUMED_S
        while not why:
            found = commands.jobs(job_id=job["id"])
            job = found[0] if found else dict(job, state="COMPLETED")
            if job["state"] not in slurm_calls.STANDS_STILL:
                return job
            if time.monotonic() > until:
                why = f"it is still {job['state'].lower()} after {RESUMED_S:g} s"
            time.sleep(0.1)
        was = job["state"].lower()
        self.notes.append(f"Job {job['id']} is {was} and could not be resumed for an orderly end: {why}")
        self.ctx.progress(self.notes[-1])
        return job

    def _cancel(self, job_id):
        try:
            commands.cancel(job_id)
        except SlurmError as error:
            raise SlurmError(
                f"Job {job_id} could not be cancelled and may stay in the queue: {error.msg} When Slurm answers again, "
                f"run scancel {job_id}."
            ) from None

    def _clear_up(self):
        """Remove the secrets of jobs that ended without us, as one that was cancelled while it waited."""
        job_id = self.params.get("job_id")
        if self.ctx.check_mode or job_id and detached.inside(job_id):
            return
        folder = script.run_dir(self.output_dir, job_id) if job_id else ""
        there = ownership.elsewhere(folder) if os.path.isdir(folder) else None
        if there:
            self.notes.append(f"Job {job_id} was submitted to the cluster {there}. Ask there: nothing was ended.")
            self.ctx.progress(self.notes[-1])
        else:
            for job in self._completing(folder):
                self._see_gone(job, ownership.place(job) or folder, time.monotonic())
            if os.path.isdir(folder) and not commands.jobs(job_id=job_id):
                forget(folder)
        ownership.forget_dead(self.output_dir)

    def _completing(self, folder):
        """Return what Slurm still ends of the jobs that were to be ended, as after an scancel by hand."""
        found = [j for j in commands.jobs(job_id=self.params.get("job_id")) if j["state"] in slurm_calls.LEAVING]
        return [j for j in found if (ownership.is_of(folder, j) if folder else self._is_ours(j))]

    def _end_steps(self, job, folder):
        """End all steps of the job that we run in ourselves."""
        self.actions.append("ended")
        if not self.ctx.check_mode:
            node = commands.hostnames(job["nodelist"])[0]
            driver.connect(job["id"], folder, node).request("stop")

    def _give_up(self, job, folder):
        """End the service in an allocation of somebody else, who keeps it."""
        job = self._awake(job)
        if self.ctx.check_mode:
            ended = job["state"] == "RUNNING" and (adopted.answers(job, folder) or bool(adopted.orphans(job, folder)))
        elif job["state"] in slurm_calls.STANDS_STILL:
            remedy = "scontrol resume" if job["state"] == "SUSPENDED" else "scancel --signal=CONT"
            raise Error(
                f"Nothing in job {job['id']} can be ended in order while it is {job['state'].lower()}. Let it go on "
                f"({remedy} {job['id']}) and run again, or end the allocation (scancel {job['id']})."
            )
        else:
            ended = job["state"] == "RUNNING" and (
                adopted.stop_holder(job, folder, self.ctx, self._reason())
                or adopted.stop_orphans(job, folder, self.ctx, self._reason())
            )
            forget(folder)
        if ended:
            self.actions.append("ended")
        self.notes.append(f"Job {job['id']} was not submitted by srt.slurm and is left running.")

    def _reason(self):
        """Return in one line why the job ends and who wants it, for those who look at the run later."""
        words = " ".join((self.params.get("reason") or "").split()) or "its end was asked for"
        return f"{words} ({getpass.getuser()}@{socket.gethostname()})"

    def _ask_to_end(self, job):
        folder, nodes = script.run_dir(self.output_dir, job["id"]), commands.hostnames(job["nodelist"])
        try:
            driver.connect(job["id"], folder, nodes[0], patience_s=3.0).request("end", reason=self._reason())
        except Error:  # no holder (any more): Slurm ends what there is
            return False
        return True
