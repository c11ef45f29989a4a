# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The life of steps in the holder: their clients, their ends, their events, and the few things asked of Slurm."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import threading
import time

from .basics import tail, utc_now
from .faults import keep, may_restart, read_end, sweep
from .journal import PASSING, Ends, events, remembered, set_logs_aside
from .secret_values import resolve
from .slurm_calls import call, clean_env

CALL_S = 10.0  # the longest that one Slurm command may take
PATIENCE_S, LOOK_AGAIN_S = 40.0, 1.0  # a new holder asks so long, so often, what of an earlier one still runs
TIERS = ("benchmark", "frontend", "worker", "head_infra")  # the order in which steps end
RETRY_PAUSES_S = (0.5, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3)
AGAIN_S, YOUNG_S = 0.2, 15.0  # TERM is sent again so soon to steps so young if scancel says that some did not get it
KILL_AGAIN_S, GIVE_UP_S = 5.0, 60.0  # KILL is repeated, and after so long a step that does not end is left alone
TRANSIENT = re.compile(
    "Memory required by task is not available|Unable to contact slurm controller|Socket timed out|Zero Bytes were "
    "transmitted|Communication connection failure|Slurm temporarily unable|Transport endpoint is not connected"
)
# GPUs of the holder, beside what else stays out.
SCRUBBED = re.compile("(CUDA|ROCR)_VISIBLE_DEVICES$|GPU_DEVICE_ORDINAL$|ZE_AFFINITY_MASK$")
REMEMBERED = ("name", "tier", "digest", "nodes", "critical", "restarts", "log", "stop_grace_s", "deadline_s")
RESTART_PAUSES_S = (0.5, 2, 5, 10, 30)  # before the first restart of a step, the second, and so on
SAID = (
    "state", "attempt", "step_id", "node", "started_at", "running_at", "ended_at", "exit_code", "signal", "reason",
    "expected",
)  # fmt: skip


def number_of(step_id):
    """Return 7 for the step id ``42.7``, -1 for none."""
    return int(step_id.rsplit(".", 1)[1]) if step_id else -1


class Slurm:
    """All that the holder wants from Slurm; tests put another one in its place."""

    def __init__(self, job_id):
        self.job_id, self.node = job_id, os.environ.get("SLURMD_NODENAME")
        # The parts of a heterogeneous job have ids of their own, and their steps carry those.
        parts = range(int(os.environ.get("SLURM_HET_SIZE") or 0))
        self.jobs = ",".join(os.environ.get(f"SLURM_JOB_ID_HET_GROUP_{part}", job_id) for part in parts) or job_id

    def spawn(self, argv, env, err_path):
        """Start a client in a session of its own, with nothing of ours but a place for its messages."""
        base = {k: v for k, v in clean_env().items() if not SCRUBBED.match(k)}
        with open(err_path, "ab") as err:
            return subprocess.Popen(
                argv, env=dict(base, **env), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True
            )

    def steps(self):
        """Return {step id: name} of what runs now, or None when Slurm does not say."""
        done = self._call("squeue", "--all", "--noheader", "--steps", f"--jobs={self.jobs}", "--format=%i|%j")
        if done is None or done.returncode:
            return None
        lines = [line.strip().split("|", 1) for line in done.stdout.split("\n") if "|" in line]
        return {step_id: name for step_id, name in lines if step_id.rsplit(".", 1)[-1].isdigit()}

    def signal(self, step_ids, name):
        """Signal the processes of the steps; False if some did not get it, None when Slurm did not answer."""
        done = self._call("scancel", f"--signal={name}", *step_ids)
        return None if done is None else done.returncode == 0

    @staticmethod
    def _call(*argv):
        return call(CALL_S, *argv)


