# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads the job from the extra vars themselves and runs the entry of job_spec in the controller."""

from __future__ import annotations

import os

from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import FORMS, ExtraVars, effective
from ansible_collections.srt.slurm.plugins.module_utils.job.reading import Document, read_jobs
from ansible_collections.srt.slurm.plugins.module_utils.job.reporting import keeps_secret
from ansible_collections.srt.slurm.plugins.module_utils.run_options import JOBS, OPTIONS
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import Source, dotted
from ansible_collections.srt.slurm.plugins.module_utils.schema.types import UNPLAIN
from ansible_collections.srt.slurm.plugins.module_utils.secrets import references
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec
from ansible_collections.srt.slurm.plugins.plugin_utils import inventory_options
from ansible_collections.srt.slurm.plugins.plugin_utils.extra_files import given_files
from ansible_collections.srt.slurm.plugins.plugin_utils.remote import RemotePaths
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import keep_secrets
from ansible_collections.srt.slurm.plugins.plugin_utils.spelling import Spelling
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction, reporter
from ansible_collections.srt.slurm.plugins.plugin_utils.values import plain
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import Vaults, origin, scalars

# Options of the module that are taken from the extra vars where the task does not name them.
TAKEN = ("job_file", "cluster_file", "setup_script", "check_paths", "job_tags", "output_dir", "set", "unset")
PLAYBOOKS = os.path.realpath(os.path.join(os.path.dirname(__file__), os.pardir, os.pardir, "playbooks"))
# Variables that hold all others once more.
MAGIC = ("vars", "hostvars", "groups")


