# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An adopted allocation, submitted by other means such as salloc. Its holder is a step with its client on this host.

This is weaker than our batch job: the holder ends with the allocation, and only gets Slurm's warning before the time
limit. The allocation is never ended: it belongs to its submitter.
"""

from __future__ import annotations

import os
import re
import subprocess
import time

from ..entry import Context
from ..failures import Error, SlurmError
from ..holder import FOLDER, PYTHON, journal, slurm_calls, socket_dir
from ..holder.records import Answer
from ..holder.secret_values import forget
from ..holder.steps import Steps
from ..json_types import JsonObject
from ..slurm import commands
from ..slurm.commands import QueueEntry
from . import addresses, driver, ownership

STOPPED_S = 120.0
LOOK_S = 0.2
GONE_S = 5.0  # how long the step of a killed holder may still be listed
BEGUN_S = 20.0  # how long a holder just started by a concurrent controller may take to answer


def check(job: QueueEntry, allocation: JsonObject | None, run_dir: str) -> None:
    """Raise Error when *job* (its queue entry) cannot be used for the requested *allocation*.

    What counts are the nodes that it began with, if *run_dir* says which: it may go on without some of them.
    """
    if job["user"] != slurm_calls.account():
        raise Error(f"Job {job['id']} belongs to {job['user']}. Use the job_id of one of your jobs.")
    if job["state"] != "RUNNING":
        return
    began = addresses.began_with(run_dir, job.get("started_at"))
    nodes = max(len(began), len(commands.hostnames(job["nodelist"])))
    wanted = int((allocation or {}).get("nodes") or 0)
    if nodes < wanted:
        raise Error(
            f"Job {job['id']} has {nodes} nodes, but {wanted} are needed. Use another job_id, or leave it out for a "
            "new allocation."
        )


def in_words(job: QueueEntry) -> str:
    """Return what the user should know about an adopted allocation."""
    return (
        f"Job {job['id']} was not submitted by srt.slurm. Its holder is a step whose client runs on this host, and the "
        "job is left running when the service ends."
    )


def check_run_dir(job: QueueEntry, run_dir: str) -> None:
    """Raise Error if *run_dir* belongs to an earlier job with the id of an adopted one.

    That run is over, and a stage would overwrite its plan.
    """
    if not ownership.recorded_run_dir(job) and os.path.isdir(run_dir) and not ownership.is_of(run_dir, job):
        raise Error(
            f"{run_dir} belongs to an earlier job with the id {job['id']}, and this job has no service yet. Run "
            "without --tags: the stage allocation moves that directory aside first."
        )


def answers(job: QueueEntry, run_dir: str) -> bool:
    """Return whether a holder already serves the allocation."""
    return bool(_status(job, run_dir))


def _status(job: QueueEntry, run_dir: str) -> Answer | None:
    """Return the status of the holder of *run_dir*, None if there is no answer."""
    if job["state"] != "RUNNING" or not os.path.exists(os.path.join(run_dir, FOLDER)):
        return None
    node = commands.hostnames(job["nodelist"])[0]
    try:
        return driver.connect(job["id"], run_dir, node, patience_s=0.0).request("status", renew=False, timeout_s=20.0)
    except Error:
        return None


def check_silent(job: QueueEntry, run_dir: str) -> None:
    """Raise Error if a holder runs in the allocation although none answered for *run_dir*."""
    until = time.monotonic() + GONE_S
    while driver.HOLDER_STEP in commands.step_names(job["id"]):
        if time.monotonic() > until:
            raise SlurmError(
                f"A holder runs in job {job['id']} but does not answer for {run_dir}. Nothing was ended. Run again; "
                f"if that fails, end the step {driver.HOLDER_STEP} (squeue --steps --jobs={job['id']}, then "
                "scancel its id) and run again."
            )
        time.sleep(0.2)


def lacks_holder(job: QueueEntry, run_dir: str, ctx: Context) -> bool:
    """Return whether the allocation has no holder; False if one serves *run_dir*, even if it has only just started.

    Error if a running holder does not answer here: it serves another run directory.
    """
    begun = os.path.exists(os.path.join(run_dir, FOLDER))  # written by a controller before it starts a holder
    began = time.monotonic()
    until = began + (BEGUN_S if begun else GONE_S)
    while True:
        status = _status(job, run_dir)
        if status and not status["ending"]:
            return False
        if driver.HOLDER_STEP not in commands.step_names(job["id"]):
            return True
        if status and time.monotonic() < began + STOPPED_S:  # it ends its steps, then exits
            ctx.progress(f"the service in job {job['id']} is ending")
            until = time.monotonic() + GONE_S
        if time.monotonic() > until:
            raise _served(job, run_dir)
        time.sleep(0.2)


def check_concurrent(job: QueueEntry, run_dir: str, client: subprocess.Popen[bytes]) -> None:
    """Raise Error if our holder, whose srun is *client*, yielded to that of a concurrent controller.

    Our secrets are removed, as they are no longer used.
    """
    if client.poll() == socket_dir.GAVE_WAY:
        forget(run_dir)
        raise _served(job, run_dir)


def _served(job: QueueEntry, run_dir: str) -> Error:
    return Error(
        f"Job {job['id']} has a service whose run directory is not {run_dir}. Use the output_dir of that run: two "
        "services would compete for GPUs and ports."
    )


def start_holder(job: QueueEntry, run_dir: str, lease_s: float) -> subprocess.Popen[bytes]:
    """Start the holder as a step; return its client, which outlives us. The caller waits for the holder's answer.

    If another controller does the same, one of the two holders serves, and the other one ends at once.
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
        f"--job-name={driver.HOLDER_STEP}",
        "--input=none",
        "--open-mode=append",
        f"--output={slurm_calls.output_path(run_dir.replace('%', '%%'), '%j')}",
        *(*PYTHON, os.path.join(run_dir, FOLDER), "serve", "--adopted", str(job.get("submitted_at"))),
        *("--run-dir", run_dir, "--lease", f"{lease_s:g}"),
    ]
    with open(os.path.join(run_dir, "logs", f"{driver.HOLDER_STEP}.err"), "ab") as err:
        return subprocess.Popen(
            argv, env=commands.clean_env(), stdin=subprocess.DEVNULL, stdout=err, stderr=err, start_new_session=True
        )


