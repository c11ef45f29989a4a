# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What Slurm does to the job of a holder: why it takes the job away, and whether the job begins again later."""

from __future__ import annotations

import datetime
import os
import re
import signal
import threading
import time

from .slurm_calls import call, fields_of, record_of

CALL_S = 5.0
STOOD_S = 4.0  # a process that looks every second and comes so late did not run meanwhile
AGAIN_S = 0.3  # until a command that a signal ended is run again
READ_BYTES = 1 << 18
NEAR_S = 90.0  # a job that has less time left than this was told so by sbatch's --signal, 60 s before its end
# Slurm's own line in the output of the job, from before it signals us.
TOLD = re.compile(r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ DUE TO ([A-Z ]+)")
PREEMPTED = "preempted, Slurm gave its nodes to a job of higher priority"
FAILED = "a node of the job failed"
TIME_LIMIT = "its time limit is reached"
MEANING = {
    "PREEMPTION": PREEMPTED,
    "NODE FAILURE": FAILED,
    "TIME LIMIT": TIME_LIMIT,
    "JOB REQUEUE": "it was requeued",
}
# States of a job whose batch script runs on.
ALIVE = ("RUNNING", "CONFIGURING", "SUSPENDED", "STOPPED", "RESIZING", "SIGNALING")
# A step that ends for one of these ends with the whole job; a node that fails may only cost the steps that it had.
WITH_THE_JOB = (PREEMPTED, MEANING["JOB REQUEUE"])


def taken(ending):
    """Tell whether a job that ends for the reason *ending* was taken away by Slurm, so that another one may do well."""
    return PREEMPTED in (ending or "") or FAILED in (ending or "")


def told(path, begin=0):
    """Return why Slurm ends a job, in words, from an output of the job after *begin*; "" when it does not tell."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(begin, os.fstat(stream.fileno()).st_size - READ_BYTES))
            found = TOLD.findall(stream.read().decode(errors="replace"))
    except OSError:
        found = []
    return next((text for mark, text in MEANING.items() if found and found[-1].startswith(mark)), "")


class Pulse:
    """Notices when this process did not run for a while: Slurm suspended the job, or its first node stood still.

    :ivar pauses: ``{"from", "to", "s"}`` of each such time: UTC, and its length in seconds.
    """

    def __init__(self):
        self.pauses, self.felt_at = [], None

    def feel(self, now, utc):
        """Return the pause that ends now, None if there was none; to be called every second or so.

        :param now: what the monotonic clock says, which does not stand still.
        :param utc: function of a number of seconds; returns the time that long ago as text.
        """
        gap = now - self.felt_at if self.felt_at is not None else 0.0
        self.felt_at = now
        if gap < STOOD_S:
            return None
        pause = {"from": utc(gap), "to": utc(0.0), "s": round(gap, 1)}
        self.pauses = [*self.pauses[-99:], pause]
        return pause


class Job:
    """The job as its holder sees it.

    :param retries: how often it may begin again.
    :ivar restarts: how often it has.
    :ivar unsure: Slurm did not answer when it was asked to begin it again, and may have heard.
    :ivar not_left_out: nodes that it may get again, against our wish.
    """

    def __init__(self, job_id, run_dir, retries=0):
        self.job_id, self.retries, self.limit = str(job_id), retries, None
        self.asking, self.known, self.asked_at = threading.Lock(), False, -1e9
        self.unsure, self.not_left_out = False, []
        self.restarts = int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        self.output = os.path.join(run_dir, f"slurm-{job_id}.out")
        self.begin = os.path.getsize(self.output) if os.path.exists(self.output) else 0

    def told(self):
        """Return why Slurm ends the job, in words, as far as the job's output tells; "" when it does not."""
        return self._named(told(self.output, self.begin))

    def asked(self):
        """Return the same as far as slurmctld tells."""
        fields = self._show()
        state = fields.get("JobState", "")
        if _preempted(fields):
            return PREEMPTED
        near = state in ALIVE and _left_s(fields.get("EndTime", "")) < NEAR_S
        if near or "TimeLimit" in (state, fields.get("Reason")) or state == "TIMEOUT":
            return self._named(TIME_LIMIT, fields)
        return "cancelled" if state in ("COMPLETING", "CANCELLED") else ""

    def first_look(self):
        """Learn the time limit; return why Slurm ends the job already, "" if it does not.

        Slurm gives its signal at a fixed time before the limit, or up to half a minute earlier: a short job gets it
        when this process has hardly begun, and then it is lost.
        """
        fields = self._show()
        self.limit = fields.get("TimeLimit") or self.limit
        state = fields.get("JobState")
        return (self.asked() or f"it is {state}") if state and state not in ALIVE else ""

    def _named(self, words, fields=None):
        """Return *words* with the limit, if they are of the time limit and it is known."""
        limit = (fields or {}).get("TimeLimit") or self.limit
        return f"its time limit of {limit} is reached" if words == TIME_LIMIT and limit else words

    def preempted(self):
        """Tell whether Slurm has chosen the job to make room for another one; many at once ask one question."""
        wanted_at = time.monotonic()
        with self.asking:
            if self.asked_at < wanted_at:
                self.asked_at, self.known = time.monotonic(), _preempted(self._show())
            return self.known

    def begins_again(self):
        """Tell whether Slurm has put the job back into the queue."""
        return bool(self.retries) and int(self._show().get("Restarts") or 0) > self.restarts

    def may_again(self):
        """Tell whether a fault may still let it begin again."""
        return self.restarts < self.retries

    def begin_again(self, exclude, ending, tell):
        """Let the job begin again, or see that Slurm has done it; *tell* its followers, and return whether it does."""
        # A node that Slurm could not reach may have gone on with a job that runs elsewhere by now.
        trouble = "" if self.begins_again() else self.requeue(exclude) if self.may_again() else "job_retries is used up"
        tell(f"Job {self.job_id} ends: {ending}.")
        if trouble:
            tell(f"It does not begin again: {trouble}.")
        else:
            perhaps = f" {', '.join(self.not_left_out)} could not be left out." if self.not_left_out else ""
            tell(f"It begins again when it gets nodes, attempt {self.restarts + 2} of {self.retries + 1}.{perhaps}")
        return not trouble

    def settle(self):
        """Let this be the last time if it is: then Slurm does not begin it again, whatever happens."""
        if self.retries and not self.may_again():
            _call("scontrol", "update", f"JobId={self.job_id}", "Requeue=0")

    def requeue(self, exclude):
        """Put the job back into the queue, for other nodes than *exclude*; return what went wrong, "" if nothing did.

        Slurm ends this process a moment later, so signals are for others from here on.
        """
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the commands below inherit it
        exclude = list(dict.fromkeys([*self._left_out(), *exclude]))
        done = _call("scontrol", "requeue", self.job_id) or _call("scontrol", "requeue", self.job_id)
        # A command that was heard may fail all the same, or end too late; Slurm itself knows.
        if (done is None or done.returncode) and not self.begins_again():
            self.unsure = done is None
            return "Slurm did not answer" if done is None else done.stderr.strip()
        if exclude:
            done = _call("scontrol", "update", f"JobId={self.job_id}", f"ExcNodeList={','.join(exclude)}")
            self.not_left_out = exclude if done is None or done.returncode else []
        return ""

    def _left_out(self):
        """Return the nodes that the job leaves out already."""
        text = self._show().get("ExcNodeList", "(null)")
        done = _call("scontrol", "show", "hostnames", text) if text != "(null)" else None
        return done.stdout.split() if done else []

    def _show(self):
        said = _call("scontrol", "--oneliner", "show", "job", self.job_id)
        if said and said.returncode < 0:  # Slurm's signal is for all processes of the batch script, this one too
            time.sleep(AGAIN_S)
            said = _call("scontrol", "--oneliner", "show", "job", self.job_id)
        return fields_of(record_of(said.stdout, self.job_id)) if said else {}


def _preempted(fields):
    told_at = fields.get("PreemptTime", "None")  # of this run of the job, not of one before it was requeued
    return fields.get("JobState") == "PREEMPTED" or (told_at != "None" and told_at >= fields.get("StartTime", ""))


def _left_s(end):
    try:
        return (datetime.datetime.strptime(end, "%Y-%m-%dT%H:%M:%S") - datetime.datetime.now()).total_seconds()
    except ValueError:  # no limit
        return 1e9


def _call(*argv):
    return call(CALL_S, *argv)
