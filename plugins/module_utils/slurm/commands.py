# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Slurm commands that modules run, each with a deadline of its own and a message that says what to do.

With the controller down a Slurm client retries for half a minute before it says so; nothing here
waits for that longer than it wants to.
"""

from __future__ import annotations

import getpass
import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..failures import SlurmError
from ..holder.slurm_calls import FINAL, UNANSWERED, UNREACHED, clean_env, fields_of, record_of

CALL_S = 20.0
PATIENCE_S = 45.0
HELD_BY_USER = "JobHeldUser"  # reason of a job that was submitted held, or that its user holds
NO_OUTPUT = "0:53"  # Slurm's exit code of a job whose output file could not be opened
# What Slurm says of a job that needs no cancelling and no release any more.
OVER = re.compile(r"Invalid job id|already (?:complet|finish)|no longer pending", re.IGNORECASE)
SEPARATOR = "\x1f"
# A job as squeue knows it: {name in JOB_FIELDS: text, "" if there is none}. Times are UTC, ISO 8601.
QueueEntry = dict[str, str]
JOB_FIELDS = {
    "id": "%i",
    "state": "%T",
    "reason": "%r",
    "name": "%j",
    "comment": "%k",
    "nodelist": "%N",
    "submitted_at": "%V",
    "started_at": "%S",
    "ends_at": "%e",
    "user": "%u",
    "batch_host": "%B",
    "work_dir": "%Z",
}
# One job in squeue's answer; its own number comes last. A name and a comment may hold any character.
ROW = re.compile(SEPARATOR.join([r"([^\x1f\n]*)", *[r"([^\x1f]*)"] * (len(JOB_FIELDS) - 1), r"(\d+)(?:\n|$)"]))
ARRAY_TASK = re.compile(r"\d+_[\d\[]")
PASSING = {"SIGNALING": "RUNNING", "RESIZING": "RUNNING"}  # a job that is signalled runs meanwhile


class NoAnswer(SlurmError):
    """A Slurm command hung, or said nothing of use: what it was asked for may have happened or not."""


class Unlisted(SlurmError):
    """squeue does not list a job that is not over: nobody may take it for ended."""


def run(
    argv: Sequence[str], timeout_s: float | None = None, stdin: str | None = None, check: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run one command and return its CompletedProcess (text); SlurmError if it fails, NoAnswer if it takes too long.

    :param timeout_s: CALL_S if it is not given.
    :param env: variables on top of ours.
    """
    timeout_s = timeout_s or CALL_S
    source: dict[str, Any] = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    try:
        done = subprocess.run(
            argv,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout_s,
            check=False,
            env=dict(clean_env(), **env),
            **source,
        )
    except FileNotFoundError:
        raise SlurmError(
            f"{argv[0]} is not on this machine's PATH. Run on a submit host of the cluster (srt_slurm_submit_host), "
            "or start the sandbox (make bench does)."
        ) from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(
            f"{argv[0]} did not answer in {timeout_s:g} s. Is slurmctld up? (scontrol ping)", command=argv
        ) from None
    if check and done.returncode:
        raise _failure(argv, done)
    return done


