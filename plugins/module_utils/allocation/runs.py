# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running or finished run: its directory, its job, its steps. Read-only."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Collection
from typing import cast

from .. import run_options
from ..failures import Error, SlurmError
from ..files import read_object
from ..holder import journal, slurm_calls, tails
from ..holder.records import Answer, Event
from ..holder.step import WITH_JOB
from ..json_types import Json, JsonObject
from ..plan_file import PLAN, Plan
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import driver, ownership
from .run_directory import age, is_own, latest, numbered

ARGUMENT_SPEC = {
    "run_dir": {"type": "path"},
    "job_id": {"type": "str"},
    "output_dir": {"type": "path", "default": "outputs"},
    "job_names": {"type": "list", "elements": "str", "default": []},
    "extra_vars": {"type": "bool", "default": False},  # used by the action, which passes on what it found in them
}
ANSWERS = ("RUNNING", "STOPPED")  # states in which a holder may answer; its steps may be stopped without it
ANSWER_S = 15.0  # time limit for the holder's answer


class Run:
    """One run.

    :ivar job: its queue entry, None if the job is not in the queue.
    :ivar slurm_answered: False if Slurm did not answer, so the state of the job is unknown.
    :ivar foreign: why Slurm's job with this id is not the run's, or is unknown; "" if it is the run's.
    """

    def __init__(
        self, run_dir: str, job_id: str, job: QueueEntry | None, slurm_answered: bool, foreign: str = ""
    ) -> None:
        self.run_dir, self.job_id, self.job, self.slurm_answered = run_dir, job_id, job, slurm_answered
        self.foreign = foreign

    @property
    def live(self) -> bool:
        """Return whether the job is pending or running."""
        return bool(self.job and slurm_calls.live(self.job["state"]))

    @property
    def waits(self) -> bool:
        """Return whether the job is pending; its directory is then that of an earlier job attempt."""
        return bool(self.job and self.job["state"] in slurm_calls.WAITING)

    def is_earlier(self, when: str | None) -> bool:
        """Return whether *when* (UTC, ISO 8601; None: never) is before the current job attempt.

        The times are those of the holders, which run on the nodes: Slurm's are by another clock.
        """
        if not when or self.waits:
            return bool(when)
        return self.live and when < self._attempt_began()

    def _attempt_began(self) -> str:
        """Return when the holder of the current job attempt began; "" in the first, "9" before it begins."""
        began = ""
        for event in self.events():
            if event.get("phase") == journal.BEGIN and (event.get("restarts") or began == "9"):
                began = event["t"]
            elif event.get("phase") == journal.REQUEUE:
                began = "9"
        return began

    def read_json(self, name: str) -> Json:
        """Return the JSON object in a file of the run directory, None if it does not exist (yet)."""
        return read_object(os.path.join(self.run_dir, name))

    def plan(self) -> Plan | None:
        """Return the plan, None if there is none (yet); Error if another version of the collection has written it."""
        plan = self.read_json(PLAN)
        if plan is None:
            return None
        points = plan["benchmark"].get("points") if isinstance(plan.get("benchmark"), dict) else None
        steps = plan.get("steps")
        if not isinstance(steps, list) or not isinstance(points, list):
            raise Error(
                f"{os.path.join(self.run_dir, PLAN)} is not a plan of this version: it lacks its steps or points. Look "
                "at that run with the version that started it."
            )
        return cast("Plan", plan)

    def events(self) -> list[Event]:
        """Return the events of the run's journal, oldest first."""
        return journal.events(self.run_dir)

    def steps(self) -> dict[str, Event]:
        """Return {name: the latest record} of all steps, in the order in which they were first started."""
        found = journal.latest_events(self.run_dir)
        if self.waits or not self.live and self.slurm_answered:  # killed with the job, so the end was not recorded
            for record in found.values():
                if record.get("state") != "ended":
                    record.update(state="ended", end_code=WITH_JOB, reason="ended with the job")
        return found

    def holder(self) -> Answer | None:
        """Return the holder's status answer, None without a holder."""
        nodes = commands.hostnames(self.job["nodelist"]) if self.job and self.job["state"] in ANSWERS else []
        if not nodes:
            return None
        try:
            talk = driver.connect(self.job_id, self.run_dir, nodes[0], patience_s=0.0)
            return talk.request("status", renew=False, timeout_s=ANSWER_S)
        except Error:
            return None

    def describe(self) -> dict[str, str | None]:
        """Return {id, name, state, reason, started_at, ends_at}: from the queue, or from Slurm's records."""
        keys = ("name", "state", "reason", "started_at", "ends_at")
        if self.job:
            guessed = keys[3:] if self.waits else ()  # Slurm's estimate
            return dict({key: key not in guessed and self.job[key] or None for key in keys}, id=self.job_id)
        state, reason = "UNKNOWN", self.foreign or "Slurm does not answer"
        if self.slurm_answered and self.foreign:
            state = "GONE"
        elif self.slurm_answered:
            with contextlib.suppress(SlurmError):
                state, reason = self._end()
        about = ownership.record(self.run_dir)
        return dict(dict.fromkeys(keys), id=self.job_id, name=about.get("job_name"), state=state, reason=reason)

    def _end(self) -> tuple[str, str]:
        """Return (state, reason) of the end of the job from Slurm's records, not those of another job with its id."""
        fields = commands.show_job(self.job_id)
        folder = commands.output_folder(self.job_id) if fields.get("Comment", "").startswith(script.TAG) else None
        if folder and os.path.exists(folder) and not ownership.same(folder, self.run_dir):
            return "GONE", f"Slurm no longer knows the job: {self.job_id} now belongs to {folder}"
        if "JobState" not in fields:
            return "GONE", commands.end_text(fields)
        reason = commands.exit_text(fields)
        return fields["JobState"], reason if fields.get("Reason") == "None" else f"{fields.get('Reason')}, {reason}"


