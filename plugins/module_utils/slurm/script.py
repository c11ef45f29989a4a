# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The sbatch script of an allocation: what Slurm is asked for, and the holder as the batch process."""

from __future__ import annotations

import os
import re
import shlex

from ..failures import Error

TAG = "srt.slurm:"  # begins the comment of every job of ours
SHORT = {
    "A": "account",
    "C": "constraint",
    "G": "gpus",
    "J": "job-name",
    "N": "nodes",
    "c": "cpus-per-task",
    "d": "dependency",
    "e": "error",
    "n": "ntasks",
    "o": "output",
    "p": "partition",
    "q": "qos",
    "t": "time",
    "w": "nodelist",
    "x": "exclude",
    "D": "chdir",
    "a": "array",
    "H": "hold",
    "W": "wait",
    "L": "licenses",
    "M": "clusters",
    "b": "begin",
}
# What the collection relies on; a directive of these names is left out and a note says so.
FIXED = {
    "output": "the run directory holds the output",
    "error": "the run directory holds the output",
    "open-mode": "the run directory holds the output",
    "chdir": "the job starts in its output folder",
    "job-name": "the job's name is the top-level key name",
    "signal": "the holder ends the steps on this signal",
    "requeue": "a job that begins again would begin in a used run directory",
    "hold": "the job is released once its run directory is written",
    "wait": "the collection waits by itself",
    "parsable": "the collection reads sbatch's answer",
}
# What belongs to the batch script, which only the first part of a heterogeneous job has.
FIRST_PART = ("output", "error", "open-mode", "chdir", "signal")
REFUSED = {"array": "one job is one allocation: use a sweep", "wrap": "the batch script is the holder"}


def comment(allocation):
    """Return the mark by which a job is found again."""
    return TAG + allocation["digest"]


def directives(allocation, output_dir):
    """Return (ordered {option: value or None}, notes). What the job's own directives say replaces ours."""
    folder = output_dir.replace("%", "%%")
    ours = {
        "job-name": allocation["name"],
        "comment": comment(allocation),
        "output": f"{folder}/%j/slurm-%j.out",
        "open-mode": "append",
        "chdir": output_dir,
        "nodes": allocation["nodes"],
        "ntasks": allocation.get("ntasks"),
        "ntasks-per-node": allocation.get("ntasks_per_node"),
        "gpus-per-node": allocation.get("gpus_per_node") or None,
        "segment": allocation.get("segment"),
        "account": allocation.get("account"),
        "partition": allocation.get("partition"),
        "time": allocation.get("time_limit"),
    }
    wanted = {key: value for key, value in ours.items() if value is not None}
    if allocation.get("exclusive"):
        wanted["exclusive"] = None
    wanted.update({"signal": "B:TERM@60", "no-requeue": None, "no-kill": None})
    notes = []
    for key, value in (allocation.get("directives") or {}).items():
        key = str(key).lstrip("-").replace("_", "-")
        key = SHORT.get(key, key)
        value = None if value in (None, "", True) else str(value)
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9-]*", key):
            raise Error(f"sbatch_directives: {key!r} is not an option of sbatch.")
        if key in REFUSED:
            raise Error(f"sbatch_directives.{key} cannot be used: {REFUSED[key]}.")
        if key in FIXED:
            notes.append(f"sbatch_directives.{key} is left out: {FIXED[key]}.")
        elif key == "comment":
            wanted[key] = f"{comment(allocation)} {value or ''}".strip()
        else:
            if key in wanted and str(wanted[key]) != str(value):
                notes.append(f"sbatch_directives.{key}={value} replaces {wanted[key]}.")
            wanted[key] = value
    if allocation.get("exclude"):  # nodes that failed an earlier attempt, beside those that the job leaves out
        wanted["exclude"] = ",".join(dict.fromkeys([*filter(None, [wanted.get("exclude")]), *allocation["exclude"]]))
    return wanted, notes


def components(allocation, wanted):
    """Return the directives of each part of the job: one, or those of a heterogeneous job.

    Parts of a heterogeneous job differ in their nodes alone; what concerns the batch script is in the first.
    """
    sizes = allocation.get("components")
    if not sizes:
        return [wanted]
    parts = []
    for number, nodes in enumerate(sizes):
        part = {key: value for key, value in wanted.items() if not number or key not in FIRST_PART}
        part["nodes"] = nodes
        if "ntasks" in part:
            part["ntasks"] = nodes * (allocation.get("ntasks_per_node") or 1)
        if "segment" in part and part["segment"] == allocation.get("segment"):
            part["segment"] = nodes
        parts.append(part)
    return parts


def render(allocation, output_dir, lease_s, play=False):
    """Return (script, notes) for an allocation request; *output_dir* is absolute.

    :param play: the holder runs the playbook of the run directory.
    """
    wanted, notes = directives(allocation, output_dir)
    lines = ["#!/bin/bash"]
    for number, part in enumerate(components(allocation, wanted)):
        lines += ["#SBATCH hetjob"] if number else []
        lines += [f"#SBATCH --{k}" + ("" if v is None else f"={_quoted(k, str(v))}") for k, v in part.items()]
    lines += [
        "",
        "# Slurm gives this script's node the job; the holder starts, watches and ends all steps of it.",
        "umask 022",
    ]
    for name, value in (allocation.get("environment") or {}).items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", str(name)):
            raise Error(f"environment: {name!r} cannot be an environment variable.")
        lines.append(f"export {name}={shlex.quote(str(value))}")
    lines += [
        f'RUN_DIR={shlex.quote(output_dir)}/"$SLURM_JOB_ID"',
        'command -v python3 >/dev/null || { echo "No python3 on $(hostname): the holder needs 3.8." >&2; exit 127; }',
        f'exec python3 "$RUN_DIR/holder.py" serve --run-dir "$RUN_DIR" --lease {lease_s:g}'
        + (" --play" if play else ""),
        "",
    ]
    return "\n".join(lines), notes


def run_dir(output_dir, job_id):
    """Return the run directory of a job."""
    return os.path.join(output_dir, str(job_id))


def _quoted(key, value):
    """Return *value* as sbatch reads it from a #SBATCH line: it knows double quotes and backslashes, no expansion."""
    if re.search(r"[\x00-\x1f\x7f]", value):
        raise Error(f"{key}: {value!r} has a line break or control character, which Slurm cannot take.")
    if re.fullmatch(r"[A-Za-z0-9_./:,@%+=\[\]-]+", value):
        return value
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