def _failure(argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> SlurmError:
    text = done.stderr.strip() or done.stdout.strip()
    return SlurmError(f"{argv[0]} failed (rc {done.returncode}): {text}", command=argv)


def patiently(
    argv: Sequence[str],
    patience_s: float | None = None,
    repeatable: bool = True,
    check: bool = True,
    timeout_s: float | None = None,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """As :func:`run`, but again while slurmctld cannot be reached, or when the command hangs.

    :param patience_s: another try begins within this time; PATIENCE_S if it is not given.
    :param repeatable: doing it twice is no harm; otherwise it is only repeated when it certainly was not heard, and
        NoAnswer tells of a failure that leaves this open.
    """
    until = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    while True:
        try:
            done = run(argv, timeout_s=timeout_s, stdin=stdin, check=False)
        except NoAnswer:
            if not repeatable or time.monotonic() >= until:
                raise
            continue
        said = done.stderr if done.returncode else ""
        if not repeatable and UNANSWERED.search(UNREACHED.sub("", said)):
            raise NoAnswer(f"{_failure(argv, done).msg}.", command=argv)
        if not UNANSWERED.search(said) or time.monotonic() >= until:
            break
        time.sleep(1.0)
    if check and done.returncode:
        raise _failure(argv, done)
    return done


def jobs(
    user: str | None = None,
    job_id: str | int | None = None,
    timeout_s: float | None = None,
    patience_s: float | None = None,
) -> list[QueueEntry]:
    """Return the jobs of *user*, or the job of *job_id*, as squeue knows them now: a list of dicts (JOB_FIELDS).

    A task of an array has its own number as its id, as its steps and its environment have it.

    :param job_id: the list is only empty if Slurm knows of no job of this id that is not over; else Unlisted.
    :param patience_s: how long a slurmctld that does not answer, as when it is restarted, is asked again.
    """
    until = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    while True:
        try:
            found = _jobs(user, job_id, timeout_s)
            if job_id and not found:
                _check_over(job_id, timeout_s)
            return found
        except SlurmError:
            if time.monotonic() >= until or not shutil.which("squeue"):
                raise
        time.sleep(1.0)


def _jobs(user: str | None, job_id: str | int | None, timeout_s: float | None) -> list[QueueEntry]:
    argv = ["squeue", "--all", "--noheader", "--format=" + SEPARATOR.join([*JOB_FIELDS.values(), "%A"])]
    argv.append(f"--jobs={job_id}" if job_id else f"--user={user or getpass.getuser()}")
    done = run(argv, timeout_s, check=False, TZ="UTC", SLURM_TIME_FORMAT="%Y-%m-%dT%H:%M:%SZ")
    if done.returncode:
        if "Invalid job id" in done.stderr:  # it ended so long ago that Slurm has forgotten it
            return []
        raise SlurmError(f"squeue failed (rc {done.returncode}): {done.stderr.strip()}", command=argv)
    found = []
    for *values, number in ROW.findall(done.stdout):
        row = dict(zip(JOB_FIELDS, (value.strip() for value in values)))
        # A job may be called "N/A".
        row = {key: "" if value in ("N/A", "(null)") and key != "name" else value for key, value in row.items()}
        row["state"] = PASSING.get(row["state"], row["state"])
        if ARRAY_TASK.match(row["id"]):
            if job_id and job_id not in (row["id"], number):  # the number of the last task is that of the array
                continue
            row["id"] = number
        found.append(row)
    return _whole(found)


def _check_over(job_id: str | int, timeout_s: float | None) -> None:
    """Raise Unlisted when scontrol knows the job, which squeue does not list, as one that is not over."""
    argv = ["scontrol", "--all", "--oneliner", "show", "job", str(job_id)]
    if not shutil.which(argv[0]):
        return
    done = run(argv, timeout_s, check=False)
    if done.returncode and UNANSWERED.search(done.stderr):
        raise _failure(argv, done)
    state = fields_of(record_of(done.stdout, job_id)).get("JobState", "")
    if state and state not in FINAL:
        raise Unlisted(
            f"Job {job_id} is {state}, as scontrol show job {job_id} says, but squeue does not list it. It is left as "
            f"it is. See what squeue --jobs={job_id} says; scancel {job_id} ends the job."
        )


def _whole(rows: list[QueueEntry]) -> list[QueueEntry]:
    """Return *rows* with the parts of each heterogeneous job, ``J+0`` and ``J+1``, as one job ``J``."""
    if not any("+" in row["id"] for row in rows):
        return rows
    whole: dict[str, QueueEntry] = {}
    for row in sorted(rows, key=lambda one: int(one["id"].partition("+")[2] or 0)):
        job_id = row["id"].partition("+")[0]
        first = whole.setdefault(job_id, dict(row, id=job_id))
        if row["id"] != f"{job_id}+0" and first["id"] != row["id"]:
            first["nodelist"] = ",".join(filter(None, [first["nodelist"], row["nodelist"]]))
            if first["state"] == "RUNNING":  # it runs when all parts do
                first.update(state=row["state"], reason=row["reason"])
    return list(whole.values())


def held_by_user(job: QueueEntry) -> bool:
    """Return whether a job (its queue entry) waits until its user releases it."""
    return job["reason"].startswith(HELD_BY_USER)


def step_names(job_id: str | int) -> list[str]:
    """Return the names of the steps of a job that run now; SlurmError if Slurm does not say: that is not "none"."""
    argv = ["squeue", "--all", "--noheader", "--steps", f"--jobs={job_id}", "--format=%j"]
    done = patiently(argv, check=False)
    if done.returncode and not OVER.search(done.stderr):
        raise _failure(argv, done)
    return done.stdout.split()


def part_ids(job_id: str | int) -> list[str]:
    """Return the ids of the parts of a heterogeneous job, which its steps carry; of any other job its own."""
    return patiently(["squeue", "--all", "--noheader", f"--jobs={job_id}", "--format=%A"]).stdout.split()


def job_end(job_id: str | int) -> str:
    """Return what Slurm still tells of a job that left the queue, such as ``NODE_FAIL (NodeDown), exit code 0:0``."""
    return end_text(show_job(job_id))


def end_text(fields: Mapping[str, str]) -> str:
    """Return the same from the fields of :func:`show_job`."""
    if "JobState" not in fields:
        return "Slurm no longer knows the job"
    return f"{fields['JobState']} ({fields.get('Reason')}), {exit_text(fields)}"


def exit_text(fields):
    """Return the exit code from the fields of :func:`show_job`, such as ``exit code 1:0``."""
    text = f"exit code {fields.get('ExitCode')}"
    if fields.get("ExitCode") == NO_OUTPUT:
        text += (
            f": {fields.get('BatchHost', 'its first node')} could not open the job's output. The nodes have to see "
            "output_dir under the same path"
        )
    return text


def show_job(job_id: str | int) -> dict[str, str]:
    """Return the fields of one word that Slurm shows of a job, such as ``{"JobState": "PREEMPTED"}``; {} if none."""
    return fields_of(_record(job_id))


def _record(job_id: str | int) -> str:
    """Return all that scontrol shows of a job, "" if Slurm knows none; SlurmError if slurmctld does not answer."""
    argv = ["scontrol", "--all", "--oneliner", "show", "job", str(job_id)]
    done = patiently(argv, check=False)
    if done.returncode and UNANSWERED.search(done.stderr):
        raise _failure(argv, done)
    return record_of(done.stdout, job_id)


def node_states(names: Collection[str]) -> dict[str, tuple[str, str]]:
    """Return {name: (state, reason)} of nodes, such as ``("IDLE+DRAIN", "Prolog error")``."""
    if not names:
        return {}
    done = patiently(["scontrol", "--oneliner", "show", "node", ",".join(names)], check=False)
    rows = re.findall(r"^NodeName=(\S+) .*? State=(\S+)(?:.*? Reason=(.*?) \[)?", done.stdout, re.M)
    return {name: (state, reason) for name, state, reason in rows}


def output_folder(job_id: str | int) -> str | None:
    """Return the directory of a job's output as long as Slurm knows the job, else None."""
    match = re.search(r" StdOut=(/.*?)(?: [A-Z][A-Za-z]+=|$)", _record(job_id))
    return os.path.dirname(match.group(1)) if match else None


def cluster() -> str | None:
    """Return a name of the cluster that no other one has, such as ``gpu@login1``; None if Slurm does not tell."""
    text = patiently(["scontrol", "show", "config"], check=False).stdout
    found = [re.search(rf"^{key}\S* *= *([^\s(]+)", text, re.M) for key in ("ClusterName", "SlurmctldHost")]
    names = [match.group(1) for match in found if match]
    return "@".join(names) if len(names) == len(found) else None


def submit_held(script: str) -> str:
    """Submit *script* held; return its job id. NoAnswer leaves open whether there is a job now."""
    done = patiently(["sbatch", "--parsable", "--hold"], repeatable=False, stdin=script, timeout_s=60.0)
    # Of a site's wrapper there may be more on it: a banner, a quota.
    ids = re.findall(r"^(\d+)(?:;\S+)?\s*?$", done.stdout, re.MULTILINE)
    if not ids:
        raise NoAnswer(f"sbatch printed no job id: {done.stdout.strip()!r} {done.stderr.strip()}".rstrip() + ".")
    return ids[-1]


def release(job_id: str | int) -> None:
    """Let a held job run."""
    _unless_over(["scontrol", "release", str(job_id)])


def resume(job_id: str | int) -> str:
    """Let a suspended job go on; return why Slurm does not want that (only its operators may), "" if it does."""
    argv = ["scontrol", "resume", str(job_id)]
    try:
        done = patiently(argv, check=False)
    except SlurmError as error:
        return error.msg
    return str(_failure(argv, done)) if done.returncode else ""


def go_on(job_id: str | int) -> str:
    """Let a job go on that was stopped by a signal; return why that did not work, "" if it did."""
    try:
        cancel(job_id, signal="CONT")  # its steps
        cancel(job_id, signal="CONT", full=True)  # its batch script and what that started
    except SlurmError as error:
        return error.msg
    return ""


def cancel(job_id: str | int, signal: str | None = None, full: bool = False, patience_s: float | None = None) -> None:
    """Cancel one job, or only signal it; SlurmError unless that is done, or the job is over.

    :param full: signal its batch script instead of its steps.
    """
    options = ([f"--signal={signal}"] if signal else []) + (["--full"] if full else [])
    _unless_over(["scancel", *options, str(job_id)], patience_s=patience_s)


def _unless_over(argv: Sequence[str], patience_s: float | None = None) -> None:
    done = patiently(argv, patience_s, check=False)
    if done.returncode and not OVER.search(done.stderr):
        raise _failure(argv, done)


def hostnames(nodelist: str) -> list[str]:
    """Return the node names of a Slurm node list expression, in its order."""
    return patiently(["scontrol", "show", "hostnames", nodelist]).stdout.split() if nodelist else []
