# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder of a job: its steps, its lease, Slurm's actions on it, and its end."""

from __future__ import annotations

import uuid

from . import journal
from .faults import log_of
from .job_ends import LEASE_EXPIRED, PREEMPTED, REASONS, SIGNAL, TIME_LIMIT, UNEXPLAINED, WITH_STEPS, job_end
from .job_watch import code_in_output
from .lease import LEASE_S, Lease
from .slurm_calls import Slurm
from .steps import Steps

TERM = 15


class Holder:
    """The state that lives as long as the job.

    :param slurm: see slurm_calls.Slurm.
    :param job: the job according to Slurm, see job_watch.Job; None in an allocation whose end is not watched.
    :ivar play: the playbook that runs inside the job, see playbook.Play; or None.
    :ivar ending: why the job ends, see job_ends; None until then.
    :ivar requeue_without: the nodes to exclude when the job is requeued after its playbook; None: it is not requeued.
    """

    def __init__(self, job_id, run_dir, lease_s=LEASE_S, slurm=None, job=None):
        self.job_id, self.run_dir, self.job = str(job_id), run_dir, job
        self.instance_id = uuid.uuid4().hex  # distinguishes our events from those of an earlier holder
        self.play = self.ending = self.requeue_without = None
        self.journal, self.lease = journal.Journal(run_dir), Lease(lease_s)
        self.steps = Steps(run_dir, slurm or Slurm(self.job_id), self.journal, self._before_failure)
        self.journal.holder(journal.BEGIN)

    def end(self, code, reason="", signal=None):
        """Start the end of the job unless it has started; the main thread does the rest. See job_ends.job_end."""
        with self.steps.change:
            self.ending = self.ending or job_end(code, reason, signal)
            self.steps.close()

    def end_by_slurm(self, code, signal=TERM):
        """The same for an end by Slurm; with the code SIGNAL the reason may follow."""
        self.end(code, self._words(code), signal)

    def look_back(self):
        """Start the end of the job if Slurm requested it before we could receive the signal."""
        code = self.job.first_look()
        if code:
            self.end_by_slurm(code)

    def explain(self):
        """Record in ``ending`` the reason of a signal if Slurm reports it."""
        if self.ending["code"] == SIGNAL:
            code = self.job.code_in_output() or self.job.code_from_slurm() or UNEXPLAINED
            words = self._words(code) or "Slurm does not report the reason"
            with self.steps.change:
                self.ending = job_end(code, f"{self.ending['reason']}: {words}")

    def keep_lease(self):
        """Return once the job must end: on request, or because the lease was not renewed in time."""
        with self.steps.change:
            self.beat()
            while not self.ending:
                left_s = self.lease.left_s()
                if left_s <= 0:
                    self.end(LEASE_EXPIRED, f"no controller for {self.lease.lease_s:g} s")
                self.steps.change.wait(max(0.01, min(left_s, 1.0)))
                self.beat()

    def beat(self):
        """Exclude pauses of this process from the lease, and record them."""
        pause = self.lease.beat()
        if pause:
            self.journal.holder(journal.PAUSED, reason=f"paused for {pause['s']:g} s", **pause)

    def finish(self):
        """End all steps in tiers and record it."""
        self.journal.holder(journal.ENDING, **self.ending)
        # Steps that do not end now end with the job.
        self.steps.stopper.stop_in_tiers(list(self.steps.by_name.values()), give_up_s=10.0)
        self.journal.holder(journal.ENDED)

    def requeue(self, exclude):
        """Requeue the job without the nodes *exclude*, report it, and return whether it succeeded."""
        trouble, job = self.job.requeue(exclude), self.job
        self.play.add_line(f"Job {self.job_id} ends: {self.ending['reason']}.")
        if trouble:
            self.play.add_line(f"The job is not requeued: {trouble}.")
            return False
        attempt, attempts = job.restarts + 2, job.retries + 1
        left = f" {', '.join(job.not_left_out)} could not be excluded." if job.not_left_out else ""
        self.play.add_line(f"The job is requeued: attempt {attempt} of {attempts} starts when it gets nodes.{left}")
        self.journal.holder(journal.REQUEUE, attempt=attempt, attempts=attempts)
        return True

    def _words(self, code):
        return self.job.words(code) if self.job else REASONS.get(code, "")

    def _before_failure(self, record):
        """Start the end of the job if Slurm ends it: its steps may end before we get a signal."""
        code = code_in_output(log_of(record, self.run_dir))
        if not code and self.job and self.job.preempted():  # with a grace time, the steps end first
            code = PREEMPTED
        if code == TIME_LIMIT and self.job:  # a step may have its own limit
            code = self.job.code_from_slurm()
        if code in WITH_STEPS:
            self.end_by_slurm(code)
