# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Jobs that are there and may be of no use: held ones whose submitter died, and those that are ending."""

from __future__ import annotations

import re
import time

from ..failures import Error, SlurmError
from ..holder import job_watch, slurm_calls
from ..slurm import commands, script
from . import detached, job_end, ownership

# States and reasons of a job that waits until somebody lets it go.
HELD = re.compile("JobHeld|REQUEUE_HOLD|SPECIAL_EXIT|RESV_DEL_HOLD|requeued (?:in )?held")
AT_WORK_S = 3.0  # how long a submitter may need to let its job go, if it lives
UNFINISHED_S = 10.0  # how long the submitter of a held job may need to let it go
ENDING_S = 180.0  # how long a job that is ending may need to leave the queue


def held(job):
    """Return what to do about a job (squeue's record) that waits until somebody lets it go, "" if it does not."""
    text = f"{job['state']} {job['reason']}"
    return f"It is held: scontrol release {job['id']} lets it go on" if HELD.search(text) else ""


class Leftover:
    """The part of the work on one allocation that judges what was found; see job.py for the rest."""

    def _fits(self, job):
        """Tell whether a job runs a playbook itself if, and only if, that is what we would submit."""
        return script.has_play(job) == bool(self.params.get("playbook"))

    def _unfinished(self, job):
        """Tell whether *job* is one of ours that is held because its submitter has not let it go, or died before.

        Otherwise somebody holds it: it was let go before, or has even begun, as one that was requeued.
        """
        if not job["reason"].startswith("JobHeldUser") or not self._is_ours(job):
            return False
        folder = script.run_dir(self.output_dir, job["id"])
        # Nothing is written of this submission yet; or the job was requeued, and counts as submitted anew.
        unknown = ownership.record(folder).get(ownership.SUBMITTED) != job["submitted_at"]
        if unknown and commands.show_job(job["id"]).get("Restarts", "0") != "0":
            return False
        about = ownership.record(folder)  # again: its submitter may be at work
        return about.get(ownership.SUBMITTED) != job["submitted_at"] or not about.get(ownership.RELEASED)

    def _let_go(self, job):
        """Let a job go whose submitter died before it did so; return its record, None if it is gone.

        A submitter that is at work lets it go itself, or withdraws it.
        """
        until = time.monotonic() + AT_WORK_S
        while self._unfinished(job):
            if time.monotonic() >= until:
                self._release(job)
                break
            time.sleep(min(0.2, AT_WORK_S))
            found = commands.jobs(job_id=job["id"])
            if not found or not slurm_calls.live(found[0]["state"]):
                return None
            job = found[0]
        return job

    def _unless_unusable(self, job):
        """Return *job*; None if it is ending, or if its submitter died and it cannot be let go as what we want.

        The latter is withdrawn.
        One without a playbook never gets one, and one with a playbook needs the file that only its submitter writes.
        """
        until = time.monotonic() + UNFINISHED_S
        while not self._fits(job) and self._unfinished(job):
            if script.has_play(job) and detached.is_frozen(job, script.run_dir(self.output_dir, job["id"])):
                return job
            if self.params.get("job_id"):
                raise Error(
                    f"Job {job['id']} is held: its submission was not finished. End it: ansible-playbook "
                    f"playbooks/stop.yml -e job_id={job['id']}, and leave job_id out for a new one."
                )
            if self.ctx.check_mode:
                return None
            if time.monotonic() >= until:
                self.notes.append(f"The submission of job {job['id']} was not finished. {self._withdraw(job['id'])}")
                return None
            time.sleep(min(1.0, UNFINISHED_S))  # its submitter may be at work
            found = commands.jobs(job_id=job["id"])
            if not found or not slurm_calls.live(found[0]["state"]):
                return None
            job = found[0]
        return self._unless_ending(job)

    def _unless_ending(self, job):
        """Return *job*; None once it is gone, if its holder was ending it already.

        Nothing begins in such a job any more: its lease ran out, or the controller that ended it went away meanwhile.
        """
        until, pause, folder = time.monotonic() + ENDING_S, 0.1, script.run_dir(self.output_dir, job["id"])
        ours = job["comment"].startswith(script.TAG) and not self.params.get("job_id")
        if not ours or self.ctx.check_mode or detached.inside(job["id"]):
            return job
        while job["state"] == "RUNNING" and time.monotonic() < until:
            why = job_end.last_words(folder)
            if not why or job_watch.taken(why):  # Slurm may let it begin again
                return job
            self.ctx.progress(f"job {job['id']} is ending ({why}); another one follows it")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)
            found = commands.jobs(job_id=job["id"])
            if not found or not slurm_calls.live(found[0]["state"]):
                self.notes.append(f"Job {job['id']} was ending: {why}.")
                return None
            job = found[0]
        return job

    def _hint(self, job):
        """Return what helps a job that waits: it is held, or a job of its name, kept perhaps, has the nodes."""
        if held(job):
            return f". {held(job)}"
        if job["reason"] not in ("Resources", "Priority"):
            return ""
        try:
            others = [j for j in commands.jobs() if j["name"] == job["name"] and j["comment"].startswith(script.TAG)]
        except SlurmError:
            return ""
        up = [j["id"] for j in others if j["id"] != job["id"] and j["state"] == "RUNNING"]
        return f"; job {up[0]} of the same name is up: --tags teardown -e job_id={up[0]} ends it" if up else ""
