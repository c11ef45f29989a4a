# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""For actions that look at runs: the default directory of runs, and the run that the extra vars select."""

from __future__ import annotations

from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import find_cluster_file, load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import ExtraVars, effective, misspelt
from ansible_collections.srt.slurm.plugins.module_utils.job.reading import Document, common_name, read_jobs
from ansible_collections.srt.slurm.plugins.module_utils.schema.words import nearest
from ansible_collections.srt.slurm.plugins.plugin_utils import inventory_options
from ansible_collections.srt.slurm.plugins.plugin_utils.extra_files import given_files
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction
from ansible_collections.srt.slurm.plugins.plugin_utils.values import plain, trusted
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import origin


def names_of(extra, final=lambda value: value):
    """Return (the names of the jobs that the extra vars hold, the name of their sweep); ([], None) if they hold none.

    :param final: what templates make of a name.
    """
    form = extra.form()
    if not form and extra.empty():  # a job's file that is empty is not any run
        raise Error(f"{extra.empty()} is empty: it names no job. Name the run with -e job_id=N.")
    if not form:
        return [], None
    if form == "job_file":
        documents = read_jobs(extra.value("job_file"))
    else:
        job, source = extra.job()
        job = job if isinstance(job, dict) else extra.value("job")  # one that comes whole from a template
        documents = [Document(plain(job), source)]
    found = [job.get("name") for document in documents for _suffix, job, _source in document.variants()]
    if not all(found):
        raise Error("The job has no name, so its run cannot be found. Set its name, or set -e job_id=N.")
    if form != "job_file":  # nothing in that is a template
        found = [final(trusted(plain(name))) for name in found]
    return [str(name).strip() for name in found], common_name(documents)


def typos(extra):
    """Return the problems of names and values of the extra vars."""
    found, given = [], extra.values
    flat = extra.job()[0] if extra.form() == "flat" else ()
    raw = given.get("job", {})
    text = raw if isinstance(raw, dict) else extra.value("job", {})  # its values may be known to a run only
    if not isinstance(text, dict):
        remedy = f"Did you mean job_id={text}?" if str(text).isdigit() else "Use its file, or -e job_id=N."
        found.append(extra.problem("job", "wrong_type", "is not a job.", remedy))
    for name in given:
        if extra.known(name) or name in flat:
            continue
        # A typo in what chooses a run may end another one, so it is known from less than others are.
        near = (
            misspelt(name) or nearest(name, run_options.CHOOSING, 0.6) or nearest(name, run_options.OF_RUNS_ALONE, 0.8)
        )
        if near or name in run_options.MISTAKEN:
            remedy = run_options.MISTAKEN.get(name) or f"Did you mean {near}?"
            found.append(extra.unknown(name, remedy))
    return found or extra.problems()


class RunAction(StageAction):
    """Base of the actions whose module finds a run."""

    def run(self, tmp=None, task_vars=None):
        """Take output_dir from the cluster file, as the job does, unless it is given."""
        try:
            self._task.args = self._with_output_dir(self._task.args, task_vars or {})
        except Error as error:
            return dict(error.as_result(), failed=True)
        return super().run(tmp, task_vars)

    def _with_output_dir(self, args, task_vars):
        """Return the *args* of the module: those of the task, with what only the controller knows."""
        args, cluster_file = dict(args), None
        if boolean(args.pop("extra_vars", False)):
            given, more = load_extra_vars(self._loader), run_options.OF_RUNS_ALONE
            values, set_by = effective(given, task_vars)
            files = {} if any(name in given for name in ("job_id", "run_dir")) else given_files(self._loader)
            extra = ExtraVars(values, origin, final=self._final, more=more, set_by=set_by, files=files)
            problems = typos(extra) + inventory_options.problems(given, task_vars)
            for note in inventory_options.notes(given, task_vars, run_options.RUNS):
                self.tell(f"note: {note}")
            if problems:
                raise SpecError(problems)
            args["job_names"], name = names_of(extra, self._final)
            args.update({"name": name} if "name" in getattr(self, "argument_spec", ()) else {})
            cluster_file = extra.value("cluster_file")
        self._cluster_file = cluster_file
        if not any(args.get(name) for name in ("output_dir", "run_dir")):
            folder = load_cluster(find_cluster_file(cluster_file)).kept().get("output_dir")
            if folder:
                args["output_dir"] = folder
        return args

    def _final(self, value):
        return plain(self._templar.template(value))
