# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The handshake with the holder of a running job. A job whose first node does not start it is cancelled.

A job that Slurm requeues meanwhile stays in the queue.
"""

from __future__ import annotations

import os
import subprocess
import time
from typing import NoReturn

from ..entry import Context
from ..failures import Error, SlurmError
from ..holder.records import Answer
from ..holder.secret_values import forget
from ..slurm import commands
from ..slurm.commands import QueueEntry
from . import adopted, driver, job_end

BEGIN_S = 300.0  # how long the first node may take to start: a prolog may check all its GPUs
ROUND_S = 4.0


def wait_for_holder(
    job: QueueEntry,
    folder: str,
    lease_s: float,
    limit_s: float,
    ours: bool,
    ctx: Context,
    client: subprocess.Popen[bytes] | None = None,
) -> Answer:
    """Return once the holder of *job* (its queue entry) answers; its lease is *lease_s* from then on.

    A hanging srun counts as no answer.

    :param limit_s: how long a holder that has started may not answer.
    :param ours: we may cancel the job if its holder never starts.
    :param client: the srun (a process) of a holder that we have just started in an adopted allocation.
    """
    nodes = commands.hostnames(job["nodelist"])
    began, first = time.monotonic(), ours and job["batch_host"] or nodes[0]
    while True:
        if ours and first not in nodes:  # Slurm removed the node, and the batch script with it
            _cancel(job, folder, first, "was lost before it started the holder")
        try:
            talk = driver.connect(job["id"], folder, nodes[0], patience_s=min(ROUND_S, limit_s), nodes=nodes)
            return talk.request("status", lease_s=lease_s)
        except (driver.HolderGone, commands.NoAnswer) as error:
            passed = time.monotonic() - began
            begun = os.path.exists(os.path.join(folder, "steps.jsonl"))  # the first file that a holder writes
            over = isinstance(error, driver.JobOver)
            if over and job_end.outcome(job["id"], folder)["final"]:
                forget(folder)
            if over or passed > limit_s and (begun or not ours):
                raise
            if client and not over:
                adopted.check_concurrent(job, folder, client)
        if not begun:
            if passed > BEGIN_S:
                _cancel(job, folder, first, f"did not start the holder in {BEGIN_S:g} s")
            ctx.progress(f"job {job['id']} has its nodes; {first} has not started the holder yet")
        if not ctx.controller_alive():
            raise Error("The controller has ended.")
        found = commands.jobs(job_id=job["id"])
        if found and not found[0]["nodelist"]:
            raise Error(
                f"Slurm requeued job {job['id']} before its holder answered: {found[0]['state']} "
                f"({found[0]['reason']}). It stays in the queue. Run again to wait for it."
            )
        nodes = commands.hostnames(found[0]["nodelist"]) if found else nodes


def _cancel(job: QueueEntry, folder: str, first: str, why: str) -> NoReturn:
    end, cancelled = "The job was cancelled.", True
    try:
        commands.cancel(job["id"])
        forget(folder)
    except SlurmError as error:
        cancelled = False
        end = f"It could not be cancelled ({error.msg}): run scancel {job['id']}."
    raise Error(
        f"Job {job['id']} runs, but its first node {first} {why}. {end}",
        retryable=cancelled,  # a second job would double the nodes
        bad_nodes=[first],
    )
