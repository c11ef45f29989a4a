# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Slurm commands that modules run, each with a deadline and errors with a remedy.

If slurmctld is down, a Slurm client retries for half a minute before it fails. The deadlines here
limit that wait.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ..failures import SlurmError
from ..holder.slurm_calls import FINAL, UNANSWERED, UNREACHED, account, clean_env, fields_of, record_of

CALL_S = 20.0
MOST_TEXT = 4000  # characters of what a command printed, in an error
RETRY_S = 1.0  # pause before a command is repeated
PATIENCE_S = 45.0
HELD_BY_USER = "JobHeldUser"  # reason of a job that was submitted held, or that its user holds
NO_OUTPUT = "0:53"  # Slurm's exit code of a job whose output file could not be opened
# Slurm's answers for a job that no longer needs cancelling or releasing.
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
# One job in squeue's output; its id comes last. A name and a comment may contain any character.
ROW = re.compile(SEPARATOR.join([r"([^\x1f\n]*)", *[r"([^\x1f]*)"] * (len(JOB_FIELDS) - 1), r"(\d+)(?:\n|$)"]))
ARRAY_TASK = re.compile(r"\d+_[\d\[]")
# A machine that has Slurm's programs, but belongs to no cluster.
NO_CLUSTER = re.compile("Could not establish a configuration source|Unable to (?:open|process) configuration file")
PASSING = {"SIGNALING": "RUNNING", "RESIZING": "RUNNING"}  # a job that is being signalled runs


class NoAnswer(SlurmError):
    """A Slurm command hung or gave no usable answer: the request may or may not have been carried out."""


class NoSlurm(SlurmError):
    """This machine has no Slurm, or belongs to no cluster: there is nothing to wait for."""

    def __init__(self, why: str) -> None:
        super().__init__(
            f"There is no Slurm here: {why}. Run on a submit host of the cluster (srt_slurm_submit_host), or start the "
            "sandbox (as make bench does). playbooks/doctor.yml says what is missing. Without Slurm, "
            "playbooks/plan.yml shows what a job would do."
        )


class Unlisted(SlurmError):
    """squeue does not list a job that is not over. It must not count as ended."""