def find(params: JsonObject) -> Run:
    """Return the Run of run_dir, of job_id, or the newest below output_dir; Error if there is none.

    With ``job_names`` it is the newest run of these jobs, never another one.
    """
    run_dir, wanted = params.get("run_dir"), params.get("job_names") or ()
    if params.get("job_id") is not None:
        _check(params["job_id"])
    job_id: str = params.get("job_id") or ""
    if not run_dir and not job_id:
        run_dir = _newest(os.path.abspath(os.path.expanduser(params["output_dir"])), wanted)
    if run_dir:
        run_dir = os.path.realpath(os.path.expanduser(run_dir))
        job_id = job_id or ownership.job_id_of(run_dir)
    job, answered, why = None, True, ""
    try:
        parent = os.path.dirname(run_dir) if run_dir else os.path.realpath(os.path.expanduser(params["output_dir"]))
        job = next(iter(ownership.jobs(parent, job_id=job_id, timeout_s=10.0, patience_s=0.0)), None)
    except SlurmError as error:
        answered, why = False, error.msg if isinstance(error, commands.Unlisted) else ""
    if not run_dir:
        run_dir = os.path.join(os.path.realpath(os.path.expanduser(params["output_dir"])), job_id)
        if not os.path.isdir(run_dir):
            run_dir = (answered and commands.output_folder(job_id)) or run_dir
    if not os.path.isdir(run_dir):
        raise _no_run_dir(run_dir, job_id, job)
    named = _names(run_dir)
    if wanted and named and not named & set(wanted):
        raise Error(
            f"Job {job_id} is a run of {' or '.join(sorted(named))}, not of {' or '.join(wanted)}, the job that was "
            "also given. Use only one of them."
        )
    ours = job and ownership.is_of(run_dir, job)
    there = None if ours or not answered else ownership.elsewhere(run_dir)
    if there:  # Slurm on this machine does not know the job
        return Run(run_dir, job_id, None, False, f"it was submitted to the cluster {there}; run there")
    if job and not ours:
        return Run(run_dir, job_id, None, answered, f"{ownership.why_foreign(job)}; this run is over")
    return Run(run_dir, job_id, job, answered, why)


def _no_run_dir(run_dir: str, job_id: str, job: QueueEntry | None) -> Error:
    """Return the Error for a run without its directory; *job*: what the queue has under its id."""
    if job and slurm_calls.live(job["state"]) and job["comment"].startswith(script.TAG):
        there = ownership.recorded_run_dir(job)
        if there and os.path.isdir(there):
            return Error(f"Job {job_id} works in {there}, not in {run_dir}. Set run_dir to that directory.")
        return Error(
            f"Job {job_id} is {job['state']}, but its run directory {there or run_dir} does not exist: it was removed "
            f"or moved. Set run_dir to its new place, or end the job: scancel {job_id}"
        )
    return Error(f"Job {job_id} has no run directory {run_dir}, or it was removed or moved. Set output_dir or run_dir.")


def _check(job_id: str) -> None:
    """Raise Error unless *job_id* is a valid job id."""
    try:
        run_options.job_id(job_id)
    except run_options.Unusable as error:
        raise Error(f"job_id {error.problem} {error.remedy}") from None


def _newest(output_dir: str, wanted: Collection[str]) -> str:
    """Return the newest run directory below *output_dir*, of a job with one of the names *wanted* if there are any."""
    if not wanted:
        newest = latest(output_dir)
        if os.path.islink(newest) and not os.path.exists(newest):
            raise Error(
                f"The newest run, {os.path.realpath(newest)}, does not exist: it was removed or moved. Set run_dir to "
                "its new place, or job_id to another run."
            )
        if not os.path.isdir(newest):
            raise Error(f"There is no run below {output_dir}. Set job_id or output_dir.")
        return newest
    found = [folder for folder in numbered(output_dir) if _names(folder) & set(wanted)]
    if not found:
        raise Error(f"There is no run of {' or '.join(wanted)} below {output_dir}. Set job_id or output_dir.")
    return max(found, key=lambda folder: (is_own(folder), age(folder)))


def _names(run_dir: str) -> set[str]:
    """Return the names of the job of *run_dir*: its own, and that of its allocation."""
    found = {ownership.record(run_dir).get("job_name")}
    try:
        with open(os.path.join(run_dir, "config.yaml"), encoding="utf-8", opener=tails.regular) as stream:
            text = stream.readline().partition("name: ")[2].strip()
        found.add(json.loads(text) if text.startswith('"') else text)
    except (OSError, ValueError):
        pass
    return {name.strip() for name in found if name}
