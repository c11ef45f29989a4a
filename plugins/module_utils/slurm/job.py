# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""One allocation: found again by user, name and digest; or submitted held, written, released; or ended."""

from __future__ import annotations

import json
import os
import time

from ..failures import Error, SlurmError
from ..plan_io import utc_now, write_text_atomic
from ..secret_env import forget, store
from . import addresses, adopted, commands, detached, driver, script
from .evidence import tail_lines

ARGUMENT_SPEC = {
    "allocation": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "running", "absent", "queried"], "default": "running"},
    "job_id": {"type": "str"},
    "output_dir": {"type": "path", "required": True},
    "config_text": {"type": "str"},
    "metadata": {"type": "dict", "default": {}},
    "lease_s": {"type": "float", "default": 120.0},
    "wait_timeout_s": {"type": "float", "default": 0.0},
    "playbook": {"type": "dict", "options": detached.OPTIONS},
    "secrets": {"type": "dict", "no_log": True},
    "secrets_path": {"type": "path"},
}
OPTIONS = {"required_one_of": [("allocation", "job_id")]}
# What Slurm says of a pending job that no wait will cure.
HOPELESS = {
    "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed",
}  # fmt: skip
ABSENT_S = 180.0


def run(params, ctx):
    """Bring the allocation to the wanted state; see the module's documentation for parameters and result."""
    began = time.monotonic()
    result = _Work(params, ctx).run()
    result["duration_s"] = round(time.monotonic() - began, 3)
    return result


