# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""An allocation that somebody else submitted, such as salloc: its holder is a step, with its client on this host.

Weaker than a batch job of ours: the holder dies with the allocation and gets Slurm's own warning before the time limit
only. The allocation itself is never ended: it stays with the one who made it.
"""

from __future__ import annotations

import getpass
import os
import re
import subprocess
import time

from ..failures import Error, SlurmError
from ..holder import FOLDER, socket_dir
from ..holder import steps as holder_steps
from ..secrets.references import forget
from ..slurm import commands
from . import driver, ownership

STOPPED_S = 120.0
LOOK_S = 0.2
GONE_S = 5.0  # how long the step of a holder that was killed may still be listed
BEGUN_S = 20.0  # how long one that another controller has just started may need until it answers


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


def in_words(job):
    """Return what a person should know of an allocation that was adopted."""
    return (
        f"Job {job['id']} was not submitted by srt.slurm. Its holder is a step whose client runs on this host, and the "
        "job is left running when the service ends."
    )


def check_place(job, run_dir):
    """Raise Error when *run_dir* is of an earlier job that had the number of one which somebody else submitted.

    What ran there is over, and a stage would write over its plan.
    """
    if not ownership.place(job) and os.path.isdir(run_dir) and not ownership.is_of(run_dir, job):
        raise Error(
            f"{run_dir} is of an earlier job with the number {job['id']}, and nothing of ours runs in this one yet. "
            "Run the stage allocation first, which keeps that directory aside: leave --tags out."
        )


def answers(job, run_dir):
    """Tell whether a holder serves the allocation already."""
    return bool(_ask(job, run_dir))


def _ask(job, run_dir):
    """Return what the holder of *run_dir* says of itself, None if nobody answers."""
    if job["state"] != "RUNNING" or not os.path.exists(os.path.join(run_dir, FOLDER)):
        return None
    node = commands.hostnames(job["nodelist"])[0]
    try:
        return driver.connect(job["id"], run_dir, node, patience_s=0.0).request("status", renew=False, timeout_s=20.0)
    except Error:
        return None


def check_silent(job, run_dir):
    """Raise Error when some holder runs in the allocation, though none answered for *run_dir*."""
    until = time.monotonic() + GONE_S
    while driver.GUEST in commands.step_names(job["id"]):
        if time.monotonic() > until:
            raise SlurmError(
                f"A holder runs in job {job['id']} and does not answer for {run_dir}. Nothing was ended. Run again; "
                f"if that does not help, end the step {driver.GUEST} (squeue --steps --jobs={job['id']}, then scancel "
                "its id) and run again."
            )
        time.sleep(0.2)


def lacks_holder(job, run_dir, ctx):
    """Tell whether the allocation has no holder; False if one serves *run_dir*, though it may have begun just now.

    Error when a holder runs that does not answer here: that of another run directory.
    """
    begun = os.path.exists(os.path.join(run_dir, FOLDER))  # what a controller writes before it starts one
    began = time.monotonic()
    until = began + (BEGUN_S if begun else GONE_S)
    while True:
        told = _ask(job, run_dir)
        if told and not told.get("ending"):
            return False
        if driver.GUEST not in commands.step_names(job["id"]):
            return True
        if told and time.monotonic() < began + STOPPED_S:  # it ends its steps, and then itself
            ctx.progress(f"the service in job {job['id']} is ending")
            until = time.monotonic() + GONE_S
        if time.monotonic() > until:
            raise _served(job, run_dir)
        time.sleep(0.2)


def check_rival(job, run_dir, client):
    """Raise Error when our holder, whose srun is *client*, left the job to one that another controller started with it.

    Nobody will ask for our secrets any more.
    """
    if client.poll() == socket_dir.GAVE_WAY:
        forget(run_dir)
        raise _served(job, run_dir)


def _served(job, run_dir):
    return Error(
        f"Job {job['id']} has a service whose run directory is not {run_dir}. Use the output_dir of that run: two "
        "services would take each other's GPUs and ports."
    )


def start_holder(job, run_dir, lease_s):
    """Start the holder as a step; return its client, which outlives us. The caller waits for the holder's answer.

    If another controller does the same now, one of the two holders serves, and the other one ends at once.
    """
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
        f"--job-name={driver.GUEST}",
        "--input=none",
        "--open-mode=append",
        f"--output={run_dir.replace('%', '%%')}/slurm-%j.out",
        *("python3", os.path.join(run_dir, FOLDER), "serve", "--guest", str(job.get("submitted_at"))),
        *("--run-dir", run_dir, "--lease", f"{lease_s:g}"),
    ]
    with open(os.path.join(run_dir, "logs", f"{driver.GUEST}.err"), "ab") as err:
        return subprocess.Popen(
            argv, env=commands.clean_env(), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True
        )


def stop_holder(job, run_dir, ctx, reason):
    """End the service and its holder, and see the holder's step gone; return False if there was none.

    :param reason: why, for who looks at the run later.
    """
    node = commands.hostnames(job["nodelist"])[0]
    try:
        driver.connect(job["id"], run_dir, node, patience_s=3.0).request("end", reason=reason)
    except Error:
        return False
    until = time.monotonic() + STOPPED_S
    while driver.GUEST in commands.step_names(job["id"]):
        if time.monotonic() > until:
            raise SlurmError(f"The holder of job {job['id']} did not end in {STOPPED_S:g} s. The job is left alone.")
        ctx.progress(f"the service in job {job['id']} is ending")
        time.sleep(0.1)
    return True


class _Slurm(holder_steps.Slurm):
    """Slurm as a holder asks it, from the submit host.

    :ivar only: ids of the steps that count, None for all.
    :ivar patient: the next answer is waited for, as much rests on it.
    """

    def __init__(self, job_id):
        super().__init__(job_id)
        self.jobs, self.only, self.patient = ",".join(commands.part_ids(job_id)) or job_id, None, True

    def steps(self):
        until = time.monotonic() + commands.PATIENCE_S
        found = super().steps()
        while found is None and self.patient:
            if time.monotonic() > until:
                raise SlurmError(f"Slurm does not say which steps job {self.job_id} has. Run again.")
            time.sleep(1.0)
            found = super().steps()
        self.patient = False
        return found and {step_id: name for step_id, name in found.items() if self.only is None or step_id in self.only}

    def client_of(self, step_id):
        """Return the process id of a step's srun, "" if it is not known."""
        told = commands.patiently(["scontrol", "--oneliner", "show", "step", step_id], check=False).stdout
        return (re.findall(r"SrunHost:Pid=\S*:(\d+)", told) or [""])[0]