def templates(value, path=()):
    """Yield the paths of the texts below *value* that Ansible would take for templates."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from templates(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from templates(item, (*path, index))
    elif isinstance(value, str) and ("{{" in value or "{%" in value):
        yield path


def unfilled(document):
    """Return the notes on the templates in a job file that is given as ``job_file``: nothing in it is run."""
    paths = [dotted(path) for path in templates(document.job)]
    if not paths:
        return []
    more = f" and {len(paths) - 3} more" if len(paths) > 3 else ""
    file = document.source.file
    return [
        f"{file}: templates in a job_file stay as they are ({', '.join(paths[:3])}{more}); -e @{file} fills them in."
    ]


def without_unplain(value):
    """Return *value* with null for values that a job cannot hold; templating would alter them."""
    if isinstance(value, dict):
        return {key: without_unplain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_unplain(item) for item in value]
    return None if isinstance(value, UNPLAIN) else value


class ActionModule(StageAction):
    """See the documentation of the module job_spec."""

    argument_spec = job_spec.ARGUMENT_SPEC
    own_text = True
    always_here = True

    def run(self, tmp=None, task_vars=None):
        """Run the entry; the values of secrets go into a private file that is gone after the run, not the result."""
        self._secrets = {}
        result = super().run(tmp, task_vars)
        if self._secrets and not result.get("failed"):
            result["secrets_path"] = keep_secrets(self._secrets)
        # A part of the stages says nothing of the run.
        whole = "all" in (task_vars or {}).get("ansible_run_tags", ()) and not self._task.check_mode
        if whole and not result.get("failed") and len(result["jobs"]) == 1:
            reporter().begin(result["jobs"][0])
        return result

    def entry(self, params, ctx):
        """Run the entry here; models and programs are looked up on the submit host."""
        answer = job_spec.answer(params, ctx, self._given)
        self._secrets = answer.secrets
        return answer.result

    def completed(self, params, task_vars):
        """Return *params* with what the extra vars say, and keep for the entry what else is known of the job."""
        self._given, params = job_spec.Given(), dict(params)
        if params.get("frozen"):
            return params
        extra_vars, files = load_extra_vars(self._loader), given_files(self._loader)
        values, set_by = effective(extra_vars, task_vars)
        extra = ExtraVars(values, origin, Spelling(self._loader), self._final, set_by=set_by, files=files)
        problems = extra.unusable() if self._is_theirs() else extra.problems()
        problems += inventory_options.problems(extra_vars, task_vars)
        unusable = {problem["path"] for problem in problems}
        for name in TAKEN:
            usable = name in extra.values and set_by.get(name, name) not in unusable
            if usable and name not in self._task.args:
                params[name] = OPTIONS[name].parse(extra.value(name))
        documents, raw = self._documents(params, extra)
        jobs = [without_unplain(one.job) if extra.unplain else one.job for one in documents]
        notes = inventory_options.notes(extra_vars, task_vars, JOBS)
        if params.get("job_file") and not params.get("job"):
            notes += [note for one in documents for note in unfilled(one)]
        else:
            jobs = self._templar.template(jobs)
            notes += extra.repetitions(documents[0].source.file)
        vaults = Vaults()
        # What a template made of an encrypted variable no longer says where it comes from.
        inline, whole = vaults.texts([jobs, scalars(task_vars), extra.values])
        for document, job in zip(documents, plain(jobs)):
            document.job = job
        variables = {name: value for name, value in task_vars.items() if name not in MAGIC}
        problems += (
            extra.duplicates(documents[0].source.file)
            + extra.unplain
            + self._exposed(documents, plain(raw), vaults.whole_files({**variables, **extra.values}))
        )
        host = task_vars.get("inventory_hostname", "the submit host")
        self._given = job_spec.Given(
            documents,
            problems,
            {name: extra.where(name) for name in OPTIONS if name in extra.values},
            inline,
            whole,
            None if self.is_local() else RemotePaths(self, host),
            notes,
            set_by,
        )
        return params

    def _is_theirs(self):
        """Return whether a playbook of somebody else names the job: then its variables may have any names."""
        path = os.path.realpath((self._task.get_path() or "").rpartition(":")[0])
        named = any(self._task.args.get(form) for form in FORMS)
        return named and not path.startswith(os.path.join(PLAYBOOKS, ""))

    def _documents(self, params, extra):
        """Return (the documents that hold the job or jobs, their content before any template was filled in).

        The content of one is None if unknown.
        """
        job = params.get("job")
        if job:
            return [Document(job, extra.source(job, origin(job)[0]))], [self._argument()]
        if params.get("job_file"):
            documents = read_jobs(params["job_file"])
        else:
            documents = [Document(*extra.job()) if extra.form() else Document(None, Source(extra.empty()))]
        return documents, [one.job for one in documents]

    def _argument(self):
        """Return the task's argument ``job`` as it is written; None if it is not a mapping, or unknown."""
        for arguments in (getattr(self._task, "_ds", None) or {}).values():
            if isinstance(arguments, dict) and isinstance(arguments.get("job"), dict):
                return arguments["job"]
        return None

    def _exposed(self, documents, raw, found):
        """Return the problems of values that a job took from encrypted files and would write where all can read.

        :param raw: the content of *documents* as it was written.
        :param found: (name, text, file) of the values of such files.
        """
        texts = references.telling(found, documents[0].source.file, plain=raw == [None])
        problems = []
        for document, before in zip(documents, raw):
            job, source = document.job, document.source
            if isinstance(job, dict) and set(job) == {"job"}:
                before = before["job"] if isinstance(before, dict) else None  # as a whole from a template
                job, source = job["job"], source.under(("job",))
            for path, name, file in references.misplaced(job, before, texts):
                if keeps_secret(path):
                    continue
                problem = (
                    f"contains the value of {name} from {os.path.basename(file)}, which is encrypted as a whole. "
                    "Only environment variables are kept out of files and process lists."
                )
                remedy = "Set it as an environment variable, or in an unencrypted file if it is not secret."
                problems.append(source.problem(path, "secret", problem, remedy))
        return problems

    def shown(self, result):
        return [f"note: {note}" for note in result.get("notes", ())]

    def _final(self, value):
        """Return an extra var after templating, as plain text, numbers, lists and mappings."""
        return plain(self._templar.template(value))
