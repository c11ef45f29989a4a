# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The profile of one point: started at each leader before its load, stopped after it, and its files.

The holder sends the orders, once for each attempt of the point's step, whoever asks: another controller that measures
the same point, or that finds it measured, gets the same answers. The files that were there before an attempt are
written down, so that those of an earlier one do not count.
"""

from __future__ import annotations

import contextlib
import datetime
import glob
import json
import os
import time
import uuid
from typing import NamedTuple, cast

from ..allocation.driver import UTC
from ..failures import Error
from ..files import read_object, write_text_atomic
from ..holder.records import StepRecord
from ..json_types import Json, JsonObject
from ..plan_file import PlanPoint
from ..plan_profiling import Profiling
from ..results.verdict import Verdict
from .session import Session

SLICE_S = 10.0  # the longest wait of one request
LOOK_S, ASK_S = 0.5, 5.0  # pauses between two looks at the files, and between two questions to the holder meanwhile
STILL_S = 2.0  # for how long a complete file does not grow
SILENT_S = 120.0  # after which nobody waits for a file any more while nothing changes ...
LONGEST_S = 1800.0  # ... and in any case

# {path below the run directory: [size, time of the last change in ns]}
Files = dict[str, list[int]]


class Profile(NamedTuple):
    """What came of profiling a point: why it failed, and its files."""

    reasons: list[str]
    files: list[JsonObject]


class Profiles:
    """Profiles *point*, if its plan says so. All methods do nothing otherwise."""

    def __init__(self, session: Session, point: PlanPoint) -> None:
        self._session, self._point = session, point
        self._plan: Profiling | None = session.plan["benchmark"].get("profiling")
        self._run_dir, self._asked_at = session.plan["run_dir"], time.monotonic()

    @property
    def wanted(self) -> bool:
        """Whether the point is profiled."""
        return self._plan is not None

    @property
    def doubts(self) -> list[str]:
        """Why the figures of the point are not those of the service."""
        return [f"the workers were profiled ({self._plan['type']}) during the measurement"] if self._plan else []

    def marked(self, verdict: Verdict, files: list[JsonObject]) -> Verdict:
        """Return *verdict* with the profiler and its *files*."""
        return {**verdict, "profiled": self._plan["type"], "profiles": files} if self._plan else verdict

    def start(self, attempt: int) -> list[str]:
        """Start profiling for the *attempt* of the point's step; return why that failed, and profile nothing then."""
        plan = self._plan
        if not plan:
            return []
        self._session.ctx.progress(f"{self._point['label']} is profiled ({plan['type']})")
        if read_object(self._note(attempt)) is None:
            os.makedirs(os.path.dirname(self._note(attempt)), exist_ok=True)
            write_text_atomic(self._note(attempt), json.dumps({"before": _all(self._files())}) + "\n")
        failed = _failures(self._order("start", attempt))
        if failed:
            self._order("stop", attempt, f" before {uuid.uuid4().hex}")  # those that have started
            with contextlib.suppress(FileNotFoundError):  # what they have left is not of the next try
                os.unlink(self._note(attempt))
        return [f"profiling could not be started at {text}" for text in failed]

    def finish(self, record: StepRecord) -> Profile:
        """Stop profiling after the step of *record* has ended, however it did, and wait for the files."""
        try:
            return self._finish(self._plan, record) if self._plan else Profile([], [])
        except Error as error:
            if not self._session.ctx.controller_alive():
                raise  # the next run evaluates it
            return Profile([f"its profile could not be ended: {error.msg}"], [])

    def _finish(self, plan: Profiling, record: StepRecord) -> Profile:
        attempt = record["attempt"]
        noted = read_object(self._note(attempt))
        begun = self._order("start", attempt, send=False) if plan["start"] else []
        reasons = [f"profiling could not be started at {text}" for text in _failures(begun or [])]
        if noted is None or begun is None:
            reasons.append("profiling was not started: nothing is known of a request to start it")
        for answer in self._order("stop", attempt) or []:
            # A worker that has profiled its steps has stopped, and may say that there is nothing to stop.
            if not answer["ok"] and not (answer["status"] and answer["name"] in plan["limited"]):
                reasons.append(f"profiling could not be stopped at {_words(answer)}")
        reasons += self._outside(record)
        before = (noted or {}).get("before")
        missing, files = self._await(before if isinstance(before, dict) else {}, bool(reasons))
        return Profile([*reasons, *missing], files)

    # ---- orders

    def _order(self, what: str, attempt: int, apart: str = "", send: bool = True) -> list[JsonObject] | None:
        """Return the answers of the workers to the orders *what*; None if nobody has sent them, and *send* is false.

        :param apart: makes them orders of their own, beside those of the attempt.
        """
        plan = self._plan
        orders = cast("list[Json]", (plan["start"] if what == "start" else plan["stop"]) if plan else [])
        call_id = f"{what} profiling {self._point['step']['name']} {self._point['step']['digest']} {attempt}{apart}"
        more: dict[str, Json] = {"calls": orders} if send else {}
        while True:
            answer = self._session.ask("call", call_id=call_id, slice_s=SLICE_S, **more)
            if answer["called"]:
                return answer["calls"]
            more = {}

    # ---- files

    @property
    def _folder(self) -> str:
        return self._plan["folder"] if self._plan else ""

    def _note(self, attempt: int) -> str:
        """Return the path of the file that says which files were there before."""
        return os.path.join(self._run_dir, self._folder, f"{self._point['name']}.{attempt}.json")

    def _files(self) -> dict[str, Files]:
        """Return the files that profiling may have left so far, of each process."""
        found: dict[str, Files] = {}
        for one in self._plan["files"] if self._plan else ():
            of_one = found.setdefault(one["name"], {})
            for pattern in one["patterns"]:
                of_one.update(matching(self._run_dir, pattern))
        return found

    def _new_files(self, before: Files) -> dict[str, Files]:
        """Return those of :meth:`_files` that are not as they were *before*."""
        return {
            name: {path: facts for path, facts in files.items() if before.get(path) != facts}
            for name, files in self._files().items()
        }

    def _await(self, before: Files, failed: bool) -> tuple[list[str], list[JsonObject]]:
        """Return (why files are missing, the new files) once each worker has some, and none of them grows.

        :param failed: whether profiling has failed: what is there now is all.
        """
        began = changed_at = time.monotonic()
        found = self._new_files(before)
        while True:
            silent_s, passed_s = time.monotonic() - changed_at, time.monotonic() - began
            complete = all(found.values()) and silent_s >= STILL_S
            if complete or failed or self._session.dead() or silent_s > SILENT_S or passed_s > LONGEST_S:
                break
            self._pause()
            seen = self._new_files(before)
            if seen != found:
                found, changed_at = seen, time.monotonic()
        missing, files = [name for name, of_one in found.items() if not of_one], _all(found)
        empty = sorted(path for path, (size, _when) in files.items() if not size)
        reasons = [f"profiling left no file of {', '.join(missing)} in {self._folder}"] if missing else []
        reasons += [f"profiling left empty files: {', '.join(empty)}"] if empty else []
        reasons += [] if complete or failed or missing else ["its profile was still being written"]
        return reasons, [{"path": path, "size": files[path][0]} for path in sorted(files)]

    def _pause(self) -> None:
        """Wait a moment; ask now and then what has ended, which keeps the job."""
        time.sleep(LOOK_S)
        if time.monotonic() - self._asked_at > ASK_S:
            self._asked_at = time.monotonic()
            self._session.ask("status")

    # ---- a profiler that begins with the workers

    def _outside(self, record: StepRecord) -> list[str]:
        """Return why what a timed profiler captures is not the load of the point, after the end of that time."""
        window = self._plan["window_s"] if self._plan else None
        if not self._plan or not window:
            return []
        names = {one["name"].split(" ")[0] for one in self._plan["files"]}
        workers = [one for name, one in self._session.records.items() if name in names]
        outside = []
        for worker in workers:
            begin = worker["running_at"] or worker["started_at"]
            if not begin:
                continue
            opened, closed = _after(begin, window[0]), _after(begin, window[0] + window[1])
            while opened <= (record["ended_at"] or "") and self._session.answer["now"] < closed:
                if self._session.dead():
                    break
                self._pause()
            if closed <= (record["started_at"] or "") or opened >= (record["ended_at"] or ""):
                outside.append(worker["name"])
        text = f"nsys captured {', '.join(outside)} at another time than that of the load: see profiling.delay_secs"
        return [text] if outside else []


def matching(run_dir: str, pattern: str) -> Files:
    """Return the files below *run_dir* that *pattern* matches."""
    found: Files = {}
    for path in glob.glob(os.path.join(glob.escape(run_dir), pattern), recursive=True):
        try:
            facts = os.stat(path)
        except OSError:  # it was renamed
            continue
        if os.path.isfile(path) and not path.endswith(".tmp"):
            found[os.path.relpath(path, run_dir)] = [facts.st_size, facts.st_mtime_ns]
    return found


def _all(files: dict[str, Files]) -> Files:
    """Return the files of all processes."""
    return {path: facts for of_one in files.values() for path, facts in of_one.items()}


def _failures(answers: list[JsonObject] | None) -> list[str]:
    return [_words(answer) for answer in answers or [] if not answer["ok"]]


def _words(answer: JsonObject) -> str:
    return f"{answer['name']} ({answer['path']}: {answer['error']})"


def _after(when: str, seconds: float) -> str:
    """Return the time *seconds* after *when* (UTC, as the holder writes it)."""
    then = datetime.datetime.strptime(when, UTC) + datetime.timedelta(seconds=seconds)
    return f"{then.isoformat(timespec='milliseconds')}Z"