class _Steps(holder_steps.Steps):
    """The steps as the next holder would find them, and their end. None of them starts again."""

    def __init__(self, run_dir, slurm, reason):
        super().__init__(run_dir, slurm)
        self.ending = reason

    def _gone(self, step, limit_s=1e9):
        """As in Steps, but quickly: there is no client that tells, and all tiers have one deadline."""
        until = time.monotonic() + limit_s
        while step.alive and time.monotonic() < until:
            present = self._look(LOOK_S)
            if present is not None and step.step_id not in present:
                return True
            time.sleep(LOOK_S)
        return not step.alive


def orphans(job, run_dir, slurm=None):
    """Return {step id: name} of what runs of the service in *run_dir*, by its steps.jsonl and Slurm. Reads only."""
    last = {name: event for name, event in holder_steps.remembered(run_dir).items() if event.get("state") != "ended"}
    if not last:
        return {}
    slurm, found = slurm or _Slurm(job["id"]), {}
    for step_id, name in slurm.steps().items():
        told = last.get(name) or {}
        # A holder that was killed right after the start of a step did not know its id yet, but its client.
        young = told.get("pid") and not told.get("step_id")
        if told.get("step_id") == step_id or young and slurm.client_of(step_id) == str(told["pid"]):
            found[step_id] = name
    return found


def stop_orphans(job, run_dir, ctx, reason):
    """End what lives on of a service whose holder was killed; return False if there was nothing.

    The steps end as their holder would have ended them: in tiers, by their ids, TERM and after their graces KILL.
    """
    slurm = _Slurm(job["id"])
    left = orphans(job, run_dir, slurm)
    if not left:
        return False
    check_silent(job, run_dir)
    ctx.progress(f"no holder answers for {len(left)} steps in job {job['id']}: they are ended from here")
    slurm.only, slurm.patient = set(left), True
    steps = _Steps(run_dir, slurm, reason)
    steps.stop_in_tiers(list(steps.steps.values()))
    until = time.monotonic() + GONE_S
    while True:
        slurm.patient = True
        alive = slurm.steps()
        if not alive:
            return True
        if time.monotonic() > until:
            told = ", ".join(f"{name} ({step_id})" for step_id, name in sorted(alive.items()))
            raise SlurmError(f"Steps of job {job['id']} do not end: {told}. Look at their nodes, then run again.")
        time.sleep(0.2)
