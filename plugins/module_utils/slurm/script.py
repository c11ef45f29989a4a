# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sbatch script of an allocation: the allocation request, and the holder as the batch process."""

from __future__ import annotations

import os
import re
import shlex

from ..failures import Error
from ..holder import FOLDER, PYTHON
from ..holder.slurm_calls import output_path
from ..json_types import JsonObject
from . import options
from .commands import QueueEntry

TAG = "srt.slurm:"  # begins the comment of each of our jobs
PLAY = ":play"  # ends the first word of the comment of a job that runs a playbook
# Options of the batch script, which only the first component of a heterogeneous job has.
FIRST_PART = ("output", "error", "open-mode", "chdir", "signal")


def comment(allocation: JsonObject, play: bool = False) -> str:
    """Return the comment that identifies a job."""
    return TAG + allocation["digest"] + (PLAY if play else "")


def asks_for(job: QueueEntry, allocation: JsonObject) -> bool:
    """Return whether *job* (squeue's record) is one of ours for this request, with or without a playbook."""
    # squeue strips blanks at the ends of a name.
    same = job["name"] == allocation["name"].strip()
    return same and _mark(job) in (comment(allocation), comment(allocation, True))


def has_play(job: QueueEntry) -> bool:
    """Return whether *job* is one of ours that runs a playbook."""
    return _mark(job).startswith(TAG) and _mark(job).endswith(PLAY)


def _mark(job: QueueEntry) -> str:
    return job["comment"].split(" ")[0]


def directives(allocation: JsonObject, output_dir: str, play: bool = False) -> tuple[JsonObject, list[str]]:
    """Return (ordered {option: value or None}, notes). The job's directives override ours."""
    folder = output_dir.replace("%", "%%")
    wanted = {
        "job-name": allocation["name"],
        "comment": comment(allocation, play),
        "output": output_path(f"{folder}/%j", "%j"),
        "open-mode": "append",
        "chdir": output_dir,
        **options.requested(allocation),
        "signal": "B:TERM@60",
        "no-requeue": None,
        "no-kill": None,
    }
    wanted, notes, problems = options.merge_directives(wanted, allocation.get("directives") or {})
    if problems:
        raise Error("\n".join(f"sbatch_directives.{key} {text} {remedy}" for key, text, remedy in problems))
    if allocation.get("exclude"):  # nodes that failed an earlier attempt, in addition to those that the job excludes
        wanted["exclude"] = ",".join(dict.fromkeys([*filter(None, [wanted.get("exclude")]), *allocation["exclude"]]))
    return wanted, notes


def components(allocation: JsonObject, wanted: JsonObject) -> list[JsonObject]:
    """Return the directives of each component of the job: one, or more for a heterogeneous job.

    Components differ only in their nodes; options of the batch script are in the first.
    """
    sizes = allocation.get("components")
    if not sizes:
        return [wanted]
    parts = []
    for number, nodes in enumerate(sizes):
        part = {key: value for key, value in wanted.items() if not number or key not in FIRST_PART}
        part["nodes"] = nodes
        if "ntasks" in part:
            part["ntasks"] = nodes * int(part.get("ntasks-per-node") or 1)
        if "segment" in part and part["segment"] == allocation.get("segment"):
            part["segment"] = nodes
        parts.append(part)
    return parts


def render(
    allocation: JsonObject,
    output_dir: str,
    lease_s: float,
    play: bool = False,
    retries: int = 0,
    tolerant: bool = False,
) -> tuple[str, list[str]]:
    """Return (script, notes) for an allocation request; *output_dir* is absolute.

    :param play: the holder runs the playbook of the run directory.
    :param retries: how often the job may be requeued from inside (only with *play*).
    :param tolerant: the run continues without some of its nodes.
    """
    wanted, notes = directives(allocation, output_dir, play)
    if retries:
        del wanted["no-requeue"]
        wanted["requeue"] = None
        if not tolerant:  # Slurm requeues a job only if it does not continue without the failed node
            wanted.pop("no-kill", None)
    lines = ["#!/bin/bash"]
    for number, part in enumerate(components(allocation, wanted)):
        lines += ["#SBATCH hetjob"] if number else []
        lines += option_lines(part)
    lines += [
        "",
        "# The holder hears TERM as soon as it can; until then it must not end this script.",
        "trap '' TERM",
        "# Slurm gives this script's node the job; the holder starts, watches and ends all steps of it.",
        "umask u=rwx,go-w",
        "unset LD_PRELOAD LD_AUDIT",
    ]
    for name, value in (allocation.get("environment") or {}).items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            raise Error(f"environment: {name!r} is not a valid name for an environment variable.")
        lines.append(f"export {name}={shlex.quote(str(value))}")
    lines += [
        f'RUN_DIR={shlex.quote(output_dir)}/"$SLURM_JOB_ID"',
        'command -v python3 >/dev/null || { echo "No python3 on $(hostname): the holder needs 3.8." >&2; exit 127; }',
        f'exec {" ".join(PYTHON)} "$RUN_DIR/{FOLDER}" serve --run-dir "$RUN_DIR" --lease {lease_s:g}'
        + (" --play" if play else ""),
        "",
    ]
    return "\n".join(lines), notes


def run_dir(output_dir: str, job_id: str | int) -> str:
    """Return the run directory of a job."""
    return os.path.join(output_dir, str(job_id))


def option_lines(wanted: JsonObject) -> list[str]:
    """Return the #SBATCH lines of *wanted*, {option: value, or None for an option without one}."""
    return [f"#SBATCH --{k}" + ("" if v is None else f"={_quoted(k, str(v))}") for k, v in wanted.items()]


def _quoted(key: str, value: str) -> str:
    """Return *value* as sbatch reads it from a #SBATCH line: with double quotes and backslashes, without expansion."""
    if options.CONTROL.search(value):
        raise Error(f"{key}: {value!r} has a line break or control character, which Slurm does not accept.")
    if re.fullmatch(r"[A-Za-z0-9_./:,@%+=\[\]-]+", value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
