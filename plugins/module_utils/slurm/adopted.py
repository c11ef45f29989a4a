# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""An allocation that somebody else submitted, such as salloc: its holder is a step, with its client on this host.

Weaker than a batch job of ours: the holder dies with the allocation and gets Slurm's own warning before the time limit
only. The allocation itself is never ended: it stays with the one who made it.
"""

from __future__ import annotations

import getpass
import os
import subprocess
import time

from ..failures import Error, SlurmError
from . import commands, driver

STEP = "srt_holder"
STOPPED_S = 120.0
GONE_S = 5.0  # how long the step of a holder that was killed may still be listed


def check(job, allocation):
    """Raise Error when *job* (squeue's record) cannot be used for the *allocation* that is wanted."""
    if job["user"] != getpass.getuser():
        raise Error(f"Job {job['id']} belongs to {job['user']}. Give a job_id of your own.")
    if job["state"] != "RUNNING":
        return
    nodes, wanted = len(commands.hostnames(job["nodelist"])), int((allocation or {}).get("nodes") or 0)
    if nodes < wanted:
        raise Error(
            f"Job {job['id']} has {nodes} nodes, but {wanted} are needed. Give another job_id, or leave it out for a "
            "new allocation."
        )


def answers(job, run_dir):
    """Tell whether a holder serves the allocation already."""
    if job["state"] != "RUNNING" or not os.path.exists(os.path.join(run_dir, "holder.py")):
        return False
    node = commands.hostnames(job["nodelist"])[0]
    try:
        driver.connect(job["id"], run_dir, node, patience_s=0.0).request("status", renew=False, timeout_s=20.0)
    except Error:
        return False
    return True


def check_alone(job, run_dir):
    """Raise Error when the holder of another run directory has a service in the allocation already."""
    until = time.monotonic() + GONE_S
    while STEP in commands.step_names(job["id"]):
        if time.monotonic() > until:
            raise Error(
                f"Job {job['id']} has a service whose run directory is not {run_dir}. Use the output_dir of that run: "
                "two services would take each other's GPUs and ports."
            )
        time.sleep(0.2)


def start_holder(job, run_dir, lease_s):
    """Start the holder as a step; its client outlives us. The caller waits for the holder's answer."""
    node = commands.hostnames(job["nodelist"])[0]
    argv = [
        "srun",
        f"--jobid={job['id']}",
        "--overlap",
        "--nodes=1",
        "--ntasks=1",
        f"--nodelist={node}",
        "--mpi=none",
        "--cpu-bind=none",
        f"--job-name={STEP}",
        "--input=none",
        "--open-mode=append",
        f"--output={run_dir.replace('%', '%%')}/slurm-%j.out",
        *("python3", os.path.join(run_dir, "holder.py"), "serve", "--run-dir", run_dir, "--lease", f"{lease_s:g}"),
    ]
    with open(os.path.join(run_dir, "logs", f"{STEP}.err"), "ab") as err:
        subprocess.Popen(
            argv, env=commands.clean_env(), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True
        )


def stop_holder(job, run_dir, ctx):
    """End the service and its holder, and see the holder's step gone; return False if there was none."""
    node = commands.hostnames(job["nodelist"])[0]
    try:
        driver.connect(job["id"], run_dir, node, patience_s=0.0).request("end", reason="slurm_job state absent")
    except Error:
        return False
    until = time.monotonic() + STOPPED_S
    while STEP in commands.step_names(job["id"]):
        if time.monotonic() > until:
            raise SlurmError(f"The holder of job {job['id']} did not end in {STOPPED_S:g} s. The job is left alone.")
        ctx.progress(f"the service in job {job['id']} is ending")
        time.sleep(0.1)
    return True
