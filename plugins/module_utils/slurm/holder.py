# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The holder: the one long-lived process of a job, run by the batch script on the first node.

It owns the srun clients of all steps, records how each of them ended, probes the service and keeps
the lease: without a sign of life of a controller the steps end in tiers and the nodes go back.

    holder.py serve --run-dir DIR [--lease S] [--play] [--guest TIME]  serve requests on a Unix socket until the end;
                                                  with play run play.json, as a guest leave it to one that serves
    holder.py ctl   --run-dir DIR                 one JSON request on stdin, one JSON answer on stdout

A request is ``{"v": 1, "op": "status|start|stop|wait|end|again", "renew": bool, "lease_s": number, ...}``.
This file and the other holder_*.py are copied into the run directory: standard library, Python 3.8.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import hashlib
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
import uuid

try:
    from .holder_faults import log_of
    from .holder_job import PREEMPTED, TIME_LIMIT, WITH_THE_JOB, Job, Pulse, taken, told
    from .holder_log import PASSING, json_files, utc_now
    from .holder_place import ask, leave_places, socket_path, take_places
    from .holder_play import Play
    from .holder_probe import Wait, probe
    from .holder_secrets import forget
    from .holder_steps import Slurm, Steps
except ImportError:  # in the run directory
    from holder_faults import log_of
    from holder_job import PREEMPTED, TIME_LIMIT, WITH_THE_JOB, Job, Pulse, taken, told
    from holder_log import PASSING, json_files, utc_now
    from holder_place import ask, leave_places, socket_path, take_places
    from holder_play import Play
    from holder_probe import Wait, probe
    from holder_secrets import forget
    from holder_steps import Slurm, Steps

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


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """One connection is one request and one answer."""

    daemon_threads, request_queue_size = True, 128

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            try:
                answer = self.server.holder.handle(json.loads(self.rfile.read()))
            except ValueError as error:
                answer = {"v": PROTOCOL, "ok": False, "error": f"The request is not JSON: {error}"}
            with contextlib.suppress(OSError):  # the one who asked may be gone
                self.wfile.write(json.dumps(answer).encode() + b"\n")

    def __init__(self, path, holder):
        self.holder = holder
        super().__init__(path, self.RequestHandlerClass)


def serve(run_dir, lease_s, with_play=False, guest=""):
    """Serve until the end of the job; return the exit status of the batch script.

    :param guest: when the job, which somebody else submitted, was submitted; "" in a batch script. Nothing is done if
        another holder serves the job, for this run directory or for another one.
    """
    job_id = os.environ["SLURM_JOB_ID"]
    places, status = take_places(job_id, run_dir, guest)
    if not places:
        return status
    job = Job(job_id, run_dir)
    holder = Holder(job_id, run_dir, lease_s)
    play = holder.play = Play(run_dir, holder.renew, holder.end) if with_play else None
    holder.job, job.retries = job, play.retries if play else 0
    server = Server(places[0].path, holder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: holder.end(f"signal {number}", job.told()))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    threading.Thread(target=holder.look_back, daemon=True).start()
    if play:
        play.start()
        threading.Thread(target=job.settle, daemon=True).start()
    holder.keep_lease()
    holder.explain()
    again = False
    try:
        with contextlib.suppress(OSError):  # a full disk must not cost the end in order
            sys.stdout.write(f"{utc_now()} ending: {holder.ending}\n")
            sys.stdout.flush()
        # A job that is taken away has little time: first things first. One that Slurm has begun again elsewhere, when
        # it lost this node, has steps with the same ids there: those are not ours to end.
        moved = job.begins_again()
        again = (moved or bool(job.retries) and taken(holder.ending)) and job.begin_again((), holder.ending, play.tell)
        if play:  # it must not start again what ends now, and says before what came of the run
            if not moved:
                holder.stop([s for s in holder.steps.values() if s.ask.get("tier") == "benchmark"], 5.0, give_up_s=5.0)
            sudden = holder.ending.startswith("signal") and "time limit" not in holder.ending
            play.stop(0.0 if again else LAST_WORDS_S[sudden])
            if play.stopped_it and not again:
                play.tell(f"Job {job_id} ended: {holder.ending}.")
        if not moved:
            holder.finish()
        if holder.again is not None and not again and not holder.ending.startswith("signal"):
            again = job.begin_again(holder.again, holder.ending, play.tell)
    finally:  # whatever went wrong: no secret and no socket stays behind
        if not (again or job.unsure):  # a later attempt needs the secrets
            forget(run_dir)
        time.sleep(0.2)  # the answer to the request that asked for the end is on its way
        leave_places(places)
    if play:
        return 1 if play.stopped_it else play.code
    return 1 if holder.ending.startswith(("signal", "no controller")) else 0


def ctl(run_dir):
    """Pass stdin on to the holder on this node and print its answer; return 3 if there is none."""
    try:
        answer = ask(socket_path(os.environ["SLURM_JOB_ID"], run_dir), sys.stdin.read())
    except OSError as error:
        answer, why = "", str(error)
    else:
        why = "it ended before it answered"
    if not answer:
        sys.stderr.write(f"no holder on {socket.gethostname()}: {why}\n")
        return 3
    sys.stdout.write(answer)
    sys.stdout.flush()
    return 0


def main():
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["serve", "ctl"])
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--lease", type=float, default=LEASE_S)
    parser.add_argument("--play", action="store_true")
    parser.add_argument("--guest", default="")
    options = parser.parse_args()
    if options.command == "serve":
        status = serve(options.run_dir, options.lease, options.play, options.guest)
    else:
        status = ctl(options.run_dir)
    with contextlib.suppress(OSError):  # what could not be written is tried once more here
        sys.stdout.flush()
    os._exit(status)  # threads that still probe are of no interest


if __name__ == "__main__":
    main()
