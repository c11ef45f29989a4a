# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Slurm commands of the holder, and the meaning of their output: job states, fields, messages, environment."""

from __future__ import annotations

import contextlib
import functools
import locale
import os
import pwd
import re
import subprocess
import threading
import time
from collections.abc import Iterable, Mapping
from signal import SIGKILL
from typing import Protocol

CALL_S = 10.0  # time limit of one command about steps

# The final states of a job, unless it is requeued. All others are those of a pending, running or ending job: new
# versions of Slurm add flags that are shown instead of a state (SPECIAL_EXIT, STOPPED, RESV_DEL_HOLD).
FINAL = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)
# Variables that select the GPUs of the holder: a step has its own.
SCRUBBED = re.compile("(CUDA|ROCR)_VISIBLE_DEVICES$|GPU_DEVICE_ORDINAL$|ZE_AFFINITY_MASK$")
# States of a job without nodes, before its start or after a requeue.
WAITING = ("LAUNCH_FAILED", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
SUSPENDED_STATES = ("SUSPENDED", "STOPPED")  # by Slurm, or by a signal sent through Slurm
LEAVING = ("COMPLETING", "STAGE_OUT")  # of a job that is ending or being requeued
# Variables of a job that we may run in, and a user's options for Slurm's commands: some make squeue hide jobs, or
# make scancel skip jobs or ask for confirmation.
FOREIGN = re.compile("(SLURM|SBATCH|SRUN|SALLOC|SQUEUE|SCANCEL|SCONTROL|SINFO|PMI|PMIX)_(?!CONF$)")

# What a user's shell has for its own programs and breaks others. A job that needs one of them sets it itself.
HARMFUL = re.compile(
    "(SHELLOPTS|BASHOPTS)$|PYTHON(HOME|OPTIMIZE|STARTUP|WARNINGS|MALLOC|INSPECT|DEBUG|VERBOSE|DEVMODE|TRACEMALLOC|"
    "PROFILEIMPORTTIME|EXECUTABLE|PLATLIBDIR|BREAKPOINT|FAULTHANDLER|LEGACYWINDOWSSTDIO|COERCECLOCALE|UTF8|IOENCODING)$|"
    "LD_(PRELOAD|AUDIT)$"
)

# The output of a command that did not reach slurmctld, so that nothing was done.
UNREACHED = re.compile(r"Unable to contact slurm controller \(connect failure\)|Connection refused")
# Its output if slurmctld did not answer: the request may or may not have been carried out. A retry may succeed.
UNANSWERED = re.compile(
    r"Unable to contact slurm|Connection refused|Unexpected message|Socket timed out|Zero Bytes were transmitted|"
    r"Communication connection failure|Slurm temporarily unable|Transport endpoint is not connected"
)
# srun's message if the memory of an ended step is not free yet.
NOT_YET_FREE = re.compile("Memory required by task is not available")


def output_path(run_dir: str, job_id: str | int) -> str:
    """Return the path of the output of the job's batch script; with ``%j`` as *job_id* it is Slurm's pattern."""
    return os.path.join(run_dir, f"slurm-{job_id}.out")


def live(state: str | None) -> bool:
    """Return whether a job in this state is active; False for "" and None (unknown)."""
    return bool(state) and state not in FINAL and state not in LEAVING


def clean_env() -> dict[str, str]:
    """Return our environment for other programs.

    It lacks variables that change the behaviour of Slurm's commands or of Python, has a HOME, and no TMPDIR or locale
    that this machine lacks.
    """
    env = {name: value for name, value in os.environ.items() if not FOREIGN.match(name) and not HARMFUL.match(name)}
    if not os.path.isdir(env.get("TMPDIR", "/")):
        del env["TMPDIR"]
    if not env.get("HOME"):
        with contextlib.suppress(KeyError):
            env["HOME"] = pwd.getpwuid(os.getuid()).pw_dir
    spoken = {name: value for name, value in env.items() if re.match("LC_|LANG(UAGE)?$", name)}
    if not _is_known_locale(tuple(sorted(spoken.items()))):
        env = {name: value for name, value in env.items() if name not in spoken}
        env["LC_ALL"] = "C.UTF-8"
    return env


def account() -> str:
    """Return the name of the account that we run as, or its number: Slurm goes by that, and not by USER or LOGNAME."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())


@functools.lru_cache(maxsize=None)
def _is_known_locale(variables: tuple[tuple[str, str], ...]) -> bool:
    """Return whether this machine has the locale that the *variables* of our environment name."""
    before = locale.setlocale(locale.LC_ALL)
    try:
        locale.setlocale(locale.LC_ALL, "")
    except locale.Error:
        return False
    locale.setlocale(locale.LC_ALL, before)
    return True


def call(timeout_s: float, *argv: str) -> subprocess.CompletedProcess[str] | None:
    """Return the CompletedProcess (text) of a Slurm command, None if it could not be run or timed out."""
    try:
        return subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
            env=clean_env(),
        )
    except (OSError, subprocess.SubprocessError):
        return None


def record_of(text: str, job_id: str | int) -> str:
    """Return the record of *job_id* in the output of ``scontrol --oneliner show job``, else the first one.

    For the first task of an array the output also has the others.
    """
    parts = re.split(r"\n(?=JobId=\d)", text.strip("\n"))
    return next((part for part in parts if part.startswith(f"JobId={job_id} ")), parts[0])


def fields_of(record: str) -> dict[str, str]:
    """Return the one-word fields in such a record, such as ``{"JobState": "RUNNING"}``.

    The job's name, and its comment near the end, may look like fields and are skipped.
    """
    plain = re.sub(r" JobName=.*? (?=UserId=\S+ GroupId=\S+ MCS_label=)", " ", record, count=1, flags=re.DOTALL)
    return dict(reversed(re.findall(r"(?:^| )([A-Za-z]+)=(\S+)", plain)))


class StepCalls(Protocol):
    """All that steps want from Slurm; see :class:`Slurm` for what its functions return."""

    node: str | None

    def spawn(self, argv: list[str], env: Mapping[str, str], err_path: str) -> subprocess.Popen[bytes]: ...

    def steps(self) -> dict[str, str] | None: ...

    def signal(self, step_ids: Iterable[str], name: str) -> bool | None: ...


class Client(subprocess.Popen):
    """An srun in a session of its own: a second process of it, which may be stopped, is killed with it."""

    def send_signal(self, signal: int) -> None:
        left = self.poll() is None
        super().send_signal(signal)
        if left and signal == SIGKILL:
            with contextlib.suppress(OSError):
                os.killpg(self.pid, signal)


class Slurm:
    """Slurm itself, as steps want it.

    :param jobs: ids of the components of a heterogeneous job, which its steps have; default: from the environment of
        its batch script.
    :ivar node: the node that this runs on; None outside of a job.
    """

    def __init__(self, job_id: str, jobs: list[str] | None = None) -> None:
        self.job_id, self.node = job_id, os.environ.get("SLURMD_NODENAME")
        parts = range(int(os.environ.get("SLURM_HET_SIZE") or 0))
        ours = [os.environ.get(f"SLURM_JOB_ID_HET_GROUP_{part}", job_id) for part in parts]
        self.jobs = ",".join(jobs or ours) or job_id

    def spawn(self, argv: list[str], env: Mapping[str, str], err_path: str) -> subprocess.Popen[bytes]:
        """Start a client in a new session, which shares only a file for its messages with us."""
        base = {k: v for k, v in clean_env().items() if not SCRUBBED.match(k)}
        with open(err_path, "ab") as err:
            return Client(
                argv, env=dict(base, **env), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True
            )

    def steps(self) -> dict[str, str] | None:
        """Return {step id: name} of the running steps, or None if Slurm does not answer."""
        done = call(CALL_S, "squeue", "--all", "--noheader", "--steps", f"--jobs={self.jobs}", "--format=%i|%j")
        if done is None or done.returncode:
            return None
        lines = [line.strip().split("|", 1) for line in done.stdout.split("\n") if "|" in line]
        return {step_id: name for step_id, name in lines if step_id.rsplit(".", 1)[-1].isdigit()}

    def signal(self, step_ids: Iterable[str], name: str) -> bool | None:
        """Signal the processes of the steps; False if some did not get it, None if Slurm did not answer."""
        done = call(CALL_S, "scancel", f"--signal={name}", *step_ids)
        return None if done is None else done.returncode == 0


class Listing:
    """The running steps of a job according to *slurm*; concurrent callers share one query."""

    def __init__(self, slurm: StepCalls) -> None:
        self._slurm, self._lock, self._seen_at = slurm, threading.Lock(), -1e9
        self._seen: dict[str, str] | None = None

    def look(self, max_age_s: float) -> dict[str, str] | None:
        """Return {step id: name} of the running steps, not older than *max_age_s*; None if Slurm does not answer."""
        with self._lock:
            if time.monotonic() - self._seen_at > max_age_s:
                self._seen, self._seen_at = self._slurm.steps(), time.monotonic()
            return self._seen
