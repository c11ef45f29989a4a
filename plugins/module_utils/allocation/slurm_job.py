# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""One allocation: found again by user, name and digest; or submitted held, written, released; or ended."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import time

from ..failures import Error, SlurmError
from ..files import write_text_atomic
from ..holder import slurm_calls
from ..holder.basics import tail_lines, utc_now
from ..secrets.references import forget, store
from ..slurm import commands, script
from . import addresses, adopted, detached, driver, handshake, job_end, ownership, requeue
from .ending import Ending
from .run_directory import check_writable, make_room, point_latest, writing
from .unfinished import Leftover, held

ARGUMENT_SPEC = {
    "allocation": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "running", "absent", "requeued"], "default": "running"},
    "job_id": {"type": "str"},
    "output_dir": {"type": "path", "required": True},
    "config_text": {"type": "str"},
    "metadata": {"type": "dict", "default": {}},
    "lease_s": {"type": "float", "default": 120.0},
    "wait_timeout_s": {"type": "float", "default": 0.0},
    "retries": {"type": "int", "default": 0},
    "playbook": {"type": "dict", "options": detached.OPTIONS},
    "reason": {"type": "str"},
    "secrets": {"type": "dict", "no_log": True},
    "secrets_path": {"type": "path"},
}
OPTIONS = {"required_one_of": [("allocation", "job_id")]}
QUERIED = "queried"  # the state of slurm_job_info, which only looks
# What Slurm says of a pending job that no wait will cure.
HOPELESS = {
    "PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS", "AccountNotAllowed",
}  # fmt: skip
CHANGING = ("submitted", "released", "adopted", "ended", "cancelled", "requeued")
LOOKS_S = (0.0, 1.0, 2.0, 4.0)  # pauses before the looks for the job of an sbatch without an answer


def run(params, ctx):
    """Bring the allocation to the wanted state; see the module's documentation for parameters and result."""
    began = time.monotonic()
    result = requeue.persist(lambda params: _Work(params, ctx).run(), params, ctx)
    result["duration_s"] = round(time.monotonic() - began, 3)
    return result


