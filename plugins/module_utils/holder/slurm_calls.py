# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""How Slurm is asked and what its answers mean: states of a job, its fields, the environment of a command."""

from __future__ import annotations

import os
import re
import subprocess

# Every state that a job never leaves, unless somebody requeues it. All others are of a job that waits, runs or ends:
# the flags that Slurm shows in the place of a state (SPECIAL_EXIT, STOPPED, RESV_DEL_HOLD) become more with time.
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
# Of a job that has no nodes yet, or none any more until it begins again.
WAITING = ("LAUNCH_FAILED", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
STANDS_STILL = ("SUSPENDED", "STOPPED")  # by Slurm, or by a signal that somebody sent through Slurm
LEAVING = ("COMPLETING", "STAGE_OUT")  # of a job that ends, or that goes back into the queue
# Variables of a job that we may run in ourselves, and a user's options for Slurm's commands: squeue hides jobs for
# some, scancel leaves jobs alone or asks back.
FOREIGN = re.compile("(SLURM|SBATCH|SRUN|SALLOC|SQUEUE|SCANCEL|SCONTROL|SINFO|PMI|PMIX)_(?!CONF$)")


def live(state):
    """Tell whether a job of this state waits or runs; False for "" and None, which say nothing."""
    return bool(state) and state not in FINAL and state not in LEAVING


def clean_env():
    """Return our environment without what changes what a command of Slurm does."""
    return {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}


def call(timeout_s, *argv):
    """Return what a command of Slurm said (CompletedProcess, text), None if it could not be run or took too long."""
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


def record_of(text, job_id):
    """Return the part of what ``scontrol --oneliner show job`` printed that is of *job_id*, else the first one.

    Of the first task of an array it prints the others too.
    """
    parts = re.split(r"\n(?=JobId=\d)", text.strip("\n"))
    return next((part for part in parts if part.startswith(f"JobId={job_id} ")), parts[0])


def fields_of(record):
    """Return the fields of one word in such a part, such as ``{"JobState": "RUNNING"}``.

    What a job is called, and its comment near the end, may look like fields and are none.
    """
    plain = re.sub(r" JobName=.*? (?=UserId=\S+ GroupId=\S+ MCS_label=)", " ", record, count=1, flags=re.DOTALL)
    return dict(reversed(re.findall(r"(?:^| )([A-Za-z]+)=(\S+)", plain)))
