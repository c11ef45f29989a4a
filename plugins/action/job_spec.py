# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Reads the job from the extra vars themselves and runs the entry of job_spec in the controller."""

from __future__ import annotations

import contextlib
import copy
import os

from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import ExtraVars
from ansible_collections.srt.slurm.plugins.module_utils.run_options import OPTIONS
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import NOWHERE
from ansible_collections.srt.slurm.plugins.module_utils.schema.types import UNPLAIN
from ansible_collections.srt.slurm.plugins.module_utils.secrets import references
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec
from ansible_collections.srt.slurm.plugins.plugin_utils.remote import existing
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import keep_secrets
from ansible_collections.srt.slurm.plugins.plugin_utils.spelling import Spelling
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction
from ansible_collections.srt.slurm.plugins.plugin_utils.values import plain, trusted
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import origin, scalars, vaulted, whole_files

# Options of the module that are taken from the extra vars where the task does not name them.
TAKEN = ("job_file", "cluster_file", "setup_script", "check_paths", "job_tags", "output_dir")
# Variables that hold all others once more.
MAGIC = ("vars", "hostvars", "groups")


def without_unplain(value):
    """Return *value* with null in the place of what no job can hold: it is reported, and a template would change it."""
    if isinstance(value, dict):
        return {key: without_unplain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_unplain(item) for item in value]
    return None if isinstance(value, UNPLAIN) else value


class ActionModule(StageAction):
    """See the documentation of the module job_spec."""

    argument_spec = job_spec.ARGUMENT_SPEC
    always_here = True

    def run(self, tmp=None, task_vars=None):
        """Run the entry; the values of secrets go into a private file that is gone after the run, not the result."""
        self._hidden = {}
        result = super().run(tmp, task_vars)
        if self._hidden and not result.get("failed"):
            result["secrets_path"] = keep_secrets(self._hidden)
        return result

    def entry(self, params, ctx):
        """Run the entry here; models and programs are looked for on the submit host, all of them at once."""
        if self.is_local() or not params.get("check_paths", True) or params.get("frozen"):
            return job_spec.run(params, ctx)
        asked = []
        with contextlib.suppress(Error):  # it is raised again below, together with what is missing
            # The documents of a job file are changed by a reading, so each has its own.
            job_spec.run(dict(copy.deepcopy(params), exists=lambda path: asked.append(path) or True), ctx)
        params.update(exists=existing(self, asked).__contains__, where=f"on {self._host}")
        return job_spec.run(params, ctx)

    def prepare(self, params, task_vars):
        self._host = task_vars.get("inventory_hostname", "the submit host")
        params["hidden"] = self._hidden
        if params.get("frozen"):
            return
        extra = ExtraVars(load_extra_vars(self._loader), origin, Spelling(self._loader), self._final)
        params["problems"] = extra.problems()
        params["places"] = {name: extra.where(name) for name in OPTIONS if name in extra.values}
        unusable = {problem["path"] for problem in params["problems"]}
        for name in TAKEN:
            if name in extra.values and name not in self._task.args and name not in unusable:
                params[name] = OPTIONS[name].parse(extra.value(name))
        given, raw = params.get("job"), self._argument()
        if not given and not params.get("job_file"):
            if extra.form() in ("flat", "job"):
                given, params["source"] = extra.job()
                raw = given
        elif given:
            params["source"] = extra.source(given, origin(given)[0])
        else:
            params["documents"] = job_spec.read_jobs(params["job_file"])
            raw = given = trusted([one.job for one in params["documents"]])
            params["job_file"] = None
        params["problems"] += extra.unplain
        given = without_unplain(given) if extra.unplain else given
        given = self._templar.template(given) if given else None
        params["vaulted"] = vaulted(given)
        # What a template made of an encrypted variable no longer says where it comes from.
        vaulted({**scalars(task_vars), **extra.values}, params["vaulted"])
        given, raw = plain(given), plain(raw)
        params["problems"] += self._exposed(given, raw, params, task_vars, extra)
        for document, job in zip(params.get("documents", ()), given or ()):
            document.job = job
        params["job"] = None if params.get("documents") else given

    def _argument(self):
        """Return the task's argument ``job`` as it is written; None if it is no mapping, or nobody knows."""
        for arguments in (getattr(self._task, "_ds", None) or {}).values():
            if isinstance(arguments, dict) and isinstance(arguments.get("job"), dict):
                return arguments["job"]
        return None

    def _exposed(self, given, raw, params, task_vars, extra):
        """Return the problems of values that the job took from encrypted files and would write where all can read."""
        documents = params.get("documents")
        sources = [one.source for one in documents] if documents else [params.get("source") or NOWHERE]
        variables = {name: value for name, value in task_vars.items() if name not in MAGIC}
        found = whole_files({**variables, **extra.values})
        problems = []
        texts = references.telling(found, sources[0].file, plain=not isinstance(raw, (dict, list)))
        pairs = zip(given or (), raw, sources) if documents else [(given, raw, sources[0])]
        for job, before, source in pairs:
            if isinstance(job, dict) and set(job) == {"job"}:
                before = before["job"] if isinstance(before, dict) else None  # as a whole from a template
                job, source = job["job"], source.under(("job",))
            for path, name, file in references.misplaced(job, before, texts):
                problem = (
                    f"has the value of {name} in it, from {os.path.basename(file)}, which is encrypted as a whole. "
                    "Only values of an environment are kept out of files and process lists."
                )
                remedy = "Give it as an environment variable, or from a file that is not encrypted if it is no secret."
                problems.append(source.problem(path, problem, remedy))
        return problems

    def shown(self, result):
        return [f"note: {note}" for note in result.get("notes", ())]

    def _final(self, value):
        """Return what templates make of an extra var, as plain text, numbers, lists and mappings."""
        return plain(self._templar.template(value))