class _Work(Leftover, Ending):
    def __init__(self, params, ctx):
        self.params, self.ctx = params, ctx
        self.allocation = params.get("allocation")
        self.output_dir = os.path.abspath(os.path.expanduser(params["output_dir"]))
        self.actions, self.notes, self.script = [], [], None
        if self.allocation:
            self.script, self.notes = script.render(
                self.allocation, self.output_dir, params["lease_s"], **detached.script_options(params.get("playbook"))
            )

    def run(self):
        state, found = self.params["state"], self._find()
        found = self._at_home(found) if found else None
        if state == "absent":
            self._end(found)
            found = None
        elif state == "requeued":
            self._requeue(found)
        elif state != QUERIED:
            found = self._unless_unusable(found) if found else None
            if not found:
                found = self._planned() if self.ctx.check_mode else self._at_home(self._submit())
            elif self._unfinished(found):
                if not self.ctx.check_mode:
                    found = self._let_go(found) or self._at_home(self._submit())
            elif not found["comment"].startswith(script.TAG):
                adopted.check(found, self.allocation)
                if self.ctx.check_mode and not adopted.answers(found, script.run_dir(self.output_dir, found["id"])):
                    self.actions.append("adopted")
            elif held(found):
                found = next(iter(commands.jobs(job_id=found["id"])), found)  # another controller may have let it go
                self.notes += [f"Job {found['id']} is left as it is. {held(found)}."] if held(found) else []
            if self.params.get("playbook") and not self.actions:
                detached.check_found(found, script.run_dir(self.output_dir, found["id"]), self.params["playbook"])
            if state == "running" and not self.ctx.check_mode:
                found = self._await(found["id"])
        changed = any(action in CHANGING for action in self.actions)
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
                found = [j for j in commands.jobs(job_id=job_id, **limits) if slurm_calls.live(j["state"])]
                if not found and self.params["state"] in ("present", "running") and not self.ctx.check_mode:
                    raise Error(
                        f"Job {job_id} is not there: {commands.job_end(job_id)}. Leave job_id out for a new one; if "
                        "none was given, it is that of the variable SLURM_JOB_ID of this shell: unset it."
                    )
                return found[0] if found else None
            return self._only(self._matches(**limits))
        except SlurmError:
            if self.ctx.check_mode:  # a dry run works on a machine that has no Slurm
                return None
            raise

    def _matches(self, **limits):
        return [j for j in commands.jobs(**limits) if slurm_calls.live(j["state"]) and self._is_ours(j)]

    def _is_ours(self, job):
        if not self.allocation:
            return job["comment"].startswith(script.TAG)
        return script.asks_for(job, self.allocation)

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

    def _at_home(self, job):
        """Return *job*, work where it works from here on; Error where that would mix two output directories.

        Secrets, digests and earlier points belong to an output directory, so a service is not used from another one.
        """
        told, here = ownership.place(job), script.run_dir(self.output_dir, job["id"])
        if self.params["state"] == QUERIED:
            adopted.check_place(job, here)
        if not told or ownership.same(told, here) or ownership.is_of(here, job):
            return job
        if self.params["state"] == "absent":
            if self.params.get("job_id") and os.path.isdir(here):
                return self._leave_alone(job)
            return self._follow(job, told)
        if self.params["state"] in ("running", QUERIED) or job["reason"].startswith("JobHeldUser"):
            raise Error(
                f"Job {job['id']} ({job['name']}) is there already and works in {job['work_dir']}, not in "
                f"{self.output_dir}. Go on with it with -e output_dir={shlex.quote(job['work_dir'])}, or end it: "
                f"ansible-playbook playbooks/stop.yml -e run_dir={shlex.quote(told)}",
                run_dir=told,
            )
        return self._follow(job, told)

    def _follow(self, job, told):
        self.output_dir = job["work_dir"]
        self.notes.append(f"Job {job['id']} works in {told}.")
        return job

    # ---- submitting

    def _submit(self):
        if self.params.get("playbook"):
            detached.check(self.params["playbook"])
        check_writable(self.output_dir)
        job = self._sbatch()
        job_id = job["id"]
        if not job["reason"].startswith("JobHeldUser"):  # another controller has let it go already
            return job
        try:
            matches = self._matches()
            oldest = min(matches, key=lambda job: int(job["id"]), default=job)
            if int(oldest["id"]) < int(job_id):  # somebody else submitted the same job just before us
                why = f"Job {oldest['id']} was submitted at the same time"
                self.notes.append(f"{why}: {self._withdraw(job_id, f'job {job_id} was withdrawn.')}")
                return oldest
            self._release(next((one for one in matches if one["id"] == job_id), job))
        except OSError as error:
            raise Error(
                f"The run directory of job {job_id} cannot be written: {error}. {self._withdraw(job_id)}"
            ) from None
        except Error as error:
            raise Error(f"Job {job_id} was not begun: {error.msg} {self._withdraw(job_id)}", **error.evidence) from None
        except BaseException:
            self.ctx.show(self._withdraw(job_id))
            raise
        self.actions[-1:] = ["submitted"]
        ownership.forget_dead(self.output_dir)
        found = commands.jobs(job_id=job_id)
        if not found:
            self._over(job_id)
        return found[0]

    def _sbatch(self):
        """Submit the job held; return what is known of it. An sbatch that gives no answer may have been heard."""
        for left in (1, 0):
            try:
                return {"id": commands.submit_held(self.script), "reason": "JobHeldUser"}
            except commands.NoAnswer as error:
                self.ctx.progress(f"{error.msg} Looking for its job before it is submitted again.")
                for pause in LOOKS_S:
                    time.sleep(pause)
                    found = self._only([job for job in self._matches() if self._fits(job)])
                    if found:
                        self.notes.append(f"sbatch gave no answer, but Slurm has its job {found['id']}.")
                        return found
                if not left:
                    raise SlurmError(
                        f"{error.msg} Slurm has no job of it so far. Run again: a job that comes late is found."
                    ) from None
        return None

    def _withdraw(self, job_id, done="The job was cancelled before its start."):
        """Cancel a job that has not begun; return a sentence on what became of it."""
        try:
            commands.cancel(job_id)
        except SlurmError as error:
            return f"It could not be cancelled either ({error.msg}) and may stay in the queue: run scancel {job_id}."
        folder = script.run_dir(self.output_dir, job_id)
        with contextlib.suppress(SlurmError):  # without an answer the next run removes the secrets
            if not ownership.elsewhere(folder):
                forget(folder)
        return done

    def _release(self, job):
        """Write the run directory, then let the job run: it never starts without its files."""
        folder = script.run_dir(self.output_dir, job["id"])
        self.notes += make_room(folder, job)
        self._write(folder, job, {"sbatch_script.sh": self.script})
        if self.params.get("playbook"):
            detached.freeze(folder, job["id"], self.params["playbook"])
        commands.release(job["id"])
        ownership.note_release(folder)
        self.actions.append("released")

    def _write(self, folder, job, more):
        """Write the files of the run directory, *more* among them."""
        job_id, name = job["id"], job.get("name") or self.allocation["name"]
        about = dict(self.params["metadata"] or {}, job_id=job_id, job_name=name, generated_at=utc_now())
        about.update(ownership.marks(job))
        files = dict(driver.holder_files(), **more, **{f"{job_id}.json": json.dumps(about, indent=2) + "\n"})
        if self.params.get("config_text") is not None:
            files["config.yaml"] = self.params["config_text"]
        with writing(folder, job_id):
            for below in ("logs", "results"):
                os.makedirs(os.path.join(folder, below), exist_ok=True)
            for path, text in files.items():
                write_text_atomic(os.path.join(folder, path), text)
            store(folder, self.params.get("secrets"))
            point_latest(self.output_dir, job_id)

    def _planned(self):
        """The answer of check mode for an allocation that would be made."""
        self.actions.append("submitted")
        return {"id": "JOBID", "name": self.allocation["name"], "state": "PLANNED", "reason": "", "nodelist": ""}

    # ---- waiting

    def _await(self, job_id):
        """Wait until the job runs and its holder answers; return squeue's record of it."""
        pause, began = 0.05, time.monotonic()
        until = began + (self.params["wait_timeout_s"] or float("inf"))
        unknown = {"id": job_id, "state": "unknown", "reason": "Slurm did not answer"}
        job = dict(dict.fromkeys(commands.JOB_FIELDS, ""), **unknown)
        self.ctx.holds(job_id, script.run_dir(self.output_dir, job_id))
        while True:
            try:
                found = commands.jobs(job_id=job_id)
                if not found or not slurm_calls.live(found[0]["state"]):
                    self._over(job_id)
                job = found[0]
            except commands.Unlisted:
                raise
            except SlurmError as error:
                self.ctx.progress(str(error))
            if job["state"] == "RUNNING":
                break
            if job["reason"] in HOPELESS:
                self._give_up_waiting(job)
            if time.monotonic() > began + 2.0:
                self.ctx.progress(f"job {job_id} is {job['state']} ({job['reason']}){self._hint(job)}")
            if time.monotonic() >= until:
                raise Error(
                    f"Job {job_id} is still {job['state']} after {self.params['wait_timeout_s']:g} s: {job['reason']}"
                    f"{self._hint(job)}. It stays in the queue; run again to go on waiting.",
                    job=self._described(job),
                )
            if not self.ctx.controller_alive():
                raise Error("The controller is gone.")
            time.sleep(min(pause, max(0.0, until - time.monotonic())))
            pause = min(2.0, pause * 1.5)
        self._meet(job, max(10.0, min(60.0, until - time.monotonic())))
        return job

    def _give_up_waiting(self, job):
        """Fail for a job that Slurm will never start as it was asked for; take it back if it was ours just now."""
        stays = "It stays in the queue."
        if "submitted" in self.actions:
            stays = self._withdraw(job["id"], "It was cancelled.")
        wanted = self.allocation or {}
        raise Error(
            f"Slurm will not start job {job['id']}: {job['reason']}. It asks for {wanted.get('nodes')} nodes with "
            f"{wanted.get('gpus_per_node') or 'any'} GPUs for {wanted.get('time_limit')} in partition "
            f"{wanted.get('partition') or '(default)'}; compare with sinfo and scontrol show partition. {stays}"
        )

    def _over(self, job_id):
        folder = script.run_dir(self.output_dir, job_id)
        log, found = os.path.join(folder, f"slurm-{job_id}.out"), job_end.look(job_id, folder)
        state = "" if found["final"] else commands.show_job(job_id).get("JobState")
        if slurm_calls.live(state):  # it went back into the queue meanwhile, or squeue does not list it
            raise SlurmError(f"Job {job_id} is not over, as scontrol says: it is {state}. scancel {job_id} ends it.")
        if found["final"]:
            forget(folder)
        raise Error(
            f"Job {job_id} ended before it could be used: {found['end']}. Its output: {log}",
            log=log,
            tail=tail_lines(log, 20),
            curable=found["curable"],
            bad_nodes=found["bad_nodes"],
        )

    def _meet(self, job, limit_s):
        """Say hello to the holder: it answers, and its lease is as wanted."""
        folder, client = script.run_dir(self.output_dir, job["id"]), None
        if not job["comment"].startswith(script.TAG) and adopted.lacks_holder(job, folder, self.ctx):
            adopted.check(job, self.allocation)
            check_writable(self.output_dir)
            self.notes += make_room(folder, job)
            self._write(folder, job, {})
            client = adopted.start_holder(job, folder, self.params["lease_s"])
            self.actions.append("adopted")
            self.notes.append(adopted.in_words(job))
        ours = job["comment"].startswith(script.TAG)
        handshake.hello(job, folder, self.params["lease_s"], limit_s, ours, self.ctx, client)

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