class Step:
    """One attempt of a step: what was asked for and what is known of it."""

    def __init__(self, ask, attempt=1, newer_than=-1):
        self.ask, self.name, self.attempt, self.newer_than = ask, ask["name"], attempt, newer_than
        self.client, self.seq, self.born, self.restarted = None, 0, time.monotonic(), 0
        self.state, self.expected = "starting", False
        self.step_id = self.node = self.exit_code = self.signal = self.reason = None
        self.started_at = self.running_at = self.ended_at = None

    @property
    def alive(self):
        return self.state != "ended"

    def record(self):
        """Return the record of the protocol."""
        ask, nodes = self.ask, self.ask.get("nodes") or []
        log = (ask.get("log") or "").replace("%N", nodes[0] if nodes else "%N")
        said = {key: getattr(self, key) for key in SAID}
        return dict({key: ask.get(key) for key in REMEMBERED}, **said, critical=bool(ask.get("critical")), log=log)

    def grace_s(self, wish=None):
        return float(wish if wish is not None else self.ask.get("stop_grace_s") or 10)


class Steps:
    """The steps of a job. One condition guards them and tells of every change; a thread owns the client of each."""

    def __init__(self, run_dir, slurm):
        self.run_dir, self.slurm = run_dir, slurm
        self.change = threading.Condition()
        self.one_at_a_time = threading.Lock()  # start and stop of two controllers never mix
        self.looking, self.seen, self.seen_at = threading.Lock(), None, -1e9
        self.steps, self.seq, self.ends = {}, 0, Ends(events(run_dir))
        self.ending = self.finder = self.trouble = None
        os.makedirs(os.path.join(run_dir, "logs", ".srun"), exist_ok=True)
        self._remember()

    def start(self, asks, restart=False, attempts=None):
        """Start what does not run with the digest asked for.

        Return {name: kept|adopted|started|replaced|busy|overtaken}. A benchmark is busy as long as another one runs:
        two at once would measure each other.

        :param attempts: {name: the last attempt of the step that the asker has seen, 0 for none}. A step with a later
            one that does not run is overtaken: who asks shall see first what came of it.
        """
        actions, old, new = {}, [], []
        with self.one_at_a_time:
            with self.change:
                for ask in asks:
                    step = self.steps.get(ask["name"])
                    anew = restart or ask.get("restart")
                    if step and step.alive and step.ask.get("digest") == ask["digest"] and not anew:
                        actions[step.name] = "adopted" if step.state == "unowned" else "kept"
                        step.ask = ask
                        if step.state == "unowned":
                            self.note(step, "adopted", state="running", reason="runs without a client of ours")
                        continue
                    if step and step.attempt > (attempts or {}).get(step.name, step.attempt):
                        actions[step.name] = "overtaken"
                        continue
                    if ask.get("tier") == "benchmark" and self._measured(ask["name"]):
                        actions[ask["name"]] = "busy"
                        continue
                    actions[ask["name"]] = "replaced" if step else "started"
                    old += [step] if step and step.alive else []
                    new.append(Step(ask, step.attempt + 1, number_of(step.step_id)) if step else Step(ask))
            left = self.stop(old)
            if left:
                raise RuntimeError(f"{', '.join(s.name for s in left)} could not be ended and is not started again")
            with self.change:
                for step in new:
                    self.steps[step.name] = step
                    threading.Thread(target=self._own, args=(step,), daemon=True).start()
                if new and not self.finder:
                    self.finder = threading.Thread(target=self._find, daemon=True)
                    self.finder.start()
        return actions

    def _measured(self, name):
        """Return the benchmark steps that run, but for the one called *name*."""
        return [s for s in self.steps.values() if s.alive and s.ask.get("tier") == "benchmark" and s.name != name]

    def stop_in_tiers(self, steps, grace_s=None, give_up_s=GIVE_UP_S):
        """End steps tier by tier. One deadline for all: what the first tiers use up is not left for the last."""
        until = time.monotonic() + max([s.grace_s(grace_s) for s in steps], default=0)
        tiers = [s.ask.get("tier") for s in steps]
        for tier in (*TIERS, *sorted({str(t) for t in tiers} - set(TIERS))):
            self.stop([s for s, its in zip(steps, tiers) if str(its) == tier], grace_s, until, give_up_s)

    def stop(self, steps, grace_s=None, until=1e18, give_up_s=GIVE_UP_S):
        """End steps together: TERM to their processes by Slurm, after their grace KILL, again and again.

        Return the steps that live on, for Slurm may not answer.
        """
        with self.change:
            alive = [s for s in steps if s.alive]
            for step in alive:
                step.expected = True
            self.change.notify_all()
        told, patient = self._signal(alive, "TERM"), time.monotonic() + give_up_s
        while told is None and time.monotonic() < patient:
            with self.change:
                self.change.wait(1.0)
                alive = [s for s in alive if s.alive]
            told = self._signal(alive, "TERM")
        now = time.monotonic()
        due = {s: min(now + s.grace_s(grace_s), until) for s in alive}
        over, again = max(due.values(), default=now) + give_up_s, now + AGAIN_S
        while True:
            with self.change:
                alive, now = [s for s in alive if s.alive], time.monotonic()
                late = [s for s in alive if due[s] <= now]
                # A step whose task does not run yet cannot get a signal, and scancel does not say which one it was.
                young = [s for s in alive if not told and s not in late and now - s.born < YOUNG_S]
                due.update(dict.fromkeys(late, now + KILL_AGAIN_S))
                if not alive or now > over:
                    return alive
                if not late and not (young and again <= now):
                    next_s = min([due[s] - now for s in alive] + ([again - now] if young else []))
                    self.change.wait(max(0.01, min(next_s, 1.0)))
            if young and again <= now:
                told, again = self._signal(young, "TERM"), time.monotonic() + AGAIN_S
            self._signal([s for s in late if s.alive], "KILL")

    def _signal(self, steps, name):
        """Signal the processes of the steps; False if some did not get it, None when Slurm did not answer."""
        for step in steps:
            if step.client and not step.step_id:  # Slurm has not named it yet: its client withdraws it
                step.client.send_signal(signal.SIGTERM if name == "TERM" else signal.SIGKILL)
        ids = [s.step_id for s in steps if s.step_id]
        return self.slurm.signal(ids, name) if ids else True

    def _own(self, step):
        """The life of one attempt, in a thread of its own: start, wait for its client, tell how it ended."""
        err = os.path.join(self.run_dir, "logs", ".srun", f"{step.name}.{step.attempt}.err")
        if step.restarted:
            with self.change:
                pause = RESTART_PAUSES_S[min(step.restarted, len(RESTART_PAUSES_S)) - 1]
                self.change.wait_for(lambda: step.expected or self.ending, pause)
        failed = None
        for pause in (*RETRY_PAUSES_S, 0):
            with self.change:
                if step.expected or self.ending:
                    return self.note(step, "end", state="ended", reason="stopped before it started")
                try:
                    set_logs_aside(self.run_dir, step)
                    begin = os.path.getsize(err) if os.path.exists(err) else 0
                    env = resolve(step.ask.get("srun_env") or {}, self.run_dir)
                    step.client = self.slurm.spawn(step.ask["srun_argv"], env, err)
                except (OSError, ValueError) as error:  # a full disk, a secret without a value
                    failed = f"srun could not be started: {error}"
                else:
                    self.note(step, "start", started_at=utc_now(), pid=step.client.pid)
            if failed:
                return self._over(step, reason=failed)
            code = step.client.wait()
            messages = tail(err, begin=begin)
            with self.change:
                passing = [line for line in messages.splitlines() if TRANSIENT.search(line)]
                if not (code and pause and step.state == "starting" and passing):
                    break
                self.note(step, "retry", reason=passing[-1])
                self.change.wait_for(lambda: step.expected or self.ending, pause)
        if code < 0 and step.step_id:
            self.note(step, "client", reason=read_end(code, "")["reason"])
            if not self._gone(step, 8.0):
                self.note(step, "unowned", state="unowned")
                return self._observe(step)
        return self._over(step, **read_end(code, messages))

    def _observe(self, step):
        """See the end of a step that has no client."""
        self._gone(step)
        if step.alive:
            self._over(step, reason="ended without a client, so its exit code is not known")

    def _sweep(self, step):
        """End what outlived its step on this node, so that its ports are free again."""
        folder, node = os.path.realpath(self.run_dir), self.slurm.node
        with self.change:
            alive = {s.ask.get("log") for s in self.steps.values() if s.alive and s is not step}
        log = step.ask.get("log")
        if node in (step.ask.get("nodes") or ()) and log and log not in alive:
            pids = sweep({os.path.join(folder, log.replace("%N", node))})
            if pids:
                self.write({"event": "orphans", "step": step.name, "reason": f"killed processes {pids}"})

    def _over(self, step, **end):
        """Tell that a step ended. If nobody wanted that: keep its evidence first, and start it again if it may."""
        self._sweep(step)
        well = step.ask.get("tier") in PASSING and end.get("exit_code") == 0
        unwanted = not (step.expected or self.ending or well)
        found = None
        if unwanted:
            try:
                found = keep(dict(step.record(), **end), self.run_dir)
            except OSError as error:
                self.trouble = f"evidence of {step.name}: {error}"
        with self.change:  # nobody sees the end of a step that lives on as another attempt
            self.note(step, "end", state="ended", **end)
            if unwanted and not step.expected and self.steps.get(step.name) is step and may_restart(step, found):
                again = Step(step.ask, step.attempt + 1, number_of(step.step_id))
                again.restarted = step.restarted + 1
                self.steps[step.name] = again
                count = f"{again.restarted} of {step.ask['restarts']}"
                self.note(again, "restart", reason=f"restart {count}: {end['reason']}")
                threading.Thread(target=self._own, args=(again,), daemon=True).start()
                if not self.finder:
                    self.finder = threading.Thread(target=self._find, daemon=True)
                    self.finder.start()

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
                    if step and step.client and step.state == "starting" and number_of(step_id) > step.newer_than:
                        self.note(step, "running", state="running", step_id=step_id, running_at=utc_now(), reason=None)

    def _look(self, max_age_s):
        """Return {step id: name} of what Slurm runs, not older than *max_age_s*; None when it does not say."""
        with self.looking:
            if time.monotonic() - self.seen_at > max_age_s:
                self.seen, self.seen_at = self.slurm.steps(), time.monotonic()
            return self.seen

    def _remember(self):
        """Learn from steps.jsonl what an earlier holder of this run directory started."""
        last = remembered(self.run_dir)
        begun_again = int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0
        lived = any(event.get("state") != "ended" for event in last.values())
        # Nothing of before runs in a job that has begun again.
        present = self._present() if lived and not begun_again else {}
        for name, event in last.items():
            step = self.steps[name] = Step({key: event.get(key) for key in REMEMBERED}, event.get("attempt") or 1)
            step.__dict__.update({key: event[key] for key in SAID if key in event})
            if begun_again:  # the steps of a requeued job are counted from 0 again, and its past is no fault of today
                step.step_id, step.expected = None, True
            if not step.alive:
                continue
            step.step_id = step.step_id or next((i for i, n in present.items() if n == name), None)
            if step.step_id in present:
                self.note(step, "unowned", state="unowned", reason="started by an earlier holder")
                threading.Thread(target=self._observe, args=(step,), daemon=True).start()
            else:
                self.note(step, "end", state="ended", expected=True, reason="ended before this holder began")

    def _present(self):
        """Return {step id: name} of what Slurm runs; RuntimeError when it does not say, which is not "nothing"."""
        until = time.monotonic() + PATIENCE_S
        while True:
            present = self._look(0.0)
            if present is not None:
                return present
            with self.change:
                if time.monotonic() > until:
                    raise RuntimeError("Slurm does not say which steps run, and none is to be started twice")
                self.change.wait(LOOK_AGAIN_S)

    def note(self, step, event, pid=None, **news):
        """Change a step, write the event, tell everybody who waits."""
        with self.change:
            step.__dict__.update(news)
            self.seq += 1
            step.seq = self.seq
            if not step.alive:
                step.ended_at, step.expected = utc_now(), step.expected or bool(self.ending)
                step.node = step.node or (step.ask.get("nodes") or [None])[0]
                self.ends.add(step.record())
            self.write(dict(step.record(), event=event, pid=pid))
            self.change.notify_all()

    def write(self, event):
        """Append one line to steps.jsonl. A full disk must not cost the service: then answers tell of it."""
        try:
            with open(os.path.join(self.run_dir, "steps.jsonl"), "a", encoding="utf-8") as stream:
                stream.write(json.dumps(dict({"t": utc_now()}, **event)) + "\n")
        except OSError as error:
            self.trouble = f"steps.jsonl: {error}"
