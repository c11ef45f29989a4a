# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Communication with the holder of a job: over its socket on this host, otherwise through a Slurm step.

Slurm is the transport: no open port, no polling of shared files, authenticated by Slurm.
"""

from __future__ import annotations

import abc
import contextlib
import datetime
import json
import os
import re
import socket
import time
from collections.abc import Callable, Sequence

from ..entry import Context
from ..failures import Error, SlurmError
from ..holder import FOLDER, PYTHON, operations, slurm_calls, socket_dir
from ..holder import __main__ as holder
from ..holder.records import Answer, Known
from ..json_types import Json
from ..plan_file import Plan
from ..programs import program_files
from ..slurm import commands, script
from ..slurm.commands import QueueEntry
from . import job_end, ownership

MARGIN_S = 30.0  # time limit of a request in addition to its own wait
STOP_S = 120.0  # time limit for the end of steps with unknown graces
HOLDER_STEP = "srt_holder"  # the holder's step in an adopted allocation
UTC = "%Y-%m-%dT%H:%M:%S.%fZ"  # the holder's times, which are compared with each other only
KILLED_S = 10.0  # time limit for the end of a step after its grace


class HolderGone(SlurmError):
    """There is no holder, or not yet."""


class JobOver(HolderGone):
    """There will be no answer: the job is over."""


class Driver(abc.ABC):
    """The interface that the rest of the code sees; subclasses transport one request and its answer."""

    job_id: str
    run_dir: str
    report: Callable[[str], None] = staticmethod(lambda line: None)  # shows a line to who waits
    begun = False  # its holder was started before; one that is gone does not come by itself

    @abc.abstractmethod
    def exchange(self, text: str, timeout_s: float) -> str:
        """Send *text*, return the answer's text; HolderGone if there is no holder, NoAnswer if it does not answer."""

    def request(self, op: str, timeout_s: float | None = None, renew: bool = True, **fields: Json) -> Answer:
        """Return the answer of the holder to one request; Error if it says no.

        :param timeout_s: deadline of the exchange; default: the wait of the request plus a margin.
        :param known: :func:`known_of` an earlier answer: the answer has only the steps that changed since, or all
            if another holder answers (:func:`is_new_holder`).
        """
        waits_s = sum(float(fields.get(key) or 0) for key in ("wait_s", "slice_s", "grace_s"))
        if op == "start":  # replaced steps end first
            graces = [float(step.get("stop_grace_s") or 10) for step in fields.get("steps") or ()]
            waits_s += max(graces, default=0.0) + KILLED_S
        elif op == "stop":
            waits_s += STOP_S
        request = {"v": operations.PROTOCOL, "op": op, "renew": renew, **fields}
        answer: Answer = json.loads(self.exchange(json.dumps(request), timeout_s or waits_s + MARGIN_S))
        if not answer.get("ok"):
            ending = answer.get("ending")
            if op == "start" and ending:  # it came between two requests, and no other answer said so
                raise job_end.ending_error(self, ending)
            raise Error(f"The holder of job {self.job_id} refused {op}: {answer.get('error')}")
        return answer