def run(
    argv: Sequence[str], timeout_s: float | None = None, stdin: str | None = None, check: bool = True, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run one command and return its CompletedProcess (text); SlurmError if it fails, NoAnswer if it takes too long.

    :param timeout_s: default: CALL_S.
    :param env: variables in addition to ours.
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
        raise NoSlurm(f"{argv[0]} is not on this machine's PATH") from None
    except subprocess.TimeoutExpired:
        raise NoAnswer(
            f"{argv[0]} did not answer in {timeout_s:g} s. Is slurmctld up? (scontrol ping; playbooks/doctor.yml)",
            command=argv,
        ) from None
    if check and done.returncode:
        raise _failure(argv, done)
    return done


def _failure(argv: Sequence[str], done: subprocess.CompletedProcess[str]) -> SlurmError:
    if NO_CLUSTER.search(done.stderr):
        return NoSlurm(f"{argv[0]} finds no configuration of a cluster (slurm.conf)")
    text = done.stderr.strip() or done.stdout.strip()
    return SlurmError(f"{argv[0]} failed (rc {done.returncode}): {text[-MOST_TEXT:]}", command=argv)


def patiently(
    argv: Sequence[str],
    patience_s: float | None = None,
    repeatable: bool = True,
    check: bool = True,
    timeout_s: float | None = None,
    stdin: str | None = None,
) -> subprocess.CompletedProcess[str]:
    """Like :func:`run`, with retries while slurmctld cannot be reached or the command hangs.

    :param patience_s: retries begin within this time; default: PATIENCE_S.
    :param repeatable: running it twice is harmless; otherwise it is repeated only if Slurm certainly did not receive
        it, and NoAnswer reports a failure that leaves this open.
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
        time.sleep(RETRY_S)
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

    The id of an array task is its own job number, as in its steps and its environment.

    :param job_id: the list is only empty if no job with this id is active; otherwise Unlisted is raised.
    :param patience_s: how long to retry while slurmctld does not answer, for example during a restart.
    """
    until = time.monotonic() + (PATIENCE_S if patience_s is None else patience_s)
    while True:
        try:
            found = _jobs(user, job_id, timeout_s)
            if job_id and not found:
                _check_over(job_id, timeout_s)
            return found
        except NoSlurm:
            raise
        except SlurmError:
            if time.monotonic() >= until:
                raise
        time.sleep(RETRY_S)


def _jobs(user: str | None, job_id: str | int | None, timeout_s: float | None) -> list[QueueEntry]:
    argv = ["squeue", "--all", "--noheader", "--format=" + SEPARATOR.join([*JOB_FIELDS.values(), "%A"])]
    argv.append(f"--jobs={job_id}" if job_id else f"--user={user or account()}")
    done = run(argv, timeout_s, check=False, TZ="UTC", SLURM_TIME_FORMAT="%Y-%m-%dT%H:%M:%SZ")
    if done.returncode:
        if "Invalid job id" in done.stderr:  # it ended long ago, and Slurm has purged it
            return []
        raise _failure(argv, done)
    found = []
    for *values, number in ROW.findall(done.stdout):
        row = dict(zip(JOB_FIELDS, (value.strip() for value in values)))
        # A job may be called "N/A".
        row = {key: "" if value in ("N/A", "(null)") and key != "name" else value for key, value in row.items()}
        row["state"] = PASSING.get(row["state"], row["state"])
        if ARRAY_TASK.match(row["id"]):
            if job_id and job_id not in (row["id"], number):  # the last task has the number of the array
                continue
            row["id"] = number
        found.append(row)
    return _whole(found)


def _check_over(job_id: str | int, timeout_s: float | None) -> None:
    """Raise Unlisted if scontrol shows the job as active although squeue does not list it."""
    argv = ["scontrol", "--all", "--oneliner", "show", "job", str(job_id)]
    if not shutil.which(argv[0]):
        return
    done = run(argv, timeout_s, check=False)
    if done.returncode and UNANSWERED.search(done.stderr):
        raise _failure(argv, done)
    state = fields_of(record_of(done.stdout, job_id)).get("JobState", "")
    if state and state not in FINAL:
        raise Unlisted(
            f"Job {job_id} is {state} according to scontrol show job {job_id}, but squeue does not list it. It was "
            f"left alone. Check squeue --jobs={job_id}; scancel {job_id} ends the job."
        )


def _whole(rows: list[QueueEntry]) -> list[QueueEntry]:
    """Return *rows* with the components of each heterogeneous job, ``J+0`` and ``J+1``, as one job ``J``."""
    if not any("+" in row["id"] for row in rows):
        return rows
    whole: dict[str, QueueEntry] = {}
    for row in sorted(rows, key=lambda one: int(one["id"].partition("+")[2] or 0)):
        job_id = row["id"].partition("+")[0]
        first = whole.setdefault(job_id, dict(row, id=job_id))
        if row["id"] != f"{job_id}+0" and first["id"] != row["id"]:
            first["nodelist"] = ",".join(filter(None, [first["nodelist"], row["nodelist"]]))
            if first["state"] == "RUNNING":  # it runs when all components do
                first.update(state=row["state"], reason=row["reason"])
    return list(whole.values())


def held_by_user(job: QueueEntry) -> bool:
    """Return whether a job (its queue entry) waits until its user releases it."""
    return job["reason"].startswith(HELD_BY_USER)


def step_names(job_id: str | int) -> list[str]:
    """Return the names of the running steps of a job; SlurmError if Slurm does not answer, which is not "none"."""
    argv = ["squeue", "--all", "--noheader", "--steps", f"--jobs={job_id}", "--format=%j"]
    done = patiently(argv, check=False)
    if done.returncode and not OVER.search(done.stderr):
        raise _failure(argv, done)
    return done.stdout.split()


def part_ids(job_id: str | int) -> list[str]:
    """Return the ids of the components of a heterogeneous job, which its steps have; of any other job its own id."""
    return patiently(["squeue", "--all", "--noheader", f"--jobs={job_id}", "--format=%A"]).stdout.split()


def job_end(job_id: str | int) -> str:
    """Return Slurm's information on a job that left the queue, such as ``NODE_FAIL (NodeDown), exit code 0:0``."""
    return end_text(show_job(job_id))


def end_text(fields: Mapping[str, str]) -> str:
    """Return the same from the fields of :func:`show_job`."""
    if "JobState" not in fields:
        return "Slurm no longer knows the job"
    return f"{fields['JobState']} ({fields.get('Reason')}), {exit_text(fields)}"


def exit_text(fields: Mapping[str, str]) -> str:
    """Return the exit code from the fields of :func:`show_job`, such as ``exit code 1:0``."""
    text = f"exit code {fields.get('ExitCode')}"
    if fields.get("ExitCode") == NO_OUTPUT:
        text += (
            f": {fields.get('BatchHost', 'its first node')} could not open the job's output. The nodes must see "
            "output_dir under the same path"
        )
    return text


def show_job(job_id: str | int) -> dict[str, str]:
    """Return the one-word fields of a job in scontrol, such as ``{"JobState": "PREEMPTED"}``; {} if there are none."""
    return fields_of(_record(job_id))


def _record(job_id: str | int) -> str:
    """Return scontrol's output for a job, "" if it is unknown; SlurmError if slurmctld does not answer."""
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
    """Return a unique name of the cluster, such as ``gpu@login1``; None if Slurm does not report it."""
    text = patiently(["scontrol", "show", "config"], check=False).stdout
    found = [re.search(rf"^{key}\S* *= *([^\s(]+)", text, re.M) for key in ("ClusterName", "SlurmctldHost")]
    names = [match.group(1) for match in found if match]
    return "@".join(names) if len(names) == len(found) else None


def submit_held(script: str) -> str:
    """Submit *script* held; return its job id. After NoAnswer there may or may not be a job."""
    done = patiently(["sbatch", "--parsable", "--hold"], repeatable=False, stdin=script, timeout_s=60.0)
    # A site's wrapper may print more, such as a banner or a quota.
    ids = re.findall(r"^(\d+)(?:;\S+)?\s*?$", done.stdout, re.MULTILINE)
    if not ids:
        raise NoAnswer(f"sbatch printed no job id: {done.stdout.strip()!r} {done.stderr.strip()}".rstrip() + ".")
    return ids[-1]


def release(job_id: str | int) -> None:
    """Let a held job run."""
    _unless_over(["scontrol", "release", str(job_id)])


def resume(job_id: str | int) -> str:
    """Resume a suspended job; return why Slurm refused (only operators may), "" on success."""
    argv = ["scontrol", "resume", str(job_id)]
    try:
        done = patiently(argv, check=False)
    except SlurmError as error:
        return error.msg
    return str(_failure(argv, done)) if done.returncode else ""


def go_on(job_id: str | int) -> str:
    """Continue a job that was stopped by a signal; return why that failed, "" on success."""
    try:
        cancel(job_id, signal="CONT")  # its steps
        cancel(job_id, signal="CONT", full=True)  # its batch script and the children of that
    except SlurmError as error:
        return error.msg
    return ""


def cancel(job_id: str | int, signal: str | None = None, full: bool = False, patience_s: float | None = None) -> None:
    """Cancel one job, or only signal it; SlurmError unless this succeeds or the job is over.

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
