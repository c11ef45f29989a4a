# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that Slurm ends: why they end, which nodes failed, and whether a retry makes sense."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable
from typing import NoReturn, Protocol, TypedDict

from ..failures import Error, SlurmError
from ..holder import journal, slurm_calls
from ..holder.job_ends import BY_SLURM, NODE_FAILED, PREEMPTED, SIGNAL, TAKEN_AWAY, job_end
from ..holder.job_watch import code_in_output
from ..holder.records import Answer, JobEnd
from ..holder.secret_values import forget
from ..holder.tails import tail_lines
from ..json_types import Json
from ..slurm import commands

# Job ends that are not the fault of the job.
LOST_STATES = ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED")
LOST_REASONS = ("JobLaunchFailure", "NodeDown")  # of a job that FAILED: its first node was lost
DOWN = re.compile(r"DOWN|FAIL|NOT_RESPONDING|\*")
# Reasons that slurmctld and slurmd set for a node that cannot run jobs, unlike those of an administrator.
SICK = re.compile(
    "prolog error|batch job complete failure|not responding|unexpectedly rebooted|kill task failed|duplicate jobid",
    re.IGNORECASE,
)
EXPLAINED_S = 6.0  # a signalled holder may take this long to learn the reason from Slurm
SETTLED_S = 15.0  # how long to wait for the final state of a completing job; an epilog may take longer


class Outcome(TypedDict):
    """What became of a job, see :func:`outcome`."""

    end: str
    retryable: bool
    bad_nodes: list[str]
    final: bool


class HolderRequests(Protocol):
    """A driver of the holder (see driver.Driver), as far as it is needed here."""

    job_id: str
    run_dir: str

    def request(self, op: str, timeout_s: float | None = None) -> Answer: ...


def outcome(job_id: str | int, run_dir: str, names: Iterable[str] = ()) -> Outcome:
    """Return ``{end: text, retryable: bool, bad_nodes: [name], final: bool}`` of a job that is over, or completing.

    A cancelled job is not retryable, because a user requested it, unless Slurm cancelled it for a failed node, as after
    a failed prolog. Neither is one that its holder was already ending, for example on request, whatever Slurm did to it
    then, nor one whose output could not be opened: output_dir is at fault, not a node. ``final`` is false while the job
    may still be requeued.

    :param names: nodes that it had, because Slurm drops failed ones.
    """
    fields, code = _settled(job_id, run_dir)
    state, reason, first = (fields.get(key, "") for key in ("JobState", "Reason", "BatchHost"))
    end = commands.end_text(fields)
    cause = _cause(code, run_dir)
    if cause and state not in LOST_STATES:  # it is completing without a final state, or has only failed
        end = f"{cause['reason']}; {end}"
    by_slurm = not cause or cause["code"] in BY_SLURM
    ended = cause["code"] if cause and state != "CANCELLED" else None  # Slurm calls a preempted job PREEMPTED
    listed = commands.hostnames(fields["NodeList"]) if fields.get("NodeList") not in (None, "", "(null)") else []
    states = commands.node_states(list(dict.fromkeys([*names, *listed, *filter(None, [first])])))
    down = {name for name, (node, why) in states.items() if DOWN.search(node) or SICK.search(why)}
    sick = {name for name, (_node, why) in states.items() if SICK.search(why)}
    retryable, bad = False, set()
    node_failed = reason in LOST_REASONS and fields.get("ExitCode") != commands.NO_OUTPUT
    if state == "PREEMPTED" or ended == PREEMPTED:
        retryable = True
    elif state in LOST_STATES or node_failed or ended == NODE_FAILED:
        retryable, bad = True, down | ({first} if reason == LOST_REASONS[0] else set())
        end += "".join(f"; {_node(name, *states.get(name, ('unknown', '')), name in down)}" for name in sorted(bad))
    elif state == "CANCELLED" and sick:
        retryable, bad = True, sick
        end += "; " + "; ".join(f"{name}: {states[name][1]}" for name in sorted(sick))
    retryable = retryable and by_slurm
    return {"end": end, "retryable": retryable, "bad_nodes": sorted(bad), "final": state in slurm_calls.FINAL}


