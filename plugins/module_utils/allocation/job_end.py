# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Jobs that Slurm takes away: what it tells of their end, which nodes failed, and whether another job may do better."""

from __future__ import annotations

import contextlib
import json
import os
import re
import time

from ..failures import Error, SlurmError
from ..holder import job_watch, slurm_calls
from ..holder.basics import tail
from ..slurm import commands

# Ends of a job that say nothing about the job itself.
STATES = ("NODE_FAIL", "BOOT_FAIL", "PREEMPTED", "REVOKED")
REASONS = ("JobLaunchFailure", "NodeDown")  # of a job that FAILED: its first node was lost
DOWN = re.compile(r"DOWN|FAIL|NOT_RESPONDING|\*")
# What slurmctld and slurmd write into the state of a node that cannot run jobs; a person writes something else.
SICK = re.compile(
    "prolog error|batch job complete failure|not responding|unexpectedly rebooted|kill task failed|duplicate jobid",
    re.IGNORECASE,
)
EXPLAINED_S = 6.0  # a holder that got a signal may need so long to learn from Slurm why
SETTLED_S = 15.0  # how long a job that is completing is looked at for its final state; an epilog may take longer


def look(job_id, run_dir, names=()):
    """Return ``{end: text, curable: bool, bad_nodes: [name], final: bool}`` of a job that is over, or completing.

    A cancelled job is somebody's wish and is not curable, unless Slurm itself cancelled it for a node that failed:
    that is how a job ends whose prolog fails. Nor is one whose output could not be opened: that is for output_dir to
    blame, not for a node. ``final`` is false as long as the job may still begin (again).

    :param names: nodes that it had, for Slurm forgets those that failed.
    """
    fields, words = _settled(job_id, os.path.join(run_dir, f"slurm-{job_id}.out"))
    state, reason, first = (fields.get(key, "") for key in ("JobState", "Reason", "BatchHost"))
    end = commands.end_text(fields)
    said = words or last_words(run_dir)
    if said and state not in STATES:  # it is completing and has no final state yet, or only failed
        end = f"{said}; {end}"
    listed = commands.hostnames(fields["NodeList"]) if fields.get("NodeList") not in (None, "", "(null)") else []
    states = commands.node_states(list(dict.fromkeys([*names, *listed, *filter(None, [first])])))
    down = {name for name, (node, why) in states.items() if DOWN.search(node) or SICK.search(why)}
    sick = {name for name, (_node, why) in states.items() if SICK.search(why)}
    curable, bad = False, set()
    node_failed = reason in REASONS and fields.get("ExitCode") != commands.NO_OUTPUT
    if state == "PREEMPTED" or words == job_watch.PREEMPTED:
        curable = True
    elif state in STATES or node_failed or words == job_watch.FAILED:
        curable, bad = True, down | ({first} if reason == REASONS[0] else set())
        end += "".join(f"; {_node(name, *states.get(name, ('unknown', '')), name in down)}" for name in sorted(bad))
    elif state == "CANCELLED" and sick:
        curable, bad = True, sick
        end += "; " + "; ".join(f"{name}: {states[name][1]}" for name in sorted(sick))
    return {"end": end, "curable": curable, "bad_nodes": sorted(bad), "final": state in slurm_calls.FINAL}


def _settled(job_id, output):
    """Return what Slurm shows of a job and what its output tells of its end.

    As long as a job is completing Slurm hides what it was: cancelled, preempted or lost.
    """
    until = time.monotonic() + SETTLED_S
    while True:
        fields, words = commands.show_job(job_id), job_watch.told(output)
        if words or fields.get("JobState") != "COMPLETING" or time.monotonic() >= until:
            return fields, words
        time.sleep(0.5)


def last_words(run_dir):
    """Return why the holder ended the job, in its own words; None when it did not, or could not write it down."""
    return next((text[len("end: ") :] for text in _told(run_dir) if text.startswith("end: ")), None)


def holder_ended(run_dir):
    """Tell whether the holder wrote down, as its last word, that all steps have ended."""
    return _told(run_dir)[-1:] == ["ended"]


def _told(run_dir):
    """Return what the latest holder wrote about itself into steps.jsonl since it began."""
    told = []
    for line in tail(os.path.join(run_dir, "steps.jsonl"), 1 << 20).splitlines():
        try:
            event = json.loads(line)
        except ValueError:  # cut
            continue
        if isinstance(event, dict) and event.get("event") == "holder":
            told = [] if event.get("reason") == "begin" else [*told, str(event.get("reason"))]
    return told


def _node(name, state, why, down):
    """Say what is wrong with a node. One that is up again looks like one whose batch script, the holder, was lost."""
    return f"{name} is {state}" + (f" ({why})" if why else "") if down else f"{name} or the holder on it was lost"


def ending_error(talk, ending, **evidence):
    """Return the Error that says why the job of the driver *talk* is ending."""
    until = time.monotonic() + EXPLAINED_S
    while re.fullmatch(r"signal \d+", ending) and time.monotonic() < until:
        time.sleep(0.5)
        try:
            ending = talk.request("status", timeout_s=5.0)["ending"] or ending
        except Error:  # it has ended meanwhile
            break
    found = {"curable": job_watch.taken(ending), "bad_nodes": []}
    if re.fullmatch(r"signal \d+", ending):  # the holder could not learn it, or nobody hears it any more
        with contextlib.suppress(SlurmError):
            found = look(talk.job_id, talk.run_dir, getattr(talk, "nodes", ()))
            ending = found["end"] if found["end"].startswith(ending) else f"{ending}: {found['end']}"
    told = dict(evidence, curable=found["curable"], bad_nodes=found["bad_nodes"])
    return Error(f"Job {talk.job_id} is ending: {ending}.", **told)
