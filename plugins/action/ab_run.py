# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compare two jobs in turns: the action of the module ab_run."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import time

from ansible import constants
from ansible_collections.srt.slurm.plugins.module_utils import sweep_folders
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.holder.lease import LEASE_S
from ansible_collections.srt.slurm.plugins.module_utils.job.allocation_request import renamed
from ansible_collections.srt.slurm.plugins.module_utils.run_options import FROZEN, VARIANT_DIR
from ansible_collections.srt.slurm.plugins.module_utils.stages import compare, slurm_job_info
from ansible_collections.srt.slurm.plugins.plugin_utils import ab, kept_job_note
from ansible_collections.srt.slurm.plugins.plugin_utils.calling import CallingAction, Slurm
from ansible_collections.srt.slurm.plugins.plugin_utils.playbook import play
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import show

ARGUMENT_SPEC = {
    "baseline": {"type": "dict", "required": True},
    "candidate": {"type": "dict", "required": True},
    "playbook": {"type": "path", "required": True},
    "output_dir": {"type": "path"},
    "threshold": {"type": "float", "default": 2.0},
    "primary_metrics": {"type": "list", "elements": "str", "default": []},
    "fail_on": {"type": "list", "elements": "str", "default": ["worse", "invalid", "no_verdict"]},
    "budget_gpu_hours": {"type": "float"},
    "most_repeats": {"type": "int", "default": 20},
    "anew": {"type": "bool", "default": False},
    "lease_s": {"type": "float", "default": LEASE_S},
    "teardown_timeout_s": {"type": "float", "default": 180.0},
}
SHOWN = ("  bench_run: ", "  slurm_job: ")
FATAL = "fatal: ["


