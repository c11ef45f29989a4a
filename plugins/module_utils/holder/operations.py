# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The operations of the holder's protocol on the steps of a job, and the lease.

A request is ``{"v": 1, "op": "status|start|stop|wait|end|again", "renew": bool, "lease_s": number, ...}``.
"""

from __future__ import annotations

import concurrent.futures
import hashlib
import json
import time
import uuid

from .basics import utc_now
from .faults import log_of
from .job_watch import PREEMPTED, TIME_LIMIT, WITH_THE_JOB, Pulse, told
from .journal import PASSING, json_files
from .probe import Wait, probe
from .steps import Slurm, Steps

PROTOCOL = 1
LEASE_S = 120.0
# How long a playbook may take to write its rollup when the job ends; less when Slurm soon kills what is left.
LAST_WORDS_S = (30.0, 15.0)


class Holder(Steps):
    """The operations of the protocol on the steps of a job, and the lease."""

    def __init__(self, job_id, run_dir, lease_s=LEASE_S, slurm=None):
        super().__init__(run_dir, slurm or Slurm(job_id))
        self.job_id, self.waits = str(job_id), {}
        self.born = uuid.uuid4().hex  # what an earlier holder of the job has told says nothing of what we have told
        self.job = self.play = self.again = None
        self.probers = concurrent.futures.ThreadPoolExecutor(max_workers=32)
        self.lease_s, self.renewed, self.pulse = float(lease_s), time.monotonic(), Pulse()
        self.talks = 0  # requests of controllers that are being answered
        self.operations = {
            "status": self._op_status,
            "start": self._op_start,
            "stop": self._op_stop,
            "wait": self._op_wait,
            "end": self._op_end,
            "again": self._op_again,
        }
        self.write({"event": "holder", "reason": "begin"})

    def handle(self, request):
        """Return the answer to one request; every answer lists the steps."""
        if request.get("v") != PROTOCOL:
            return {
                "v": PROTOCOL,
                "ok": False,
                "job_id": self.job_id,
                "error": (
                    f"The holder of job {self.job_id} speaks protocol {PROTOCOL}, not {request.get('v')}. "
                    "Use the version of the collection that started the job, or end the job with stop.yml."
                ),
            }
        with self.change:
            self.lease_s = float(request.get("lease_s") or self.lease_s)
            alive = bool(request.get("renew"))
            self.talks += alive
        try:
            answer = dict({"ok": True}, **self.operations[request["op"]](request))
        except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
            answer = {"ok": False, "error": f"{type(error).__name__}: {error}"}
        finally:
            with self.change:
                self.talks -= alive
                self.renewed = time.monotonic() if alive else self.renewed
        with self.change:
            known = self._known(request.get("known") or {})
            if self.pulse.felt_at is not None and not self.ending:
                self._feel()
            lease = {"lease_s": self.lease_s, "left_s": round(self.left_s(), 1)}
            steps = [step.record() for step in self.steps.values() if step.seq > known]
            return dict(
                {
                    "v": PROTOCOL,
                    "job_id": self.job_id,
                    "born": self.born,
                    "now": utc_now(),
                    "seq": self.seq,
                    "ending": self.ending,
                    "trouble": self.trouble,
                    "lease": lease,
                    "pauses": self.pulse.pauses,
                    "ends": self.ends.listed,
                    "steps": steps,
                },
                **answer,
            )

    def _known(self, known):
        """Return up to which number our events are *known* to one who may have been told by an earlier holder."""
        seq, born = known.get("seq", -1), known.get("born", self.born)  # a controller of an older version has no "born"
        return seq if born == self.born and seq <= self.seq else -1

    def left_s(self):
        """Return the seconds until the lease ends; it counts from the end of a request, which may wait for long."""
        return self.lease_s if self.talks else self.renewed + self.lease_s - time.monotonic()

    def renew(self):
        """Take a sign of life of a controller."""
        with self.change:
            self.renewed = time.monotonic()

    def _op_status(self, request):
        return {}

    def _op_start(self, request):
        began = time.monotonic()
        if self.ending:
            return {"ok": False, "error": f"The job is ending: {self.ending}."}
        actions = self.start(request["steps"], request.get("restart"), request.get("attempts"))
        begun = [name for name, done in actions.items() if done not in ("busy", "overtaken")]
        with self.change:
            self.change.wait_for(
                lambda: self.ending or all(self.steps[name].state != "starting" for name in begun),
                max(0.0, began + float(request.get("wait_s") or 0) - time.monotonic()),
            )
        return {"actions": [{"name": ask["name"], "action": actions[ask["name"]]} for ask in request["steps"]]}

    def _op_stop(self, request):
        names, tiers = request.get("names"), request.get("tiers")
        with self.one_at_a_time:
            chosen = [
                s
                for s in list(self.steps.values())
                if (names is None or s.name in names) and (tiers is None or s.ask.get("tier") in tiers)
            ]
            alive = {s.name for s in chosen if s.alive}
            self.stop_in_tiers(chosen, request.get("grace_s"))
        listed = names if names is not None else [s.name for s in chosen]
        return {"actions": [{"name": name, "action": "stopped" if name in alive else "absent"} for name in listed]}

    def _op_end(self, request):
        self.end(request.get("reason") or "a controller asked for it")
        return {}

    def _op_again(self, request):
        """Let the job begin again once its playbook has ended, without the nodes in ``exclude``; say whether it may."""
        may = bool(self.job and self.play and self.job.may_again())
        if may:
            self.again, self.play.keep = list(request.get("exclude") or ()), False
        return {"again": may, "restarts": self.job.restarts if self.job else 0}

    def _op_wait(self, request):
        checks, began = request.get("checks") or [], time.monotonic()
        slice_s = float(request.get("slice_s") or 5)
        key = request.get("wait_id") or hashlib.sha256(json.dumps(checks).encode()).hexdigest()
        with self.change:
            wait = self.waits.setdefault(key, Wait(checks, self._hold))
            while len(self.waits) > 16:
                del self.waits[next(iter(self.waits))]
            left, shown = wait.left(), json_files(self.run_dir, request.get("progress"))
            while True:
                now = time.monotonic()
                due, pause = wait.due(now)
                for check in due:
                    check["busy"] = True
                    self.probers.submit(self._probe, wait, check)
                ended, passed = self._ended(request), now - began
                due_too = passed >= min(1.0, slice_s)
                progress = json_files(self.run_dir, request.get("progress")) if due_too else shown
                # What a person wants to see is told soon, yet not so often that telling is all we do.
                moved = passed >= 1.0 and (wait.left() < left or progress != shown)
                if ended or moved or self.ending or passed >= slice_s or (checks and not wait.left()):
                    return {
                        "checks": wait.records(),
                        "completed": not wait.left(),
                        "ended": ended,
                        "progress": progress,
                    }
                self.change.wait(max(0.01, min(pause, slice_s - passed, 1.0)))

    def _hold(self, check):
        listing = check.get("listing")
        keeper = self.steps.get(listing["by"]) if listing else None
        return self.ends.listed_still(listing, keeper and keeper.record()["started_at"]) if listing else None

    def _ended(self, request):
        """Return the records of ended steps that matter: watched ones, and critical ones that nobody stopped."""
        watch, guard = request.get("watch") or (), request.get("guard")
        return [
            s.record()
            for s in self.steps.values()
            if not s.alive
            and (
                s.name in watch
                or (
                    s.ask.get("critical")
                    and not s.expected
                    and s.ask.get("tier") != "benchmark"
                    and (guard is None or s.name in guard)
                )
            )
        ]

    def _probe(self, wait, check):
        error = probe(check)
        with self.change:
            wait.told(check, error)
            self.change.notify_all()

    def end(self, reason, more=""):
        """Begin the end of the job; the main thread does the rest."""
        with self.change:
            self.ending = self.ending or (f"{reason}: {more}" if more else reason)
            self.change.notify_all()

    def _over(self, step, **end):
        """As in Steps. Steps that Slurm ends together with their job may be gone before it tells us."""
        well = step.ask.get("tier") in PASSING and end.get("exit_code") == 0
        if not (well or step.expected or self.ending):
            words = told(log_of(dict(step.record(), **end), self.run_dir))
            if not words and self.job and self.job.preempted():  # steps go first where jobs have a grace time
                words = PREEMPTED
            if words == TIME_LIMIT and self.job:  # a step may have a limit of its own
                words = self.job.asked()
            if words in WITH_THE_JOB or words.startswith("its time limit"):
                self.end("signal 15", words)
        super()._over(step, **end)

    def look_back(self):
        """Begin the end of the job if Slurm wanted that before we could hear it."""
        why = self.job.first_look()
        if why:
            self.end("signal 15", why)

    def explain(self):
        """Say in ``ending`` why a signal came, as far as Slurm tells."""
        if self.ending.startswith("signal") and ": " not in self.ending:
            more = self.job.told() or self.job.asked() or "Slurm does not say why"
            with self.change:
                self.ending += f": {more}"

    def keep_lease(self):
        """Return when the job has to end: somebody said so, or nobody renewed the lease in time."""
        with self.change:
            self._feel()
            while not self.ending:
                if self.left_s() <= 0:
                    self.end(f"no controller for {self.lease_s:g} s")
                self.change.wait(max(0.01, min(self.left_s(), 1.0)))
                self._feel()

    def _feel(self):
        """Take no time from the lease in which nobody could renew it, and write it down."""
        now = time.monotonic()
        pause = self.pulse.feel(now, utc_now)
        if pause:
            self.renewed = min(now, self.renewed + pause["s"])
            self.write(dict(pause, event="holder", reason=f"stood still for {pause['s']:g} s"))

    def finish(self):
        """End all steps in tiers and say so in steps.jsonl."""
        self.write({"event": "holder", "reason": f"end: {self.ending}"})
        # What does not end now ends with the job.
        self.stop_in_tiers(list(self.steps.values()), give_up_s=10.0)
        self.write({"event": "holder", "reason": "ended"})
