# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm's actions on the job of a holder: why it ends the job, and whether the job is requeued."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping

from .job_ends import CANCELLED, NODE_FAILED, OVER, PREEMPTED, REASONS, REQUEUED, TIME_LIMIT
from .slurm_calls import call, fields_of, output_path, record_of
from .tails import tail

CALL_S = 5.0
RETRY_S = 0.3  # pause before repeating a command that a signal ended
READ_BYTES = 1 << 18
NEAR_S = 90.0  # with less time left, the signal is that of sbatch's --signal, 60 s before the time limit
# Slurm's line in the output of the job, written before it signals us.
CANCELLED_DUE_TO = re.compile(r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ DUE TO ([A-Z ]+)")
MEANING = {
    "PREEMPTION": PREEMPTED,
    "NODE FAILURE": NODE_FAILED,
    "TIME LIMIT": TIME_LIMIT,
    "JOB REQUEUE": REQUEUED,
}
# States of a job whose batch script keeps running.
ALIVE = ("RUNNING", "CONFIGURING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING")


def code_in_output(path: str, begin: int = 0) -> str | None:
    """Return why Slurm ends a job (a code of job_ends) from its output after byte *begin*, or None."""
    found = CANCELLED_DUE_TO.findall(tail(path, READ_BYTES, begin))
    return next((code for mark, code in MEANING.items() if found and found[-1].startswith(mark)), None)


class Job:
    """The job from the point of view of its holder. Codes are those of job_ends.

    :param retries: how often it may be requeued.
    :ivar restarts: how often it was.
    :ivar unsure: Slurm did not answer the request to requeue the job, and may have accepted it.
    :ivar not_excluded: failed nodes that could not be excluded.
    """

    def __init__(self, job_id: str | int, run_dir: str, retries: int = 0) -> None:
        self.job_id, self.retries = str(job_id), retries
        self.unsure = False
        self.not_excluded: list[str] = []
        self.restarts = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        self.output = output_path(run_dir, job_id)
        self.begin = os.path.getsize(self.output) if os.path.exists(self.output) else 0
        self._limit: str | None = None  # as Slurm showed it last
        self._state: str | None = None
        self._lock, self._preempted, self._shown_at = threading.Lock(), False, -1e9

    def code_in_output(self) -> str | None:
        """Return why Slurm ends the job according to the job's output, or None."""
        return code_in_output(self.output, self.begin)

    def code_from_slurm(self) -> str | None:
        """Return the same according to slurmctld."""
        fields = self._show()
        state = fields.get("JobState", "")
        if _preempted(fields):
            return PREEMPTED
        near = state in ALIVE and _left_s(fields) < NEAR_S
        if near or "TimeLimit" in (state, fields.get("Reason")) or state == "TIMEOUT":
            return TIME_LIMIT
        return CANCELLED if state in ("COMPLETING", "CANCELLED") else None

    def missed_end(self) -> str | None:
        """Read the time limit; return why Slurm is already ending the job, whose signal was missed, or None.

        Slurm sends its signal at a fixed time before the limit, or up to half a minute earlier: a short job gets it
        while this process is starting, and then it is lost.
        """
        state = self._show().get("JobState")
        return (self.code_from_slurm() or OVER) if state and state not in ALIVE else None

    def reason_for(self, code: str) -> str:
        """Return the reason of a code for the user."""
        if code == TIME_LIMIT and self._limit:
            return f"its time limit of {self._limit} is reached"
        return f"it is {self._state}" if code == OVER else REASONS.get(code, "")

    def preempted(self) -> bool:
        """Return whether Slurm is preempting the job; concurrent calls share one query."""
        wanted_at = time.monotonic()
        with self._lock:
            if self._shown_at < wanted_at:
                self._shown_at, self._preempted = time.monotonic(), _preempted(self._show())
            return self._preempted

    def is_requeued(self) -> bool:
        """Return whether Slurm has requeued the job."""
        return bool(self.retries) and int(self._show().get("Restarts") or 0) > self.restarts

    def may_requeue(self) -> bool:
        """Return whether the job may still be requeued after a fault."""
        return self.restarts < self.retries

    def requeue(self, exclude: Iterable[str]) -> str:
        """Requeue the job without the nodes *exclude*; return why that failed, "" on success."""
        # A node that Slurm could not reach may have gone on with a job that runs elsewhere by now.
        if self.is_requeued():
            return ""
        return self._requeue(exclude) if self.may_requeue() else "job_retries is used up"

    def forbid_last_requeue(self) -> None:
        """Prevent Slurm from requeueing a job that has no retries left."""
        if self.retries and not self.may_requeue():
            _call("scontrol", "update", f"JobId={self.job_id}", "Requeue=0")

    def _requeue(self, exclude: Iterable[str]) -> str:
        """Requeue the job. Slurm ends this process a moment later, so it ignores signals from here on."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the commands below inherit it
        exclude = list(dict.fromkeys([*self._excluded(), *exclude]))
        done = _call("scontrol", "requeue", self.job_id) or _call("scontrol", "requeue", self.job_id)
        # An accepted command may still fail or time out; check with Slurm.
        if (done is None or done.returncode) and not self.is_requeued():
            self.unsure = done is None
            return "Slurm did not answer" if done is None else done.stderr.strip()
        if exclude:
            done = _call("scontrol", "update", f"JobId={self.job_id}", f"ExcNodeList={','.join(exclude)}")
            self.not_excluded = exclude if done is None or done.returncode else []
        return ""

    def _excluded(self) -> list[str]:
        """Return the nodes that the job already excludes."""
        text = self._show().get("ExcNodeList", "(null)")
        done = _call("scontrol", "show", "hostnames", text) if text != "(null)" else None
        return done.stdout.split() if done else []

    def _show(self) -> dict[str, str]:
        done = _call("scontrol", "--oneliner", "show", "job", self.job_id)
        if done and done.returncode < 0:  # Slurm signals all processes of the batch script, including this command
            time.sleep(RETRY_S)
            done = _call("scontrol", "--oneliner", "show", "job", self.job_id)
        fields = fields_of(record_of(done.stdout, self.job_id)) if done else {}
        self._limit, self._state = fields.get("TimeLimit") or self._limit, fields.get("JobState") or self._state
        return fields


def _preempted(fields: Mapping[str, str]) -> bool:
    preempted_at = fields.get("PreemptTime", "None")  # of this run of the job, not of one before it was requeued
    known = preempted_at != "None" and preempted_at >= fields.get("StartTime", "")
    return known or fields.get("JobState") == "PREEMPTED"


def _left_s(fields: Mapping[str, str]) -> float:
    """Return the time left to a job by Slurm's own count: the clock of this host may differ."""
    limit, passed = (_seconds(fields.get(name, "")) for name in ("TimeLimit", "RunTime"))
    return 1e9 if limit is None or passed is None else limit - passed


def _seconds(text: str) -> float | None:
    """Return the seconds in Slurm's ``[days-]hours:minutes:seconds``, None in any other text, such as UNLIMITED."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d+):(\d+)", text)
    if not found:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return 86400 * days + 3600 * hours + 60 * minutes + seconds


def _call(*argv: str) -> subprocess.CompletedProcess[str] | None:
    return call(CALL_S, *argv)