class ActionModule(CallingAction):
    """See the documentation of the module ab_run."""

    argument_spec = ARGUMENT_SPEC

    def entry(self, params, ctx):
        """Measure both jobs in turns, compare them, and end the allocations; Error if the comparison does not pass."""
        self.params, self.given = params, {"baseline": params["baseline"], "candidate": params["candidate"]}
        self.jobs = [one["jobs"][0] for one in self.given.values()]
        compare.asked_of({**params, "baseline": [], "candidate": [], "confidence": 100 * (1 - ab.ALPHA)})
        ab.check(self.jobs)
        output_dir = os.path.abspath(os.path.expanduser(params["output_dir"] or self.jobs[0]["output_dir"]))
        name = "-vs-".join(job["name"].strip() for job in self.jobs)
        self.output_dir, self.asked = output_dir, ab.asked(self.jobs, params)
        self.folder = self.folder_of(output_dir, name)
        self.requests = self.requests_for(name)
        gpus = self.gpus()
        show(f"  at most {params['most_repeats']} repeats of each side in turns, {self.allocations(gpus)}")
        if ctx.check_mode:
            return {
                "changed": True,
                "folder": self.folder,
                "repeats": 0,
                "gpu_hours": 0.0,
                "ended_by": None,
                "text": "",
            }
        self.take_folder(name)
        self.budget = ab.Budget(params["budget_gpu_hours"], gpus, self.record.costs, self.record.before)
        self.measured = 0
        with contextlib.closing(self.record):
            try:
                repeats, look, ended_by = self.measure()
                self.record.end(ended_by)
            finally:
                self.end()
        spent = f"{self.budget.spent:.2f} GPU hours"
        show(f"  {repeats} repeats of each side, {spent}, ended by {ended_by}")
        about = {"folder": self.folder, "repeats": repeats, "gpu_hours": self.budget.spent, "ended_by": ended_by}
        try:
            found = self.look(ab.alpha(look, last=ended_by != ab.ANSWER), params["fail_on"])
        except Error as error:
            raise Error(error.msg, **{**error.evidence, **about, "changed": True}) from None
        return {**found, **about, "changed": True}

    def folder_of(self, output_dir, name):
        """Return the folder of this comparison: that of one which was interrupted, or a new one."""
        latest, folder, number = None, sweep_folders.folder_of(output_dir, name), 1
        while self.is_local() and os.path.exists(folder):
            latest, number = folder, number + 1
            folder = sweep_folders.folder_of(output_dir, f"{name}.{number}")
        if latest and not self.params["anew"]:
            known = ab.Record(latest, self.asked)
            if known.goes_on:
                show(f"  goes on after {known.repeats()} repeats of each side in {latest} (-e anew=true begins again)")
                return latest
        return folder

    def take_folder(self, name):
        """Begin or go on in the folder; in a new one if another controller measures in it."""
        while True:
            self.record = ab.Record(self.folder if self.is_local() else None, self.asked)
            if self.record.alone():
                break
            show(f"  note: another controller measures in {self.folder}, so this one gets a directory of its own.")
            self.params["anew"] = True
            self.folder = self.folder_of(self.output_dir, name)
        self.record.begin()

    def requests_for(self, name):
        """Return the allocation request of each side; one for both, if one serves both."""
        shared, why = ab.request_of(self.jobs, name)
        if shared:
            return dict.fromkeys(ab.WORDS, shared)
        show(f"  note: the jobs ask Slurm for different things ({why}), so each gets an allocation of its own.")
        return {word: renamed(job["allocation"], f"{name}.{word}{ab.SHARED}") for word, job in zip(ab.WORDS, self.jobs)}

    def gpus(self):
        """Return {side: GPUs of its allocation}."""
        per_node = [job["spec"]["resources"].get("gpus_per_node") or 0 for job in self.jobs]
        return {word: self.requests[word]["nodes"] * max(per_node) for word in ab.WORDS}

    def allocations(self, gpus):
        """Return the allocations in words."""
        found = {request["name"]: gpus[word] for word, request in self.requests.items()}
        return ", ".join(f"allocation {name} with {count} GPUs" for name, count in found.items())

    def measure(self):
        """Measure until the answer, the budget or the number of repeats; return (repeats, number of looks, which)."""
        looks, look, number, lost = ab.looks(self.params["most_repeats"]), 0, 0, 0
        while number < self.params["most_repeats"]:
            known = self.record.repeat(number + 1)
            if known is None and not self.budget.fits():
                return number, look + 1, ab.BUDGET
            number += 1
            self.measured = number
            if known is None:
                self.record.forget(number)
                known = [self.turn(word, number) for word in ab.order(number)]
            lost = lost + 1 if any(known) else 0
            if lost == ab.MOST_LOST:
                return number, look + 1, ab.FAILURES
            if number in looks[:-1]:
                look += 1
                found = self.look(ab.alpha(look, last=False), [])
                show(f"  after {number} repeats: {found['verdict']}, {self.budget.spent:.2f} GPU hours")
                if ab.decided(found["points"]):
                    return number, look, ab.ANSWER
        return number, look + 1, ab.REPEATS

    def turn(self, word, number):
        """Measure one repeat of a side; return the exit code of its playbook."""
        given, job = self.given[word], ab.turn(self.given[word]["jobs"][0], number)
        name = ab.name_of(word, number)
        frozen = {"jobs": [{**job, "allocation": self.requests[word]}], "origins": given["origins"][:1], "notes": []}
        if given.get("secrets_path"):
            frozen["secrets_path"] = given["secrets_path"]
        path = os.path.join(constants.DEFAULT_LOCAL_TMP, f"{name}-{os.urandom(4).hex()}.json")
        write_text_atomic(path, json.dumps(frozen), 0o600)
        extra = {FROZEN: path, VARIANT_DIR: sweep_folders.variant_dir(self.folder, name), "output_dir": self.output_dir}
        extra.update(keep=True, force=True, lease_s=self.params["lease_s"])
        rc = play(
            self.params["playbook"], [json.dumps(extra)], lambda line: self.hear(name, line), kept_job_note.path()
        )
        self.budget.take(word, self.allocation(word), time.time())
        if rc:
            show(f"  {name}: its playbook ended with exit code {rc}; the whole output: {self.log(name)}")
        if not ab.interrupted(rc):
            self.record.take(name, rc, self.budget)
        return rc

    def log(self, name):
        """Return the path of the whole output of a turn."""
        parent = self.folder if self.is_local() else os.path.abspath("sweep-logs")
        return os.path.join(parent, "logs", f"{name}.log")

    def hear(self, name, line):
        """Keep a line of a playbook, and show what is new."""
        path = self.log(name)
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "a", encoding="utf-8") as log:
                log.write(f"{line}\n")
        for begin in SHOWN:
            if line.startswith(begin):
                show(f"  {name}: {line[len(begin) :]}")
        if line.startswith(FATAL):
            show(f"  {name}: {line}")

    def allocation(self, word):
        """Return the allocation of a side with the time of its start, None if nobody knows it."""
        args = {"allocation": self.requests[word], "output_dir": self.output_dir}
        try:
            job = self.call(slurm_job_info, args)["job"]
        except Error:
            return None
        if not job or not job.get("started_at"):
            return job
        began = datetime.datetime.fromisoformat(job["started_at"].replace("Z", "+00:00"))
        return {**job, "began_s": began.timestamp()}

    def look(self, alpha, fail_on):
        """Compare what was measured so far; Error if *fail_on* finds something."""
        numbers = range(1, self.measured + 1)
        paths = {
            word: [sweep_folders.variant_dir(self.folder, ab.name_of(word, number)) for number in numbers]
            for word in ab.WORDS
        }
        if self.is_local():
            paths = {word: [path for path in found if os.path.isdir(path)] for word, found in paths.items()}
        args = {"threshold": self.params["threshold"], "primary_metrics": self.params["primary_metrics"], **paths}
        args.update(fail_on=fail_on, confidence=100 * (1 - alpha), output_dir=self.output_dir)
        return self.call(compare, {**args, "compare_dir": self.folder})

    def end(self):
        """End the allocations."""
        slurm = Slurm(self.call, dict(self.params, output_dir=self.output_dir, job_id=None))
        for request in {one["name"]: one for one in self.requests.values()}.values():
            job_id = slurm.find(request)
            if job_id:
                slurm.end(job_id, "the comparison has finished")

    def shown(self, result):
        return (result.get("text") or "").splitlines()
