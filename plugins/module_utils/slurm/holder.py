#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The holder: the one long-lived process of a job, run by the batch script on the first node.

It owns the srun clients of all steps, records how each of them ended, probes the service and keeps
the lease: without a sign of life of a controller the steps end in tiers and the nodes go back.

    holder.py serve --run-dir DIR [--lease S]     serve requests on a Unix socket until the end
    holder.py ctl   --run-dir DIR                 one JSON request on stdin, one JSON answer on stdout

A request is ``{"v": 1, "op": "status|start|stop|wait|end", "renew": bool, "lease_s": number, ...}``.
This file, holder_steps.py and holder_probe.py are copied into the run directory: standard library, Python 3.8.
"""
from __future__ import annotations

import argparse
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import socketserver
import sys
import threading
import time

try:
    from .holder_probe import Wait, probe
    from .holder_steps import REMEMBERED, Slurm, Step, read_end, tail, utc_now
except ImportError:  # in the run directory
    from holder_probe import Wait, probe
    from holder_steps import REMEMBERED, Slurm, Step, read_end, tail, utc_now

PROTOCOL = 1
LEASE_S = 120.0
TIERS = ("benchmark", "frontend", "worker", "head_infra")  # the order in which steps end
RETRY_PAUSES_S = (0.5, 1, 2, 4, 8, 16)
TRANSIENT = re.compile(
    "Memory required by task is not available|Unable to contact slurm controller|Socket timed out|Zero Bytes were "
    "transmitted|Communication connection failure|Slurm temporarily unable|Transport endpoint is not connected")
def socket_path(job_id, run_dir):
    """Return where the holder of *job_id* listens on its node; the folder belongs to the user alone."""
    mark = hashlib.sha256(os.path.realpath(run_dir).encode()).hexdigest()[:8]
    return f"/tmp/srt-{os.getuid()}-{job_id}-{mark}/socket"


class Holder:
    """The steps of a job and the operations on them; one condition guards all and tells of every change."""

    def __init__(self, job_id, run_dir, lease_s=LEASE_S, slurm=None):
        self.job_id, self.run_dir, self.slurm = str(job_id), run_dir, slurm or Slurm(job_id)
        self.change = threading.Condition()
        self.one_at_a_time = threading.Lock()  # start and stop of two controllers never mix
        self.looking, self.seen, self.seen_at = threading.Lock(), None, -1e9
        self.steps, self.waits, self.seq = {}, {}, 0
        self.ending = self.finder = self.trouble = None
        self.probers = concurrent.futures.ThreadPoolExecutor(max_workers=32)
        self.lease_s, self.renewed = float(lease_s), time.monotonic()
        os.makedirs(os.path.join(run_dir, "logs", ".srun"), exist_ok=True)
        self._remember()
        self._write({"event": "holder", "reason": "begin"})

    def handle(self, request):
        """Return the answer to one request; every answer lists the steps."""
        if request.get("v") != PROTOCOL:
            return {"v": PROTOCOL, "ok": False, "job_id": self.job_id, "error": (
                f"The holder of job {self.job_id} speaks protocol {PROTOCOL}, the request is of protocol {request.get('v')}. "
                "Use the version of the collection that started the job, or end the job (slurm_job, state absent).")}
        with self.change:
            self.lease_s = float(request.get("lease_s") or self.lease_s)
            if request.get("renew"):
                self.renewed = time.monotonic()
        try:
            operation = {"status": dict, "start": self._op_start, "stop": self._op_stop, "wait": self._op_wait, "end": self._op_end}
            answer = dict({"ok": True}, **operation[request["op"]](request if request["op"] != "status" else ()))
        except (KeyError, TypeError, ValueError, OSError, RuntimeError) as error:
            answer = {"ok": False, "error": f"{request.get('op')}: {type(error).__name__}: {error}"}
        known = (request.get("known") or {}).get("seq", -1)
        with self.change:
            lease = {"lease_s": self.lease_s, "left_s": round(self.renewed + self.lease_s - time.monotonic(), 1)}
            return {"v": PROTOCOL, "job_id": self.job_id, "seq": self.seq, "ending": self.ending, "trouble": self.trouble,
                    "lease": lease, "steps": [s.record() for s in self.steps.values() if s.seq > known], **answer}

    def _op_start(self, request):
        began, asks, actions, old, new = time.monotonic(), request["steps"], {}, [], []
        with self.one_at_a_time:
            with self.change:
                for ask in asks:
                    step = self.steps.get(ask["name"])
                    if step and step.alive and step.ask.get("digest") == ask["digest"] and not request.get("restart"):
                        actions[step.name] = "adopted" if step.state == "unowned" else "kept"
                        step.ask = ask
                        if step.state == "unowned":
                            self._note(step, "adopted", state="running", reason="runs without a client of ours")
                        continue
                    actions[ask["name"]] = "replaced" if step else "started"
                    old += [step] if step and step.alive else []
                    number = int(step.step_id.rsplit(".", 1)[1]) if step and step.step_id else -1
                    new.append(Step(ask, step.attempt + 1, number) if step else Step(ask))
            self._stop(old)
            with self.change:
                if self.ending:
                    return {"ok": False, "error": f"The job is ending: {self.ending}."}
                for step in new:
                    self.steps[step.name] = step
                    threading.Thread(target=self._own, args=(step,), daemon=True).start()
                if new and not self.finder:
                    self.finder = threading.Thread(target=self._find, daemon=True)
                    self.finder.start()
        with self.change:
            left_s = began + float(request.get("wait_s") or 0) - time.monotonic()
            self.change.wait_for(lambda: self.ending or all(self.steps[n].state != "starting" for n in actions), max(0, left_s))
        return {"actions": [{"name": ask["name"], "action": actions[ask["name"]]} for ask in asks]}

    def _op_stop(self, request):
        names, tiers = request.get("names"), request.get("tiers")
        with self.one_at_a_time:
            chosen = [s for s in list(self.steps.values()) if (names is None or s.name in names)
                      and (tiers is None or s.ask.get("tier") in tiers)]
            alive = {s.name for s in chosen if s.alive}
            self._stop_in_tiers(chosen, request.get("grace_s"))
        listed = names if names is not None else [s.name for s in chosen]
        return {"actions": [{"name": n, "action": "stopped" if n in alive else "absent"} for n in listed]}

    def _op_end(self, request):
        self.end(request.get("reason") or "a controller asked for it")
        return {}

    def _op_wait(self, request):
        checks, began = request.get("checks") or [], time.monotonic()
        slice_s = float(request.get("slice_s") or 5)
        key = request.get("wait_id") or hashlib.sha256(json.dumps(checks).encode()).hexdigest()
        with self.change:
            wait = self.waits.setdefault(key, Wait(checks))
            while len(self.waits) > 16:
                del self.waits[next(iter(self.waits))]
            left, shown = wait.left(), self._progress(request)
            while True:
                now = time.monotonic()
                due, pause = wait.due(now)
                for check in due:
                    check["busy"] = True
                    self.probers.submit(self._probe, wait, check)
                ended, passed = self._ended(request), now - began
                progress = self._progress(request) if passed >= min(1.0, slice_s) else shown
                moved = passed >= 1.0 and (wait.left() < left or progress != shown)
                if ended or moved or self.ending or passed >= slice_s or (checks and not wait.left()):
                    return {"checks": wait.records(), "completed": not wait.left(), "ended": ended, "progress": progress}
                self.change.wait(max(0.01, min(pause, slice_s - passed, 1.0)))

    def _ended(self, request):
        """Return the records of steps whose end matters: watched ones, and critical ones that nobody stopped."""
        watch, guard = request.get("watch") or (), request.get("guard")
        return [s.record() for s in self.steps.values() if not s.alive and (s.name in watch or (
            s.ask.get("critical") and not s.expected and s.ask.get("tier") != "benchmark" and (guard is None or s.name in guard)))]

    def _probe(self, wait, check):
        error = probe(check)
        with self.change:
            wait.told(check, error)
            self.change.notify_all()

    def _progress(self, request):
        root, found = os.path.realpath(self.run_dir), {}
        for path in request.get("progress") or ():
            full = os.path.realpath(os.path.join(root, path))
            try:
                found[path] = json.loads(tail(full, 1 << 20)) if full.startswith(root + os.sep) else None
            except ValueError:
                found[path] = None
        return found

    def _own(self, step):
        """The life of one attempt, in a thread of its own: start, wait for its client, tell how it ended."""
        err = os.path.join(self.run_dir, "logs", ".srun", f"{step.name}.{step.attempt}.err")
        code, messages = None, ""
        for pause in (*RETRY_PAUSES_S, 0):
            with self.change:
                if step.expected or self.ending:
                    return self._note(step, "end", state="ended", reason="stopped before it started")
                try:
                    self._set_aside(step)
                    step.client = self.slurm.spawn(step.ask["srun_argv"], step.ask.get("srun_env") or {}, err)
                except (OSError, ValueError) as error:
                    return self._note(step, "end", state="ended", reason=f"srun could not be started: {error}")
                self._note(step, "start", started_at=utc_now(), pid=step.client.pid)
            code = step.client.wait()
            messages = tail(err)
            with self.change:
                if not (code and pause and step.state == "starting" and TRANSIENT.search(messages)):
                    break
                self._note(step, "retry", reason=messages.strip().splitlines()[-1])
                self.change.wait_for(lambda: step.expected or self.ending, pause)
        if code < 0 and step.step_id and not self._gone(step, 8.0):
            with self.change:
                self._note(step, "unowned", state="unowned", reason=read_end(code, "")["reason"])
            return self._observe(step)
        with self.change:
            return self._note(step, "end", state="ended", **read_end(code, messages))

    def _observe(self, step):
        """See the end of a step that has no client."""
        self._gone(step)
        with self.change:
            if step.alive:
                self._note(step, "end", state="ended", reason="ended while it had no client, so its exit code is not known")

    def _gone(self, step, limit_s=1e9):
        """Wait until Slurm no longer runs the step, *limit_s* at most; True if it is gone."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until and step.alive:
            present = self._look(0.8)
            if present is not None and step.step_id not in present:
                return True
            with self.change:
                self.change.wait(1.0)
        return not step.alive

    def _find(self):
        """Learn the ids of steps that start: one question for all of them, asked gently when they are many."""
        while True:
            with self.change:
                young = {s.name: s for s in self.steps.values() if s.state == "starting"}
                if not young:
                    self.finder = None
                    return
                self.change.wait(max(0.04, min(0.5, 0.004 * len(young))))
            present = self._look(0.0) or {}
            with self.change:
                for step_id, name in present.items():
                    step = young.get(name)
                    if step and step.client and step.state == "starting" and int(step_id.rsplit(".", 1)[1]) > step.newer_than:
                        self._note(step, "running", state="running", step_id=step_id, running_at=utc_now(), reason=None)

    def _look(self, max_age_s):
        """Return {step id: name} of what Slurm runs, not older than *max_age_s*; None when it does not say."""
        with self.looking:
            if time.monotonic() - self.seen_at > max_age_s:
                self.seen, self.seen_at = self.slurm.steps(), time.monotonic()
            return self.seen

    def end(self, reason):
        """Begin the end of the job; the main thread does the rest."""
        with self.change:
            self.ending = self.ending or reason
            self.change.notify_all()

    def finish(self):
        """End all steps in tiers and say so in steps.jsonl."""
        self._write({"event": "holder", "reason": f"end: {self.ending}"})
        self._stop_in_tiers(list(self.steps.values()))
        self._write({"event": "holder", "reason": "ended"})

    def _stop_in_tiers(self, steps, grace_s=None):
        # One deadline for all tiers: what the first ones use up is not left for the last ones.
        until = time.monotonic() + max([self._grace(s, grace_s) for s in steps], default=0)
        for tier in (*TIERS, None):
            self._stop([s for s in steps if (s.ask.get("tier") if s.ask.get("tier") in TIERS else None) == tier], grace_s, until)

    @staticmethod
    def _grace(step, grace_s=None):
        return float(grace_s if grace_s is not None else step.ask.get("stop_grace_s") or 10)

    def _stop(self, steps, grace_s=None, until=1e18):
        """End the steps together: TERM to their processes by Slurm, after their grace KILL, and once more."""
        with self.change:
            alive = [s for s in steps if s.alive]
            for step in alive:
                step.expected = True
            self.change.notify_all()
        now = time.monotonic()
        due = {s: min(now + self._grace(s, grace_s), until) for s in alive}
        kills = dict.fromkeys(alive, 0)
        self._signal(alive, "TERM")
        while True:
            with self.change:
                alive, now = [s for s in alive if s.alive], time.monotonic()
                late = [s for s in alive if due[s] <= now]
                for step in late:
                    kills[step], due[step] = kills[step] + 1, now + 5.0
                    if kills[step] > 2:
                        self._note(step, "end", state="ended", reason="Slurm could not be made to stop it")
                if not alive:
                    return
                if not late:
                    self.change.wait(max(0.01, min(min(due[s] for s in alive) - now, 1.0)))
            self._signal([s for s in late if s.alive], "KILL")

    def _signal(self, steps, name):
        ids = [s.step_id for s in steps if s.step_id]
        asked = bool(ids) and self.slurm.signal(ids, name)
        for step in steps:
            # Slurm does not answer or has not told the step's id yet: its client passes the end on.
            if step.client and not (asked and step.step_id):
                step.client.send_signal(signal.SIGTERM if name == "TERM" else signal.SIGKILL)

    def _set_aside(self, step):
        """Keep the log of an earlier attempt: nothing ever writes over evidence."""
        for node in step.ask.get("nodes") or []:
            log, number = os.path.join(self.run_dir, step.ask["log"].replace("%N", node)), step.attempt - 1
            if os.path.exists(log) and step.started_at is None:
                while os.path.exists(f"{log}.{number}"):
                    number += 1
                os.rename(log, f"{log}.{number}")

    def _remember(self):
        """Learn from steps.jsonl what an earlier holder of this run directory started."""
        last = {}
        for line in tail(os.path.join(self.run_dir, "steps.jsonl"), 1 << 28).splitlines():
            try:
                event = json.loads(line)
                last[event["name"]] = event
            except (ValueError, KeyError, TypeError):
                continue  # a line that was cut, or one that is not about a step
        present = (self._look(0.0) or {}) if last else {}
        for name, event in last.items():
            step = self.steps[name] = Step({k: event.get(k) for k in REMEMBERED}, event.get("attempt") or 1)
            step.__dict__.update({k: v for k, v in event.items() if k in step.__dict__ and k != "seq"})
            if step.alive:
                step.step_id = step.step_id or next((i for i, n in present.items() if n == name), None)
                if step.step_id in present:
                    self._note(step, "unowned", state="unowned", reason="started by an earlier holder")
                    threading.Thread(target=self._observe, args=(step,), daemon=True).start()
                else:
                    self._note(step, "end", state="ended", expected=True, reason="ended before this holder began")

    def _note(self, step, event, pid=None, **news):
        """Change a step, write the event, tell everybody who waits."""
        with self.change:
            step.__dict__.update(news)
            self.seq += 1
            step.seq = self.seq
            if not step.alive:
                step.ended_at, step.expected = utc_now(), step.expected or bool(self.ending)
                step.node = step.node or (step.ask.get("nodes") or [None])[0]
            self._write(dict(step.record(), event=event, pid=pid))
            self.change.notify_all()

    def _write(self, event):
        try:
            with open(os.path.join(self.run_dir, "steps.jsonl"), "a", encoding="utf-8") as stream:
                stream.write(json.dumps(dict({"t": utc_now()}, **event)) + "\n")
        except OSError as error:  # a full disk must not cost the service
            self.trouble = f"steps.jsonl: {error}"


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads, request_queue_size = True, 128

    class RequestHandlerClass(socketserver.StreamRequestHandler):
        def handle(self):
            try:
                answer = self.server.holder.handle(json.loads(self.rfile.read()))
            except ValueError as error:
                answer = {"v": PROTOCOL, "ok": False, "error": f"The request is not JSON: {error}"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    def __init__(self, path, holder):
        self.holder = holder
        super().__init__(path, self.RequestHandlerClass)


def serve(run_dir, lease_s):
    """Serve until the end of the job; return the exit status of the batch script."""
    job_id = os.environ["SLURM_JOB_ID"]
    path = socket_path(job_id, run_dir)
    folder = os.path.dirname(path)
    if os.path.lexists(folder):
        if os.lstat(folder).st_uid != os.getuid() or os.path.islink(folder):
            sys.exit(f"{folder} belongs to somebody else")
        shutil.rmtree(folder)
    os.mkdir(folder, 0o700)
    holder = Holder(job_id, run_dir, lease_s)
    server = Server(path, holder)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: holder.end(f"signal {number}"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with holder.change:
        while not holder.ending:
            left_s = holder.renewed + holder.lease_s - time.monotonic()
            if left_s <= 0:
                holder.end(f"no controller for {holder.lease_s:g} s")
            holder.change.wait(max(0.01, min(left_s, 1.0)))
    print(f"{utc_now()} ending: {holder.ending}", flush=True)
    holder.finish()
    time.sleep(0.2)  # the answer to the request that asked for the end is on its way
    shutil.rmtree(folder, ignore_errors=True)
    return 0 if not holder.ending.startswith(("signal", "no controller")) else 1


def ask(path, text, timeout_s=None):
    """Send one request to the holder on this host and return its answer; OSError if there is none."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(timeout_s)
        connection.connect(path)
        connection.sendall(text.encode())
        connection.shutdown(socket.SHUT_WR)
        with connection.makefile("rb") as stream:
            return stream.read().decode()


def main():
    """Run one of the two commands."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command", choices=["serve", "ctl"])
    parser.add_argument("--run-dir", required=True)
    parser.add_argument("--lease", type=float, default=LEASE_S)
    options = parser.parse_args()
    if options.command == "serve":
        status = serve(options.run_dir, options.lease)
        sys.stdout.flush()
        os._exit(status)  # threads that still probe are of no interest
    try:
        answer = ask(socket_path(os.environ["SLURM_JOB_ID"], options.run_dir), sys.stdin.read())
    except OSError as error:
        sys.exit(print(f"no holder here: {error}", file=sys.stderr) or 3)
    if not answer:
        sys.exit(print("the holder ended before it answered", file=sys.stderr) or 3)
    sys.stdout.write(answer)


if __name__ == "__main__":
    main()
