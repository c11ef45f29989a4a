# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One point measured: its step is started or attached to, watched, and evaluated."""

from __future__ import annotations

import os
import time

from ..allocation.driver import age_s, paused_s
from ..benchmarks import of_plan
from ..benchmarks.base import DONE, FAILED, Progress
from ..failures import Error
from ..holder.records import StepRecord
from ..json_types import JsonObject
from ..plan_file import PlanPoint, Step, check_run_dir
from ..results import parts, searching
from ..results.observed import lacking
from ..results.verdict import MIN_COMPLETED, Verdict, make_verdict, write_verdict
from ..slurm.srun import start_request
from . import point_files, redeployment
from .concurrent_measurements import wait_for_others
from .evidence import evidence
from .image_import import Imports
from .point_progress import LogLines, log_path, progress_of
from .profiles import Profiles
from .service_gaps import gaps_between
from .service_look import look_afterwards, look_before, witnesses
from .session import Session

FIRST_SLICE_S, LONGEST_SLICE_S = 1.0, 10.0
START_WAIT_S = 20.0
UNENDED_S = 30.0  # how long a step may outlive a load client that has said that it is done
SILENT_S = 10.0  # a load client that shows no sign of life for so long does not run; it writes one every second
SHARED_DISK_S = 10.0  # how long a file that another node wrote may stay unseen


