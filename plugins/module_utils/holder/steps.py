# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The life of steps: their clients, their ends, their restarts, and steps without a client."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from . import step as codes
from .faults import keep, may_restart, read_end
from .journal import Ends, Journal, latest_events, set_logs_aside, step_events
from .leftovers import Writers
from .proxies import without_proxy
from .records import StepRequest
from .secret_values import hide, resolve
from .slurm_calls import NOT_YET_FREE, UNANSWERED, Listing, StepCalls
from .step import BEGUN, PASSING, SPEC_FIELDS, STATE_FIELDS, Step, number_of, srun_file
from .stopping import Stopper
from .tails import tail
from .utc import utc_now

PATIENCE_S = 40.0  # how long a new holder queries the steps of an earlier one
LOOK_S = 1.0  # pause between two checks of a step without a client
RETRY_PAUSES_S = (0.5, 1, 2, 3, 3, 3, 3, 3, 3, 3, 3)
RESTART_PAUSES_S = (0.5, 2, 5, 10, 30)  # before the first restart of a step, the second, and so on
CLIENT_LOST_S = 8.0  # how long a step may outlive its client before it counts as unowned
CLIENT_LATE_S = 5.0  # how long a client may take to report that Slurm no longer runs its step

UNREPORTED = "Slurm no longer runs it, and its srun client did not report that: it was stopped, or hangs"