def stop_holder(job: QueueEntry, run_dir: str, ctx: Context, reason: str, timeout_s: float) -> bool:
    """End the service and its holder, and wait until the holder's step is gone; return False if there was none.

    :param reason: why, for the record of the run.
    :param timeout_s: SlurmError if the holder is still there after this many seconds.
    """
    node = commands.hostnames(job["nodelist"])[0]
    try:
        driver.connect(job["id"], run_dir, node, patience_s=3.0).request("end", reason=reason)
    except Error:
        return False
    until = time.monotonic() + timeout_s
    while driver.HOLDER_STEP in commands.step_names(job["id"]):
        if time.monotonic() > until:
            raise SlurmError(f"The holder of job {job['id']} did not end in {timeout_s:g} s. The job is left alone.")
        ctx.progress(f"the service in job {job['id']} is ending")
        time.sleep(0.1)
    return True


class LeftSteps(slurm_calls.Slurm):
    """Slurm access for the steps of a killed holder, from the submit host.

    :ivar only: ids of the steps that count, None for all.
    :ivar patient: wait for the next answer, because a decision depends on it.
    """

    def __init__(self, job_id: str) -> None:
        super().__init__(job_id, jobs=commands.part_ids(job_id))
        self.only: set[str] | None = None
        self.patient = True

    def steps(self) -> dict[str, str] | None:
        """Return {step id: name} of the running steps; None, or SlurmError after a wait, if Slurm is silent."""
        until = time.monotonic() + commands.PATIENCE_S
        found = super().steps()
        while found is None and self.patient:
            if time.monotonic() > until:
                raise SlurmError(f"Slurm does not list the steps of job {self.job_id}. Run again.")
            time.sleep(1.0)
            found = super().steps()
        self.patient = False
        return found and {step_id: name for step_id, name in found.items() if self.only is None or step_id in self.only}


def client_of(step_id: str) -> str:
    """Return the process id of a step's srun, "" if it is not known."""
    done = commands.patiently(["scontrol", "--oneliner", "show", "step", step_id], check=False)
    return (re.findall(r"SrunHost:Pid=\S*:(\d+)", done.stdout) or [""])[0]


def orphans(job: QueueEntry, run_dir: str, slurm: LeftSteps | None = None) -> dict[str, str]:
    """Return {step id: name} of the running steps of the service in *run_dir*, from its journal and Slurm."""
    last = {name: event for name, event in journal.latest_events(run_dir).items() if event.get("state") != "ended"}
    if not last:
        return {}
    found = {}
    for step_id, name in ((slurm or LeftSteps(job["id"])).steps() or {}).items():
        event = last.get(name) or {}
        # A holder killed right after it started a step recorded the client, but not yet the id of the step.
        young = event.get("pid") and not event.get("step_id")
        if event.get("step_id") == step_id or young and client_of(step_id) == str(event["pid"]):
            found[step_id] = name
    return found


def stop_orphans(job: QueueEntry, run_dir: str, ctx: Context, timeout_s: float) -> bool:
    """End the remaining steps of a service whose holder was killed; return False if there are none.

    The steps end as the holder would have ended them: in tiers, by their ids, with TERM, then KILL after their graces.

    :param timeout_s: KILL after this many seconds at the latest.
    """
    slurm = LeftSteps(job["id"])
    left = orphans(job, run_dir, slurm)
    if not left:
        return False
    check_silent(job, run_dir)
    ctx.progress(f"no holder answers for {len(left)} steps in job {job['id']}; ending them from this host")
    slurm.only, slurm.patient = set(left), True
    steps = Steps(run_dir, slurm, look_s=LOOK_S)  # no client reports an end, and all tiers share a deadline
    steps.close()
    for step in steps.by_name.values():
        step.spec["stop_grace_s"] = min(step.grace_s(), max(timeout_s, LOOK_S))
    steps.stopper.stop_in_tiers(list(steps.by_name.values()))
    until = time.monotonic() + GONE_S
    while True:
        slurm.patient = True
        alive = slurm.steps()
        if not alive:
            return True
        if time.monotonic() > until:
            names = ", ".join(f"{name} ({step_id})" for step_id, name in sorted(alive.items()))
            raise SlurmError(f"Steps of job {job['id']} do not end: {names}. Check their nodes, then run again.")
        time.sleep(0.2)