class Measurement:
    """One point.

    Another controller may measure the same point at the same time: its measurement is joined, or its result is kept.

    :ivar action: measured, attached (its step ran already), evaluated (its step had ended unseen) or kept (another
        controller has measured and evaluated it meanwhile).
    :ivar restarts: whether a part of the service was restarted meanwhile, or the job or the load client was kept from
        running, so that another attempt may succeed.
    """

    def __init__(self, session: Session, point: PlanPoint, params: JsonObject) -> None:
        self._session, self._point, self._params = session, point, params
        self._plan, self._ctx, self._benchmark = session.plan, session.ctx, of_plan(session.plan)
        self._name = point["step"]["name"]
        self._result = point_files.result_path(session.plan, point)
        self._profiles = Profiles(session, point)
        self._seen: object = None
        self._alive: object = None
        self._seen_at = self._alive_at = time.monotonic()
        self._attempt = self._last_attempt()  # a later one is not of the past, which ``force`` leaves out
        self._output = LogLines(log_path(point, session.plan["run_dir"])) if point.get("streams") else None
        self._pause_reported = False  # whether it was stopped because the job was paused
        self._whole_since: str | None = None  # see Session, of the look before this measurement
        self.action, self.restarts = "measured", False

    def run(self) -> Verdict:
        """Return the verdict, which is also stored beside the result."""
        kept = self._start()
        if kept:
            return kept
        while True:
            self._pause_reported = False
            stopped = self._watch()
            self._show_output()
            attempt, verdict = self._last_attempt(), self._evaluate(stopped)
            if self._last_attempt() == attempt:
                break
            # Another controller measures it again, and that attempt counts.
            self.action, self.restarts = "attached", False
        check_run_dir(self._plan["run_dir"])
        if self._ours():  # otherwise the files now belong to another measurement
            write_verdict(self._result, verdict)
        return verdict

    @property
    def _record(self) -> StepRecord:
        return self._session.records[self._name]

    def _ours(self) -> StepRecord | None:
        """Return the record of the step if it was started for this point, else None."""
        record = self._session.records.get(self._name)
        return record if record and record["digest"] == self._point["step"]["digest"] else None

    @property
    def _since(self) -> str:
        """The time from which on the service has to be whole: that of the look before this run started the step."""
        begin = self._record["started_at"] or ""
        return min(begin, self._whole_since or begin) if self.action == "measured" else begin

    @property
    def begun(self) -> bool:
        """Whether a measurement of this point is running, or has ended without an evaluation."""
        record = self._ours()
        return bool(record and record["state"] != "ended") or self._ended_unseen()

    def _last_attempt(self) -> int:
        """Return the number of the step's latest attempt, whatever it was started for; 0: there is none."""
        record = self._session.records.get(self._name)
        return record["attempt"] if record else 0

    def _ended_unseen(self) -> bool:
        record = self._ours()
        ended = record and record["state"] == "ended" and record["exit_code"] == 0
        if not ended or not self._counts():
            return False
        if self._last_attempt() > self._attempt:  # just now, on another node
            self._await_file()
        return point_files.unevaluated(self._plan, self._point)

    def _counts(self) -> bool:
        """Return whether the existing measurement must not be repeated."""
        return not self._params["force"] or self._last_attempt() > self._attempt

    def _start(self) -> Verdict | None:
        """Start the step if no other controller has; return the verdict if nothing is left to do."""
        if not self.begun:
            # The check of the service may have taken a while.
            self._session.ask("status", witness=witnesses(self._session))
        while True:
            record = self._ours()
            if record and record["state"] != "ended":
                self.action = "attached"  # not started: it may end at this moment, and would be replaced
                return None
            if self._ended_unseen():
                self.action = "evaluated"
                return None
            kept = point_files.kept_verdict(self._plan, self._point) if self._counts() else None
            if kept:
                self.action = "kept"
                return kept
            if not self._session.whole_since and not self._session.measured(self._name):
                look_before(self._session)
                continue  # that may have taken a while
            if self._profiles.wanted and self._session.measured(self._name):  # it would have our profile
                self._wait_for_others()
                continue
            failed = self._profiles.start(self._last_attempt() + 1)
            point_files.set_aside(self._result)
            if failed:
                return self._without_load(failed)
            last = {self._name: self._last_attempt()}
            step = start_request(self._step(), self._plan["job_id"], self._plan["run_dir"])
            step["deadline_s"] = self._point["deadline_s"]
            answer = self._session.ask("start", steps=[step], attempts=last, wait_s=START_WAIT_S)
            action = next((one["action"] for one in answer.get("actions") or ()), None)
            if action == "busy":
                self._wait_for_others()
            elif action != "overtaken":
                self.action = "attached" if action in ("kept", "adopted") else "measured"
                self._whole_since, self._session.whole_since = self._session.whole_since, None
                return None

    def _wait_for_others(self) -> None:
        wait_for_others(self._session, self._point)
        self._session.whole_since = None  # parts may have ended since

    def _without_load(self, reasons: list[str]) -> Verdict:
        """Return the verdict on a point whose load is not worth sending, after it was stored."""
        verdict = self._profiles.marked(make_verdict(self._point, reasons), [])
        os.makedirs(os.path.dirname(self._result), exist_ok=True)
        write_verdict(self._result, verdict)
        return verdict

    def _step(self) -> Step:
        """Return the step to start: one that sends what the service has not seen."""
        step, record = self._point["step"], self._session.records.get(self._name)
        if not record:
            return step
        workers = (self._session.records.get(one["name"]) for one in self._plan["steps"] if one["tier"] == "worker")
        since = record["ended_at"] or "9"
        seen = any(one and (one["started_at"] or "") <= since for one in workers)
        return self._benchmark.step_again(step, record["attempt"]) if seen else step

    def _watch(self) -> str | None:
        """Wait for the end of the step; return why it had to be stopped, or None."""
        slice_s, until, attempt = FIRST_SLICE_S, 0.0, None
        imports = Imports([self._point["step"]], self._plan["run_dir"])
        while self._record["state"] != "ended":
            if not self._ours():
                return "another controller started to measure it with other options or for another service"
            if self._last_attempt() != attempt:  # ours, or one that another controller started meanwhile
                self.action = "attached" if attempt else self.action
                attempt, self._seen_at = self._last_attempt(), time.monotonic()
                left_s = float(self._point["deadline_s"]) - age_s(self._session.answer, self._record["started_at"])
                slice_s, until = FIRST_SLICE_S, time.monotonic() + left_s
            if imports.look([self._record]):
                self._seen_at = time.monotonic()
            dead = self._session.dead()
            pause = None if dead else self._pause()
            reason = pause or self._too_long(until + imports.passed_s)
            broken = [] if dead else self._session.broken(self._since)
            if dead or broken:
                names = ", ".join(broken or [record["name"] for record in dead])
                reason = f"it was stopped because {names} {'stopped serving' if broken else 'ended'}"
            if reason:
                self._pause_reported = bool(pause)
                self._session.ask("stop", names=[self._name])
                return reason
            self._session.wait(self._name, max(0.05, min(slice_s, until + imports.passed_s - time.monotonic())))
            slice_s = min(2 * slice_s, LONGEST_SLICE_S)
        return None

    def _too_long(self, until: float) -> str | None:
        """Show the progress; return why the step must be stopped now, or None."""
        now, progress = time.monotonic(), self._progress()
        seen = progress.seen if progress else None
        if seen != self._seen:
            self._seen, self._seen_at = seen, now
        alive = progress.alive if progress else None
        if alive is None or alive != self._alive:
            self._alive, self._alive_at = alive, now
        self._show_output()
        if progress and not self._output:
            self._ctx.progress(progress.line)
        reason = self._benchmark.stalled(progress and progress.phase, now - self._seen_at, self._stall_limit())
        if now >= until:
            reason = f"it was stopped because it was not complete after {self._point['deadline_s']:g} s"
        if progress and progress.phase == DONE and now - self._seen_at > UNENDED_S:
            self.restarts = True
            return "its step did not end with the load client: its srun client was stopped, or hangs"
        silent_s = now - self._alive_at
        if reason and silent_s > SILENT_S:
            self.restarts = True  # the service is not the cause
            reason += f": its {self._benchmark.client} did not run for {silent_s:.0f} s"
        return reason

    def _show_output(self) -> None:
        for line in self._output.new() if self._output else ():
            self._ctx.progress(f"{self._point['label']} | {line}")

    def _progress(self) -> Progress | None:
        """Return the Progress of the measurement, or None."""
        return progress_of(self._benchmark, self._point, self._plan["run_dir"])

    def _stall_limit(self) -> float:
        """Return after how many seconds without a new token or response the step is stopped; 0: never."""
        if self._params["stall_timeout_s"] is not None:
            return self._params["stall_timeout_s"]
        limit = self._point.get("stall_timeout_s")
        return limit + self._benchmark.stall_margin_s if limit else 0

    def _pause(self) -> str | None:
        """Return why the point is not representative if its job was paused meanwhile, else None."""
        begin, end = self._record["started_at"] or "", self._record["ended_at"] or "9"
        seconds = paused_s(self._session.answer, begin, end)
        if not seconds:
            return None
        self.restarts = True
        return (
            f"the job was paused for {seconds:.0f} s meanwhile: Slurm suspended it, or its first node was stopped or "
            "overloaded"
        )

    def _evaluate(self, stopped: str | None) -> Verdict:
        """Return the verdict from the files, the end of the step, and the events of the service."""
        record, profile = self._record, self._profiles.finish(self._record)
        reasons, raw, sealed = self._outcome(stopped)
        reasons += profile.reasons
        afterwards = self._look()
        critical, allowed = self._service_gaps(record)
        pause = self._pause()
        reasons += [pause] if pause and not self._pause_reported else []
        disturbances = self._benchmark.disturbances(raw) if raw else []
        reasons += disturbances
        self.restarts = self.restarts or bool(disturbances)
        if reasons:  # a step whose client was lost may be ending
            critical += self._suspects()
        critical += afterwards
        figures = self._benchmark.figures(raw) if raw else None
        doubts = [*self._benchmark.doubts(raw), *self._profiles.doubts] if raw and sealed else []
        times = (record["started_at"], record["ended_at"])
        if sealed and figures:  # what the job requires of the scraper
            reasons += lacking(
                self._plan, self._point, (figures.get("started_at") or times[0], figures.get("ended_at") or times[1])
            )
        try:
            verdict = make_verdict(self._point, reasons + critical, figures, sealed, times, doubts=doubts)
        except OSError as error:  # another controller has set it aside first
            reasons.append(f"its result file can no longer be read: {error.strerror}")
            sealed, verdict = None, make_verdict(self._point, reasons + critical, figures, None, times)
        if sealed and raw and self._differs_now(raw):
            other = "its result file was changed while it was evaluated: another program writes to it"
            verdict = make_verdict(self._point, [*reasons, *critical, other], figures, None, times)
        verdict = self._profiles.marked(verdict, profile.files)
        verdict["attempt"] = record["attempt"]
        deployment, searched = redeployment.of_measurement(self._session, record), searching.mark(self._plan)
        verdict.update({"deployment": deployment} if deployment else {})
        verdict.update({"searched": searched} if searched else {})
        share = self._params["min_completed"]
        found = self._benchmark.parts(raw, self._point["expect"], share) if raw and sealed else []
        verdict.update({"parts": parts.of_verdict(found)} if found else {})
        if self._params["min_completed"] < MIN_COMPLETED:
            verdict["min_completed"] = self._params["min_completed"]
        return {**verdict, "service_gaps": allowed} if allowed else verdict

    def _differs_now(self, raw: JsonObject) -> bool:
        """Return whether the result file, as it was sealed, is another one than *raw*, which was evaluated."""
        try:
            return self._benchmark.read(self._result) != raw
        except Error:
            return True

    def _look(self) -> list[str]:
        """Return what of the service does not serve after the point: nobody can tell since when."""
        try:
            return look_afterwards(self._session)
        except Error as error:
            if not self._ctx.controller_alive():
                raise  # the next run evaluates it
            return [f"the service could not be looked at afterwards: {error.msg}"]

    def _outcome(self, stopped: str | None) -> tuple[list[str], JsonObject | None, str | None]:
        """Return (reasons, content of the result or partial result, path of the result if complete)."""
        benchmark, expect, share = self._benchmark, self._point["expect"], self._params["min_completed"]
        if self._record["exit_code"] == 0 and not stopped:
            try:
                self._await_file()
                raw = benchmark.read(self._result)
            except Error as error:
                return [f"the {benchmark.client} succeeded, but {error.msg}"], None, None
            reasons = self._of_another_point(raw)
            return reasons or benchmark.evaluate(raw, expect, share), raw, self._result
        partial = benchmark.read_partial(self._result)
        reasons = [stopped or self._how_it_ended(partial)]
        return reasons + (benchmark.evaluate_partial(partial, expect, share) if partial else []), partial, None

    def _of_another_point(self, raw: JsonObject) -> list[str]:
        """Return the reason, as a list, why the result *raw* is not of this point."""
        key, figures = self._point["key"], self._benchmark.figures(raw)
        other = [f"{name} {figures[name]}" for name in key if name in figures and figures[name] != key[name]]
        return [f"the result is of another point: {', '.join(other)}"] if other else []

    def _await_file(self) -> None:
        """Wait until a shared disk shows a file from another node."""
        until = time.monotonic() + SHARED_DISK_S
        while not os.path.exists(self._result) and time.monotonic() < until and self._written():
            time.sleep(0.2)

    def _written(self) -> bool:
        progress = self._progress()
        return progress is None or progress.phase != FAILED

    def _how_it_ended(self, partial: JsonObject | None) -> str:
        found = evidence(self._record, self._plan["run_dir"])
        text = f"the {self._benchmark.client} {found['reason'] or 'ended'}"
        why = (
            (partial and self._benchmark.why_partial(partial))
            or found["fatal"]
            or next(reversed(found["tail"] or found["srun"]), None)
        )
        return f"{text}: {why[:300]}" if why else text

    def _suspects(self) -> list[str]:
        """Return the anomalies of steps that still count as running."""
        records = (self._session.records.get(step["name"]) for step in self._plan["steps"])
        return [f"{r['name']}: {r['reason']}" for r in records if r and r["state"] != "ended" and r["reason"]]

    def _service_gaps(self, own: StepRecord) -> tuple[list[str], list[str]]:
        """Return how the service differed from the plan while the point was measured.

        First the reasons that make the point invalid, then the gaps that the job's ``faults`` allow.
        """
        begin, end = own["started_at"] or "", own["ended_at"] or "9"
        session, steps = self._session, self._plan["steps"]
        ends, breaks = session.answer.get("ends") or (), session.answer.get("breaks") or ()
        found = gaps_between(steps, session.records, ends, self._since, end, breaks)
        # A restarted part may succeed in another attempt: the holder restarts it, or the run that found an abandoned
        # measurement.
        lost = [step for step in steps if step["name"] in found.steps]
        alive = [step for step in lost if session.runs(step["name"])]
        unwatched = self.action != "measured"
        self.restarts = self.restarts or any(step.get("restarts") or unwatched for step in alive)
        return self._beside(begin, end) + found.critical, found.allowed

    def _beside(self, begin: str, end: str) -> list[str]:
        """Return what else ran between two times: the measurements of other points, and steps not in the plan."""
        records, strangers = self._session.records.values(), self._session.strangers()
        others = [one for one in records if one["tier"] == "benchmark" and one["name"] != self._name]

        def during(found: list[StepRecord]) -> list[str]:
            return [r["name"] for r in found if (r["started_at"] or "9") < end and (r["ended_at"] or "9") > begin]

        return [
            *(f"{name} was measured at the same time" for name in during(others)),
            *(f"{name} ran at the same time, but is not in the plan" for name in during(strangers)),
        ]