class Steps:
    """The steps of a job. One condition guards them and signals every change; a thread owns the client of each.

    :param slurm: see slurm_calls.Slurm.
    :param before_failure: called with the record of a step that ended unexpectedly, before its end is recorded.
        It may close the steps, for example if Slurm ends the whole job.
    :param look_s: pause between two checks of a step without a client.
    :ivar by_name: {name: latest attempt}.
    :ivar closed: no step starts any more, and every end is expected.
    """

    def __init__(
        self,
        run_dir: str,
        slurm: StepCalls,
        journal: Journal | None = None,
        before_failure: Callable[[Mapping[str, Any]], None] | None = None,
        look_s: float = LOOK_S,
    ) -> None:
        self.run_dir, self.slurm, self.journal = run_dir, slurm, journal or Journal(run_dir)
        self.listing, self.look_s = Listing(slurm), look_s
        self.change = threading.Condition()
        self.one_at_a_time = threading.Lock()  # start and stop of two controllers never mix
        self.by_name: dict[str, Step] = {}
        self.seq, self.ends, self.closed = 0, Ends(step_events(run_dir)), False
        self.stopper = Stopper(self.change, slurm)
        self._before_failure = before_failure or (lambda record: None)
        self._finder: threading.Thread | None = None
        self._writers = Writers()
        os.makedirs(os.path.join(run_dir, "logs", ".srun"), exist_ok=True)
        self._recover()

    def close(self) -> None:
        """Start no further steps; every end is expected from here on."""
        with self.change:
            self.closed = True
            self.change.notify_all()

    def start(
        self, specs: list[StepRequest], restart: bool = False, attempts: Mapping[str, int] | None = None
    ) -> dict[str, str]:
        """Start the steps that do not run with the requested digest.

        Return {name: kept|adopted|started|replaced|busy|overtaken}. A benchmark is busy while another one runs:
        two at once would disturb each other. RuntimeError if a step to replace cannot be ended.

        :param attempts: {name: the last attempt of the step that the controller has seen, 0 for none}. A step with a
            later one that does not run is overtaken: the controller must first read its outcome.
        """
        with self.one_at_a_time:
            with self.change:
                actions = {spec["name"]: self._action(spec, restart, attempts or {}) for spec in specs}
                new = [spec for spec in specs if actions[spec["name"]] in ("started", "replaced")]
                old = [self.by_name[spec["name"]] for spec in new if spec["name"] in self.by_name]
                fresh = [self._attempt(spec) for spec in new]
            left = self.stopper.stop([step for step in old if step.alive])
            if left:
                raise RuntimeError(f"{', '.join(s.name for s in left)} could not be ended and is not started again")
            with self.change:
                for step in fresh:
                    self._begin(step)
        return actions

    def _action(self, spec: StepRequest, restart: bool, attempts: Mapping[str, int]) -> str:
        """Return the action for one request, which replaces the request of a kept step."""
        step = self.by_name.get(spec["name"])
        if step and step.alive and step.spec.get("digest") == spec["digest"] and not (restart or spec.get("restart")):
            step.spec = spec
            if step.state != "unowned":
                return "kept"
            self.note(step, "adopted", state="running", reason="runs without a client of ours")
            return "adopted"
        if step and step.attempt > attempts.get(step.name, step.attempt):
            return "overtaken"
        if spec.get("tier") == "benchmark" and self._measured(spec["name"]):
            return "busy"
        return "replaced" if step else "started"

    def _attempt(self, spec: StepRequest) -> Step:
        step = self.by_name.get(spec["name"])
        return step.next_attempt(spec) if step else Step(spec)

    def _measured(self, name: str) -> list[Step]:
        """Return the running benchmark steps except *name*."""
        return [s for s in self.by_name.values() if s.alive and s.tier == "benchmark" and s.name != name]

    def _begin(self, step: Step) -> None:
        """Start a thread that owns *step*, and one that finds the ids of new steps if there is none."""
        self.by_name[step.name] = step
        threading.Thread(target=self._own, args=(step,), daemon=True).start()
        if not self._finder:
            self._finder = threading.Thread(target=self._find, daemon=True)
            self._finder.start()

    def _own(self, step: Step) -> None:
        """Run one attempt in its thread: start, wait for its client, record its end."""
        err = srun_file(self.run_dir, step.name, step.attempt, "err")
        if step.restarted:
            with self.change:
                pause = RESTART_PAUSES_S[min(step.restarted, len(RESTART_PAUSES_S)) - 1]
                self.change.wait_for(lambda: step.expected or self.closed, pause)
        for pause in (*RETRY_PAUSES_S, 0):
            spawned = self._spawn(step, err)
            if spawned is None:
                return None
            client, begin = spawned
            code = client.wait()
            messages = "\n".join(hide(tail(err, begin=begin).splitlines(), self.run_dir))
            with self.change:
                passing = [one for one in messages.splitlines() if UNANSWERED.search(one) or NOT_YET_FREE.search(one)]
                if not (code and pause and step.state == "starting" and passing):
                    break
                self.note(step, "retry", reason=passing[-1])
                self.change.wait_for(lambda: step.expected or self.closed, pause)
        if step.unreported:
            return self._end(step, end_code=codes.UNREPORTED, reason=UNREPORTED)
        if code < 0 and step.step_id:
            self.note(step, "client", reason=read_end(code, "")["reason"])
            if not self._is_gone(step, CLIENT_LOST_S):
                self.note(step, "unowned", state="unowned")
                return self._observe(step)
        return self._end(step, **read_end(code, messages))

    def _spawn(self, step: Step, err: str) -> tuple[subprocess.Popen[bytes], int] | None:
        """Start the client of *step*; return the size of *err* before it, None if it ended at once without a client."""
        with self.change:
            if step.expected or self.closed:
                reason = "stopped before it started"
                self.note(step, "end", state="ended", end_code=codes.STOPPED_EARLY, reason=reason)
                return None
            try:
                set_logs_aside(self.run_dir, step)
                begin = os.path.getsize(err) if os.path.exists(err) else 0
                env = without_proxy(resolve(step.spec.get("srun_env") or {}, self.run_dir), self.run_dir)
                if BEGUN in env:
                    env[BEGUN] = srun_file(self.run_dir, step.name, step.attempt, "begun")
                step.client = client = self.slurm.spawn(step.spec["srun_argv"], env, err)
            except (OSError, ValueError) as error:  # a full disk, a secret without a value
                reason = f"srun could not be started: {error}"
            else:
                self.note(step, "start", started_at=utc_now(), pid=client.pid)
                return client, begin
        self._end(step, end_code=codes.SRUN_FAILED, reason=reason)
        return None

    def _observe(self, step: Step) -> None:
        """Wait for the end of a step without a client."""
        self._is_gone(step)
        if step.alive:
            self._end(step, end_code=codes.UNKNOWN, reason="ended without a client, so its exit code is unknown")

    def _sweep(self, step: Step) -> None:
        """End processes that outlived the step on this node, to free its ports."""
        folder, node = os.path.realpath(self.run_dir), self.slurm.node
        with self.change:
            alive = {s.spec.get("log") for s in self.by_name.values() if s.alive and s is not step}
        log = step.spec.get("log")
        if node in (step.spec.get("nodes") or ()) and log and log not in alive:
            pids = self._writers.kill(os.path.join(folder, log.replace("%N", node)))
            if pids:
                self.journal.write("orphans", step=step.name, reason=f"killed processes {pids}")

    def _is_failure(self, step: Step, end: Mapping[str, Any]) -> bool:
        """Return whether this end of *step* is unexpected."""
        passed = step.tier in PASSING and end.get("exit_code") == 0
        return not (step.expected or self.closed or passed)

    def _end(self, step: Step, **end: Any) -> None:
        """Record the end of a step. If it is unexpected, keep its evidence first, and restart it if allowed."""
        if self._is_failure(step, end):
            self._before_failure(dict(step.record(), **end))
        self._sweep(step)
        failed, found = self._is_failure(step, end), None
        if failed:
            try:
                found = keep(dict(step.record(), **end), self.run_dir)
            except OSError as error:
                self.journal.trouble = f"evidence of {step.name}: {error}"
        with self.change:  # the end of a step that is restarted is not visible in between
            self.note(step, "end", state="ended", **end)
            if failed and not step.expected and self.by_name.get(step.name) is step and may_restart(step, found):
                following = step.next_attempt()
                following.restarted = step.restarted + 1
                count = f"{following.restarted} of {step.spec['restarts']}"
                self.note(following, "restart", reason=f"restart {count}: {end['reason']}")
                self._begin(following)

    def look(self, patience_s: float = PATIENCE_S) -> bool:
        """Compare the steps with those that Slurm runs, and end those that only their clients keep alive.

        A client that was stopped, or hangs, does not report the end of its step. Return False if Slurm does not answer
        in *patience_s*.
        """
        until = time.monotonic() + patience_s
        with self.change:
            left = [step for step in self.by_name.values() if step.state == "running" and step.client]
        for _time in range(2):  # a slurmctld that has just begun may not have all of them yet
            present = self._listed(until)
            if present is None:
                return False
            left = self._outlasting([step for step in left if step.step_id not in present])
            if not left:
                return True
        with self.change:
            for step in left:
                step.unreported = True
                self.stopper.end_client(step)
        self._outlasting(left)
        return True

    def _listed(self, until: float) -> dict[str, str] | None:
        """Return {step id: name} of the steps that run now, None if Slurm does not answer."""
        present = self.listing.look(0.0)
        while present is None and time.monotonic() < until and not self.closed:
            with self.change:
                self.change.wait(LOOK_S)
            present = self.listing.look(0.0)
        return present

    def _outlasting(self, steps: list[Step]) -> list[Step]:
        """Wait a little for the ends of *steps*; return those whose clients have not reported it then."""
        with self.change:
            self.change.wait_for(lambda: not any(step.alive for step in steps), CLIENT_LATE_S)
            return [step for step in steps if step.alive]

    def _is_gone(self, step: Step, limit_s: float = 1e9) -> bool:
        """Wait until Slurm no longer runs the step, *limit_s* at most; True if it is gone."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until and step.alive:
            present = self.listing.look(0.8 * self.look_s)
            if present is not None and step.step_id not in present:
                return True
            with self.change:
                self.change.wait(self.look_s)
        return not step.alive

    def _find(self) -> None:
        """Find the ids of starting steps with one query for all, less often if there are many."""
        while True:
            with self.change:
                young = {s.name: s for s in self.by_name.values() if s.state == "starting"}
                if not young:
                    self._finder = None
                    return
                self.change.wait(max(0.04, min(0.5, 0.004 * len(young))))
            present = self.listing.look(0.0) or {}
            with self.change:
                for step_id, name in present.items():
                    step = young.get(name)
                    if step and step.client and step.state == "starting" and number_of(step_id) > step.newer_than:
                        self.note(step, "running", state="running", step_id=step_id, running_at=utc_now(), reason=None)

    def _recover(self) -> None:
        """Read the steps of an earlier holder of this run directory from the journal."""
        last = latest_events(self.run_dir)
        requeued = int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0
        lived = any(event.get("state") != "ended" for event in last.values())
        # Earlier steps do not run in a requeued job.
        present = self._present() if lived and not requeued else {}
        for name, event in last.items():
            step = self.by_name[name] = Step({key: event.get(key) for key in SPEC_FIELDS}, event.get("attempt") or 1)
            step.__dict__.update({key: event[key] for key in STATE_FIELDS if key in event})
            if requeued:  # a requeued job numbers its steps from 0 again, and earlier ends are not current faults
                step.step_id, step.expected = None, True
            if not step.alive:
                continue
            step.step_id = step.step_id or next((i for i, n in present.items() if n == name), None)
            if step.step_id in present:
                self.note(step, "unowned", state="unowned", reason="started by an earlier holder")
                threading.Thread(target=self._observe, args=(step,), daemon=True).start()
            else:
                reason = "ended before this holder started"
                self.note(step, "end", state="ended", expected=True, end_code=codes.UNSEEN, reason=reason)

    def _present(self) -> dict[str, str]:
        """Return {step id: name} of the running steps; RuntimeError if Slurm does not answer, which is not "none"."""
        until = time.monotonic() + PATIENCE_S
        while True:
            present = self.listing.look(0.0)
            if present is not None:
                return present
            with self.change:
                if time.monotonic() > until:
                    raise RuntimeError("Slurm does not list the running steps, and none must be started twice")
                self.change.wait(LOOK_S)

    def note(self, step: Step, event: str, pid: int | None = None, **news: Any) -> None:
        """Change a step, write the event, and notify all waiters."""
        with self.change:
            step.__dict__.update(news)
            self.seq += 1
            step.seq = self.seq
            if not step.alive:
                step.ended_at, step.expected = utc_now(), step.expected or self.closed
                step.node = step.node or (step.spec.get("nodes") or [None])[0]
                self.ends.add(step.record())
            self.journal.write(event, **step.record(), pid=pid)
            self.change.notify_all()