def _cause(code: str | None, run_dir: str) -> JobEnd | None:
    """Return why the job ended, None if neither Slurm's line in its output (*code*) nor its holder says so.

    What the holder decided without Slurm came first. Of Slurm's reasons the line counts before the holder's record; it
    may be missing where the holder knew the reason from slurmctld.
    """
    requeued = any(event.get("phase") == journal.REQUEUE for event in journal.holder_events(run_dir))
    written = None if requeued else written_end(run_dir)  # that of an earlier job attempt
    return job_end(code) if code and (not written or written["code"] in BY_SLURM) else written


def _settled(job_id: str | int, run_dir: str) -> tuple[dict[str, str], str | None]:
    """Return Slurm's fields of a job, and the code of its end from its output, or None.

    While a job is completing, Slurm does not show whether it was cancelled, preempted or lost.
    """
    output, until = slurm_calls.output_path(run_dir, job_id), time.monotonic() + SETTLED_S
    begins = [event for event in journal.events(run_dir, 1 << 20) if event.get("phase") == journal.BEGIN]
    begin = begins[-1].get("output_begin", 0) if begins else 0
    while True:
        fields, code = commands.show_job(job_id), code_in_output(output, begin)
        if code or fields.get("JobState") != "COMPLETING" or time.monotonic() >= until:
            return fields, code
        time.sleep(0.5)


def written_end(run_dir: str) -> JobEnd | None:
    """Return why the holder ended the job, ``{code, reason}``; None if it did not, or could not record it."""
    for event in journal.holder_events(run_dir):
        if event.get("phase") == journal.ENDING:
            return {"code": event["code"], "reason": event["reason"]}
    return None


def holder_ended(run_dir: str) -> bool:
    """Return whether the holder recorded that all steps have ended."""
    return any(event.get("phase") == journal.ENDED for event in journal.holder_events(run_dir))


def _node(name: str, state: str, why: str, down: bool) -> str:
    """Return the fault of a node. A node that is up again looks like one whose batch script, the holder, was lost."""
    return f"{name} is {state}" + (f" ({why})" if why else "") if down else f"{name} or the holder on it was lost"


def output(job_id: str, run_dir: str) -> str:
    """Return the sentence about a job's output: where it is, and its last line."""
    log = slurm_calls.output_path(run_dir, job_id)
    lines = [line for line in tail_lines(log, 20) if line.strip()]
    return f"Its output: {log}" + (f", which ends with {lines[-1].strip()[:300]!r}." if lines else "")


def raise_over(job_id: str, run_dir: str) -> NoReturn:
    """Raise the Error with the reason why a job ended before it was used; SlurmError if it may not be over."""
    log, found = slurm_calls.output_path(run_dir, job_id), outcome(job_id, run_dir)
    state = "" if found["final"] else commands.show_job(job_id).get("JobState")
    if slurm_calls.live(state):  # it was requeued meanwhile, or squeue does not list it
        raise SlurmError(f"Job {job_id} is not over: it is {state} according to scontrol. scancel {job_id} ends it.")
    if found["final"]:
        forget(run_dir)
    raise Error(
        f"Job {job_id} ended before it could be used: {found['end']}. {output(job_id, run_dir)}",
        log=log,
        tail=tail_lines(log, 20),
        retryable=found["retryable"],
        bad_nodes=found["bad_nodes"],
    )


def ending_error(talk: HolderRequests, ending: JobEnd, **evidence: Json) -> Error:
    """Return the Error with the reason why the job of the driver *talk* is ending.

    :param ending: the holder's answer, ``{code, reason}``.
    """
    until = time.monotonic() + EXPLAINED_S
    while ending["code"] == SIGNAL and time.monotonic() < until:
        time.sleep(0.5)
        try:
            ending = talk.request("status", timeout_s=5.0)["ending"] or ending
        except Error:  # it has ended meanwhile
            break
    reason, retryable = ending["reason"], ending["code"] in TAKEN_AWAY
    bad_nodes: list[str] = []
    if ending["code"] == SIGNAL:  # the holder could not learn why, or it no longer answers
        with contextlib.suppress(SlurmError):
            found = outcome(talk.job_id, talk.run_dir, getattr(talk, "nodes", ()))
            reason = found["end"] if found["end"].startswith(reason) else f"{reason}: {found['end']}"
            retryable, bad_nodes = found["retryable"], found["bad_nodes"]
    known = dict(evidence, retryable=retryable, bad_nodes=bad_nodes)
    return Error(f"Job {talk.job_id} is ending: {reason}.", **known)
