# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Slurm is asked and what its answers mean: states of a job, its fields, messages, the environment of a command."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time

CALL_S = 10.0  # the longest that one command about steps may take

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
# Variables that choose the GPUs of the holder: a step has its own.
SCRUBBED = re.compile("(CUDA|ROCR)_VISIBLE_DEVICES$|GPU_DEVICE_ORDINAL$|ZE_AFFINITY_MASK$")
# Of a job that has no nodes yet, or none any more until it begins again.
WAITING = ("LAUNCH_FAILED", "PENDING", "REQUEUED", "REQUEUE_FED", "REQUEUE_HOLD", "RESV_DEL_HOLD", "SPECIAL_EXIT")
STANDS_STILL = ("SUSPENDED", "STOPPED")  # by Slurm, or by a signal that somebody sent through Slurm
LEAVING = ("COMPLETING", "STAGE_OUT")  # of a job that ends, or that goes back into the queue
# Variables of a job that we may run in ourselves, and a user's options for Slurm's commands: squeue hides jobs for
# some, scancel leaves jobs alone or asks back.
FOREIGN = re.compile("(SLURM|SBATCH|SRUN|SALLOC|SQUEUE|SCANCEL|SCONTROL|SINFO|PMI|PMIX)_(?!CONF$)")

# What a command prints when slurmctld was not reached, so that nothing was done.
UNREACHED = re.compile(r"Unable to contact slurm controller \(connect failure\)|Connection refused")
# What it prints when slurmctld gave no answer: what was asked for may have happened or not. It may answer soon.
UNANSWERED = re.compile(
    r"Unable to contact slurm|Connection refused|Unexpected message|Socket timed out|Zero Bytes were transmitted|"
    r"Communication connection failure|Slurm temporarily unable|Transport endpoint is not connected"
)
# What srun prints when the memory of a step that ended is not free yet.
NOT_YET_FREE = re.compile("Memory required by task is not available")


def live(state):
    """Return whether a job of this state waits or runs; False for "" and None, which say nothing."""
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


class Slurm:
    """All that steps want from Slurm; tests put another one in its place.

    :param jobs: ids of the parts of a heterogeneous job, by which its steps are known; by default as the environment
        of its batch script has them.
    :ivar node: the node that this runs on; None outside of a job.
    """

    def __init__(self, job_id, jobs=None):
        self.job_id, self.node = job_id, os.environ.get("SLURMD_NODENAME")
        parts = range(int(os.environ.get("SLURM_HET_SIZE") or 0))
        ours = [os.environ.get(f"SLURM_JOB_ID_HET_GROUP_{part}", job_id) for part in parts]
        self.jobs = ",".join(jobs or ours) or job_id

    def spawn(self, argv, env, err_path):
        """Start a client in a session of its own, with nothing of ours but a file for its messages."""
        base = {k: v for k, v in clean_env().items() if not SCRUBBED.match(k)}
        with open(err_path, "ab") as err:
            return subprocess.Popen(
                argv, env=dict(base, **env), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True
            )

    def steps(self):
        """Return {step id: name} of what runs now, or None when Slurm does not say."""
        done = call(CALL_S, "squeue", "--all", "--noheader", "--steps", f"--jobs={self.jobs}", "--format=%i|%j")
        if done is None or done.returncode:
            return None
        lines = [line.strip().split("|", 1) for line in done.stdout.split("\n") if "|" in line]
        return {step_id: name for step_id, name in lines if step_id.rsplit(".", 1)[-1].isdigit()}

    def signal(self, step_ids, name):
        """Signal the processes of the steps; False if some did not get it, None when Slurm did not answer."""
        done = call(CALL_S, "scancel", f"--signal={name}", *step_ids)
        return None if done is None else done.returncode == 0


class Listing:
    """What runs of a job as *slurm* lists it, asked for once for all who want to know it at the same time."""

    def __init__(self, slurm):
        self._slurm, self._lock, self._seen, self._seen_at = slurm, threading.Lock(), None, -1e9

    def look(self, max_age_s):
        """Return {step id: name} of what runs, not older than *max_age_s*; None when Slurm does not say."""
        with self._lock:
            if time.monotonic() - self._seen_at > max_age_s:
                self._seen, self._seen_at = self._slurm.steps(), time.monotonic()
            return self._seen