class _Work:
    def __init__(self, params, ctx):
        self.params, self.ctx = params, ctx
        self.allocation = params.get("allocation")
        self.output_dir = os.path.abspath(os.path.expanduser(params["output_dir"]))
        self.actions, self.notes, self.script = [], [], None
        if self.allocation:
            self.script, self.notes = script.render(
                self.allocation, self.output_dir, params["lease_s"], play=bool(params.get("playbook"))
            )

    def run(self):
        state, found = self.params["state"], self._find()
        if state == "absent":
            self._end(found)
            found = None
        elif state != "queried":
            if not found:
                found = self._planned() if self.ctx.check_mode else self._submit()
            elif found["reason"].startswith("JobHeldUser") and self._is_ours(found) and not self.ctx.check_mode:
                self._release(found["id"])  # its submitter died before it let it go
            elif not found["comment"].startswith(script.TAG):
                adopted.check(found, self.allocation)
                if self.ctx.check_mode and not adopted.answers(found, script.run_dir(self.output_dir, found["id"])):
                    self.actions.append("adopted")
            if state == "running" and not self.ctx.check_mode:
                found = self._await(found["id"])
        changed = any(action in ("submitted", "released", "adopted", "ended", "cancelled") for action in self.actions)
        result = {
            "changed": changed,
            "actions": self.actions,
            "notes": self.notes,
            "script": self.script,
            "log": self._log(found),
            "job": self._described(found) if found else None,
        }
        if self.ctx.diff and "submitted" in self.actions:
            result["diff"] = {
                "before": "",
                "after": self.script,
                "before_header": "no allocation",
                "after_header": "sbatch script",
            }
        return result

    def _log(self, found):
        """Return where the output of a playbook in the job is, None if there is none."""
        path = detached.log_path(script.run_dir(self.output_dir, found["id"])) if found else ""
        return path if os.path.exists(path) or self.params.get("playbook") and "submitted" in self.actions else None

    # ---- finding

    def _find(self):
        """Return squeue's record of the job, None if there is none."""
        limits = {"timeout_s": 5.0, "patience_s": 0.0} if self.ctx.check_mode else {}
        job_id = self.params.get("job_id")
        try:
            if job_id:
                found = [j for j in commands.jobs(job_id=job_id, **limits) if j["state"] in commands.LIVE_STATES]
                if not found and self.params["state"] in ("present", "running") and not self.ctx.check_mode:
                    raise Error(
                        f"Job {job_id} is not there: {commands.job_end(job_id)}. Leave job_id out for a new one."
                    )
                return found[0] if found else None
            return self._only(self._matches(**limits))
        except SlurmError:
            if self.ctx.check_mode:  # a dry run works on a machine that has no Slurm
                return None
            raise

    def _matches(self, **limits):
        return [j for j in commands.jobs(**limits) if j["state"] in commands.LIVE_STATES and self._is_ours(j)]

    def _is_ours(self, job):
        if not self.allocation:
            return job["comment"].startswith(script.TAG)
        return job["name"] == self.allocation["name"] and job["comment"].split(" ")[0] == script.comment(
            self.allocation
        )

    def _only(self, matches):
        """Return the one job; of several the oldest, if the others are submissions that are about to withdraw."""
        matches = sorted(matches, key=lambda job: int(job["id"]))
        if [job for job in matches[1:] if job["reason"] != "JobHeldUser"]:
            ids = ", ".join(job["id"] for job in matches)
            raise Error(
                f"Jobs {ids} have the same name and request ({self.allocation['name']}). "
                "Choose one with job_id, or end the others with scancel.",
                job_ids=[job["id"] for job in matches],
            )
        return matches[0] if matches else None

    # ---- submitting

    def _submit(self):
        if self.params.get("playbook"):
            detached.check(self.params["playbook"])
        try:
            os.makedirs(self.output_dir, exist_ok=True)
        except OSError as error:
            raise Error(f"output_dir {self.output_dir} cannot be made: {error.strerror}. Choose another one.") from None
        job_id = commands.submit_held(self.script)
        try:
            oldest = min(self._matches(), key=lambda job: int(job["id"]), default={"id": job_id})
            if int(oldest["id"]) < int(job_id):  # somebody else submitted the same job just before us
                commands.cancel(job_id)
                self.notes.append(f"Job {oldest['id']} was submitted at the same time: job {job_id} was withdrawn.")
                return oldest
            self._release(job_id)
        except OSError as error:
            commands.cancel(job_id)
            raise Error(
                f"The run directory of job {job_id} cannot be written: {error}. The job was cancelled before its start."
            ) from None
        except BaseException:
            commands.cancel(job_id)
            raise
        self.actions[-1:] = ["submitted"]
        found = commands.jobs(job_id=job_id)
        if not found:
            self._over(job_id)
        return found[0]

    def _release(self, job_id):
        """Write the run directory, then let the job run: it never starts without its files."""
        folder = script.run_dir(self.output_dir, job_id)
        self._set_aside(folder)
        self._write(folder, job_id, self.allocation["name"], {"sbatch_script.sh": self.script})
        if self.params.get("playbook"):
            detached.freeze(folder, job_id, self.params["playbook"])
        commands.release(job_id)
        self.actions.append("released")

    def _write(self, folder, job_id, name, more):
        """Write the files of the run directory, *more* among them."""
        for below in ("logs", "results"):
            os.makedirs(os.path.join(folder, below), exist_ok=True)
        about = dict(self.params["metadata"] or {}, job_id=job_id, job_name=name, generated_at=utc_now())
        files = dict(driver.holder_files(), **more, **{f"{job_id}.json": json.dumps(about, indent=2) + "\n"})
        if self.params.get("config_text") is not None:
            files["config.yaml"] = self.params["config_text"]
        for path, text in files.items():
            write_text_atomic(os.path.join(folder, path), text)
        store(folder, self.params.get("secrets"))
        point_latest(self.output_dir, job_id)

    def _set_aside(self, folder):
        """Keep the directory of an earlier job of this id: a Slurm that was set up anew counts from 1 again."""
        if not os.path.exists(os.path.join(folder, "steps.jsonl")):  # what a holder writes first
            return
        number = 1
        while os.path.exists(f"{folder}.earlier{number}"):
            number += 1
        os.rename(folder, f"{folder}.earlier{number}")
        self.notes.append(f"{folder} was of an earlier job with this id; it is {folder}.earlier{number} now.")

    def _planned(self):
        """The answer of check mode for an allocation that would be made."""
        self.actions.append("submitted")
        return {"id": "JOBID", "name": self.allocation["name"], "state": "PLANNED", "reason": "", "nodelist": ""}

    # ---- waiting

    def _await(self, job_id):
        """Wait until the job runs and its holder answers; return squeue's record of it."""
        pause, began = 0.05, time.monotonic()
        until = began + (self.params["wait_timeout_s"] or float("inf"))
        job = {"state": "unknown", "reason": "Slurm did not answer"}
        while True:
            try:
                found = commands.jobs(job_id=job_id)
                if not found or found[0]["state"] not in commands.LIVE_STATES:
                    self._over(job_id)
                job = found[0]
            except SlurmError as error:
                self.ctx.progress(str(error))
            if job["state"] == "RUNNING":
                break
            if job["reason"] in HOPELESS:
                self._give_up_waiting(job)
            if time.monotonic() > began + 2.0:
                self.ctx.progress(f"job {job_id} is {job['state']} ({job['reason']}){self._rival(job)}")
            if time.monotonic() >= until:
                raise Error(
                    f"Job {job_id} is still {job['state']} after {self.params['wait_timeout_s']:g} s: {job['reason']}. "
                    "It stays in the queue; run again to go on waiting.",
                    job=self._described(job),
                )
            if not self.ctx.controller_alive():
                raise Error("The controller is gone.")
            time.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(2.0, pause * 1.5)
        self._meet(job, max(10.0, min(60.0, until - time.monotonic())))
        return job

    def _rival(self, job):
        """Return a hint when another job of the same name, perhaps kept by an earlier run, has the nodes."""
        if job["reason"] not in ("Resources", "Priority"):
            return ""
        try:
            others = [j for j in commands.jobs() if j["name"] == job["name"] and j["comment"].startswith(script.TAG)]
        except SlurmError:
            return ""
        held = [j["id"] for j in others if j["id"] != job["id"] and j["state"] == "RUNNING"]
        return f"; job {held[0]} of the same name is up: --tags teardown -e job_id={held[0]} ends it" if held else ""

    def _give_up_waiting(self, job):
        """Fail for a job that Slurm will never start as it was asked for; take it back if it was ours just now."""
        stays = "It stays in the queue."
        if "submitted" in self.actions:
            commands.cancel(job["id"])
            stays = "It was cancelled."
        wanted = self.allocation or {}
        raise Error(
            f"Slurm will not start job {job['id']}: {job['reason']}. It asks for {wanted.get('nodes')} nodes with "
            f"{wanted.get('gpus_per_node') or 'any'} GPUs for {wanted.get('time_limit')} in partition "
            f"{wanted.get('partition') or '(default)'}; compare with sinfo and scontrol show partition. {stays}"
        )

    def _over(self, job_id):
        log = os.path.join(script.run_dir(self.output_dir, job_id), f"slurm-{job_id}.out")
        raise Error(
            f"Job {job_id} ended before it could be used: {commands.job_end(job_id)}. Its output: {log}",
            log=log,
            tail=tail_lines(log, 20),
        )

    def _meet(self, job, limit_s):
        """Say hello to the holder: it answers, and its lease is as wanted."""
        folder = script.run_dir(self.output_dir, job["id"])
        nodes = commands.hostnames(job["nodelist"])
        if not job["comment"].startswith(script.TAG) and not adopted.answers(job, folder):
            adopted.check(job, self.allocation)
            self._write(folder, job["id"], job["name"], {})
            adopted.start_holder(job, folder, self.params["lease_s"])
            self.actions.append("adopted")
            self.notes.append(
                f"Job {job['id']} was not submitted by srt.slurm. Its holder is a step whose client runs on this "
                "host, and the job is left running when the service ends."
            )
        driver.connect(job["id"], folder, nodes[0], patience_s=limit_s).request(
            "status", lease_s=self.params["lease_s"]
        )

    # ---- ending

    def _end(self, job):
        """Ask the holder to end all steps in tiers, then see that the job is gone; cancel it if it does not go."""
        if not job:
            return None
        job_id = job["id"]
        folder = script.run_dir(self.output_dir, job_id)
        if detached.inside(job_id):  # the holder ends the job after the playbook that asks for it here
            return self._end_steps(job, folder)
        guest = self.ctx.check_mode or os.path.exists(os.path.join(folder, "holder.py"))
        if guest and not job["comment"].startswith(script.TAG):
            return self._give_up(job, folder)
        if not self._is_ours(job):
            raise Error(
                f"Job {job_id} ({job['name']}) is not one that this collection submitted for this request. "
                "It is left alone."
            )
        self.actions.append("ended" if job["state"] == "RUNNING" else "cancelled")
        if self.ctx.check_mode:
            return None
        began = time.monotonic()
        asked = job["state"] == "RUNNING" and self._ask_to_end(job)
        if not asked:
            commands.cancel(job_id)
        state, pause = job["state"], 0.05
        while time.monotonic() < began + ABSENT_S + 60:
            try:
                found = commands.jobs(job_id=job_id)
                if not found:
                    return forget(folder)
                state = found[0]["state"]
                if asked and time.monotonic() > began + ABSENT_S:
                    commands.cancel(job_id)
                    asked = False
            except SlurmError as error:  # slurmctld may come back
                state = error.msg
            self.ctx.progress(f"job {job_id} is ending ({state})")
            time.sleep(pause)
            pause = min(1.0, pause * 1.5)
        raise SlurmError(f"Job {job_id} did not leave the queue ({state}). Cancel it: scancel {job_id}")

    def _end_steps(self, job, folder):
        """End all steps of the job that we run in ourselves."""
        self.actions.append("ended")
        if not self.ctx.check_mode:
            node = commands.hostnames(job["nodelist"])[0]
            driver.connect(job["id"], folder, node).request("stop")

    def _give_up(self, job, folder):
        """End the service in an allocation of somebody else, who keeps it."""
        if self.ctx.check_mode:
            ended = job["state"] == "RUNNING" and adopted.answers(job, folder)
        else:
            ended = job["state"] == "RUNNING" and adopted.stop_holder(job, folder, self.ctx)
            forget(folder)
        if ended:
            self.actions.append("ended")
        self.notes.append(f"Job {job['id']} was not submitted by srt.slurm and is left running.")

    def _ask_to_end(self, job):
        folder, nodes = script.run_dir(self.output_dir, job["id"]), commands.hostnames(job["nodelist"])
        try:
            driver.connect(job["id"], folder, nodes[0], patience_s=3.0).request("end", reason="slurm_job state absent")
        except Error:  # no holder (any more): Slurm ends what there is
            return False
        return True

    def _described(self, job):
        """Return the allocation as the other modules take it."""
        planned = job["id"] == "JOBID"
        if planned:
            names = [f"node{i:04d}" for i in range(1, int(self.allocation["nodes"]) + 1)]
            nodes = [{"name": name, "address": f"<addr:{name}>"} for name in names]
        else:
            nodes = (
                addresses.node_addresses(
                    job["id"],
                    commands.hostnames(job["nodelist"]),
                    (self.allocation or {}).get("network_interface"),
                    (self.allocation or {}).get("components"),
                    script.run_dir(self.output_dir, job["id"]),
                )
                if job["state"] == "RUNNING"
                else []
            )
        fields = {key: job.get(key) or None for key in ("submitted_at", "started_at", "ends_at")}
        return dict(
            fields,
            id=job["id"],
            name=job["name"],
            state=job["state"],
            reason=job["reason"],
            nodes=nodes,
            run_dir=script.run_dir(self.output_dir, job["id"]),
        )


def point_latest(output_dir, job_id):
    """Let ``latest`` point at the newest run directory; never removes anything that is not a link."""
    link = os.path.join(output_dir, "latest")
    if os.path.lexists(link) and not os.path.islink(link):
        return
    temporary = os.path.join(output_dir, f".latest-{job_id}-{os.getpid()}")
    os.symlink(str(job_id), temporary)
    os.replace(temporary, link)