class HolderDriver(Driver):
    """Talks to the holder of a running job.

    :param node: name of the job's first node, where the holder runs.
    :param nodes: names of all its nodes: failed ones are named if the job is lost.
    :param patience_s: how long to retry while the holder cannot be reached (all operations may be repeated); a try
        that hung is always repeated, unless this is 0.
    """

    def __init__(
        self,
        job_id: str | int,
        run_dir: str,
        node: str,
        direct: bool = True,
        patience_s: float = 60.0,
        nodes: Sequence[str] = (),
    ) -> None:
        self.job_id, self.run_dir, self.node, self.nodes = str(job_id), run_dir, node, nodes or (node,)
        # Tests, and sites where the socket does not work, send everything through Slurm.
        self.direct = direct and os.environ.get("SRT_SLURM_TRANSPORT") != "srun"
        self.patience_s = patience_s

    def exchange(self, text: str, timeout_s: float) -> str:
        began, pause, hung = time.monotonic(), 0.1, False
        while True:
            try:
                return self._exchange(text, timeout_s)
            except SlurmError as error:
                suspended = bool(self.patience_s) and self._check_job(error)
                # One that hung may have used up the whole time, and says nothing of the holder: once more at least.
                retry = bool(self.patience_s) and not hung and isinstance(error, commands.NoAnswer)
                if not (suspended or retry) and time.monotonic() - began + pause > self.patience_s:
                    raise
                hung = hung or retry
                began = time.monotonic() if suspended else began
            time.sleep(pause)
            pause = min(2.0, pause * 2)

    def _exchange(self, text: str, timeout_s: float) -> str:
        path = socket_dir.socket_path(self.job_id, self.run_dir)
        if self.direct and os.path.exists(path):
            try:
                answer = answer_in(socket_dir.exchange(path, text, timeout_s))
            except (ConnectionError, FileNotFoundError):  # left by a killed holder, or owned by another user
                answer = ""
            except socket.timeout:
                raise commands.NoAnswer(f"The holder of job {self.job_id} did not answer in {timeout_s:g} s.") from None
            except OSError as error:
                raise HolderGone(f"The holder of job {self.job_id} cannot be reached: {error}") from None
            if answer:
                return answer
        argv = [
            "srun",
            "--quiet",
            f"--jobid={self.job_id}",
            "--overlap",
            "--nodes=1",
            "--ntasks=1",
            f"--nodelist={self.node}",
            "--mpi=none",
            "--job-name=srt_ctl",
            *PYTHON,
            os.path.join(self.run_dir, FOLDER),
            "ctl",
            "--run-dir",
            self.run_dir,
        ]
        done = commands.run(argv, timeout_s=timeout_s + 10.0, stdin=text, check=False)
        answer = "" if done.returncode else answer_in(done.stdout)
        if not answer:
            printed = f"it printed {done.stdout.strip()[-200:]!r}" if done.stdout.strip() else "it printed nothing"
            why = done.stderr.strip()[-500:] or f"srun ended with {done.returncode}, {printed}"
            raise HolderGone(f"The holder of job {self.job_id} on {self.node} cannot be reached: {why}")
        return answer

    def _check_job(self, error: SlurmError) -> bool:
        """Raise at once if the job is over, as retries are then useless. Return whether it is suspended."""
        try:
            found = ownership.jobs(os.path.dirname(self.run_dir), job_id=self.job_id, patience_s=0.0)
        except SlurmError:
            return False  # Slurm does not answer; this may be temporary
        if not any(slurm_calls.live(job["state"]) for job in found):
            over = job_end.outcome(self.job_id, self.run_dir, self.nodes)
            raise JobOver(
                f"Job {self.job_id} is over: {over['end']}. {job_end.output(self.job_id, self.run_dir)}",
                retryable=over["retryable"],
                bad_nodes=over["bad_nodes"],
            ) from error
        still = [job["state"].lower() for job in found if job["state"] in slurm_calls.SUSPENDED_STATES]
        if self.begun and not still and self._has_lost_holder(found):
            raise HolderGone(
                f"Job {self.job_id} no longer has a holder; its steps may still run. Run the playbook without "
                "--tags, or include its stage allocation: it starts a holder, which takes over the running steps."
            ) from error
        if still:
            self.report(f"job {self.job_id} is {still[0]} by Slurm; waiting until it continues")
        return bool(still)

    def _has_lost_holder(self, found: list[QueueEntry]) -> bool:
        """Return whether the job (its queue entries) was adopted, and the step of its holder has ended."""
        try:
            adopted = not any(job["comment"].startswith(script.TAG) for job in found)
            return adopted and HOLDER_STEP not in commands.step_names(self.job_id)
        except SlurmError:
            return False


def answer_in(text: str) -> str:
    """Return the last line of *text* that is a complete answer of a holder, or "".

    A site's TaskProlog may print lines before it, the last one perhaps unterminated; a killed holder may leave it
    truncated.
    """
    for line in reversed(re.split("[\n\0]", text)):
        with contextlib.suppress(ValueError):
            if line.startswith("{") and isinstance(json.loads(line), dict):
                return line
    return ""


def connect(job_id: str, run_dir: str, node: str, **options: Json) -> HolderDriver:
    """Return the driver of a job's holder. *node* is the first node of the allocation."""
    return HolderDriver(job_id, run_dir, node, **options)


def connect_plan(plan: Plan, ctx: Context) -> HolderDriver:
    """Return the driver for the job of *plan*; it reports its waits to *ctx*."""
    names = [node["name"] for node in plan["nodes"]]
    talk = connect(plan["job_id"], plan["run_dir"], plan.get("holder_node") or names[0], nodes=names)
    talk.report, talk.begun = ctx.progress, True
    return talk


def known_of(answer: Answer) -> Known:
    """Return the parameters with which the next request gets only changes since *answer*."""
    return {"seq": answer["seq"], "instance_id": answer["instance_id"]}


def is_new_holder(known: Known | None, answer: Answer) -> bool:
    """Return whether *answer* is from another holder than the *known* answers (None: there are none)."""
    return known is not None and answer["instance_id"] != known["instance_id"]


def paused_s(answer: Answer, begin: str = "", end: str = "9") -> float:
    """Return for how many seconds a job was paused between two times (UTC), according to its holder's *answer*."""
    pauses = answer.get("pauses") or ()
    return sum(pause["s"] for pause in pauses if pause["to"] > begin and pause["from"] < end)


def age_s(answer: Answer, since: str | None) -> float:
    """Return for how many seconds the job has run since *since* (UTC), from its holder's *answer*; 0 if None."""
    if not since:
        return 0.0
    since_at, now_at = (datetime.datetime.strptime(when, UTC) for when in (since, answer["now"]))
    return max(0.0, (now_at - since_at).total_seconds() - paused_s(answer, since))


def recently_paused_s(answer: Answer, within_s: float) -> float:
    """Return for how many seconds a job was paused in the last *within_s*, all by the clock of its holder."""
    then = datetime.datetime.strptime(answer["now"], UTC) - datetime.timedelta(seconds=within_s)
    return paused_s(answer, f"{then.isoformat(timespec='milliseconds')}Z")


def holder_files() -> dict[str, str]:
    """Return ``{path in the run directory: source text}`` of the holder."""
    return {f"{FOLDER}/{name}": text for name, text in program_files(holder).items()}
