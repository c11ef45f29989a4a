# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder of a job: its steps, its lease, Slurm's actions on it, and its end."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from . import journal
from .faults import log_of
from .job_ends import LEASE_EXPIRED, PREEMPTED, SIGNAL, TIME_LIMIT, UNEXPLAINED, WITH_STEPS, job_end
from .job_watch import Job, code_in_output
from .lease import LEASE_S, Lease
from .playbook import Play
from .records import JobEnd
from .slurm_calls import Slurm, StepCalls
from .steps import Steps
from .witness import Witness

TERM = 15


class Holder:
    """The state that lives as long as the job.

    :param slurm: see slurm_calls.Slurm.
    :param job: the job as Slurm has it.
    :ivar play: the playbook that runs inside the job, see playbook.Play; None if there is none.
    :ivar ending: why the job ends, see job_ends; None as long as it does not.
    :ivar requeue_without: the nodes that the job shall not get again when it is requeued after its playbook; None: it
        is not.
    """

    def __init__(self, job: Job, run_dir: str, lease_s: float = LEASE_S, slurm: StepCalls | None = None) -> None:
        self.job_id, self.run_dir, self.job = job.job_id, run_dir, job
        self.instance_id = uuid.uuid4().hex  # events of an earlier holder of the job are none of ours
        self.play: Play | None = None
        self.ending: JobEnd | None = None
        self.requeue_without: list[str] | None = None
        self.journal, self.lease = journal.Journal(run_dir), Lease(lease_s)
        self.witness = Witness()
        self.steps = Steps(run_dir, slurm or Slurm(self.job_id), self.journal, self._before_failure)
        self.journal.holder(journal.BEGIN, restarts=job.restarts, output_begin=job.begin if job.restarts else 0)

    @property
    def job_end(self) -> JobEnd:
        """Why the job ends, once it does."""
        if self.ending is None:
            raise RuntimeError(f"job {self.job_id} does not end")
        return self.ending

    def end(self, code: str, reason: str = "", signal: int | None = None) -> None:
        """Start the end of the job unless it has started; the main thread does the rest. See job_ends.job_end."""
        with self.steps.change:
            self.ending = self.ending or job_end(code, reason, signal)
            self.steps.close()

    def end_by_slurm(self, code: str, signal: int = TERM) -> None:
        """The same for an end by Slurm; with the code SIGNAL the reason may follow."""
        self.end(code, self.job.reason_for(code), signal)

    def check_missed_end(self) -> None:
        """Start the end of the job if Slurm requested it before we could receive the signal."""
        code = self.job.missed_end()
        if code:
            self.end_by_slurm(code)

    def explain(self) -> None:
        """Record in ``ending`` the reason of a signal if Slurm reports it."""
        ending = self.job_end
        if ending["code"] == SIGNAL:
            code = self.job.code_in_output() or self.job.code_from_slurm() or UNEXPLAINED
            reason = self.job.reason_for(code) or "Slurm does not report the reason"
            with self.steps.change:
                self.ending = job_end(code, f"{ending['reason']}: {reason}")

    def keep_lease(self) -> None:
        """Return once the job must end: on request, or because the lease was not renewed in time."""
        with self.steps.change:
            self.beat()
            while not self.ending:
                left_s = self.lease.left_s()
                if left_s <= 0:
                    self.end(LEASE_EXPIRED, f"no controller for {self.lease.lease_s:g} s")
                self.steps.change.wait(max(0.01, min(left_s, 1.0)))
                self.beat()

    def beat(self) -> None:
        """Exclude pauses of this process from the lease, and record them."""
        pause = self.lease.beat()
        if pause:
            self.journal.holder(journal.PAUSED, reason=f"paused for {pause['s']:g} s", **pause)

    def finish(self) -> None:
        """End all steps in tiers and record it."""
        self.journal.holder(journal.ENDING, **self.job_end)
        self.witness.watch({})
        # What does not end now ends with the job.
        steps = list(self.steps.by_name.values())
        self.steps.stopper.stop_in_tiers(steps, give_up_s=10.0)
        for step in steps:
            self.steps.stopper.end_client(step)
        self.journal.holder(journal.ENDED)

    def requeue(self, exclude: Iterable[str]) -> bool:
        """Requeue the job without the nodes *exclude*, report it, and return whether it succeeded."""
        trouble, job = self.job.requeue(exclude), self.job
        self._log(f"Job {self.job_id} ends: {self.job_end['reason']}.")
        if trouble:
            self._log(f"The job is not requeued: {trouble}.")
            return False
        attempt, attempts = job.restarts + 2, job.retries + 1
        left = f" {', '.join(job.not_excluded)} could not be excluded." if job.not_excluded else ""
        self._log(f"The job is requeued: attempt {attempt} of {attempts} starts when it gets nodes.{left}")
        self.journal.holder(journal.REQUEUE, attempt=attempt, attempts=attempts)
        return True

    def _log(self, line: str) -> None:
        if self.play:
            self.play.add_line(line)

    def _before_failure(self, record: Mapping[str, Any]) -> None:
        """Start the end of the job if Slurm ends it: its steps may end before we get a signal."""
        code = code_in_output(log_of(record, self.run_dir))
        if not code and self.job.preempted():  # steps go first where jobs have a grace time
            code = PREEMPTED
        if code == TIME_LIMIT:  # a step may have a limit of its own
            code = self.job.code_from_slurm()
        if code in WITH_STEPS:
            self.end_by_slurm(code)
