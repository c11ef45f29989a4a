# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that look at the runs below an output directory, and at no job."""

from __future__ import annotations

from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils import run_options
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import find_cluster_file, load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import effective, misspelt
from ansible_collections.srt.slurm.plugins.module_utils.schema.words import nearest
from ansible_collections.srt.slurm.plugins.plugin_utils import inventory_options
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction
from ansible_collections.srt.slurm.plugins.plugin_utils.values import plain
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import origin


def problems_of(values, set_by, playbook, final):
    """Return the problems of the extra vars *values* of *playbook*: typos of its options, and their wrong values."""
    own, found = run_options.names(playbook), []
    for name in values:
        file, line = origin(next(key for key in values if key == name))
        where = {"file": file or "extra vars", "line": line, "path": set_by.get(name, name)}
        if name in own:
            try:
                run_options.OPTIONS[name].parse(final(values[name]))
            except run_options.Unusable as error:
                found.append({**where, "code": "invalid", "problem": error.problem, "remedy": error.remedy})
            continue
        known = run_options.option_of(name) or name.startswith(run_options.OUR_PREFIXES + run_options.FOREIGN_PREFIXES)
        meant = misspelt(name) or (None if known else nearest(name, own, cutoff=0.75))
        if meant:
            problem = "is not a variable of srt.slurm."
            found.append({**where, "code": "unknown_key", "problem": problem, "remedy": f"Did you mean {meant}?"})
    return found


class BelowAction(StageAction):
    """Base of the actions whose module looks below the output directory.

    ``playbook`` is the one whose run options the extra vars may set.
    """

    playbook = ""

    def run(self, tmp=None, task_vars=None):
        """Check the extra vars, and take output_dir from the cluster file unless it is given."""
        try:
            self._task.args = self._completed(self._task.args, task_vars or {})
        except Error as error:
            return dict(error.as_result(), failed=True)
        return super().run(tmp, task_vars)

    def _completed(self, args, task_vars):
        """Return the *args* of the module: those of the task, with what only the controller knows."""
        args, given = dict(args), load_extra_vars(self._loader)
        values, set_by = effective(given, task_vars)
        problems = problems_of(values, set_by, self.playbook, self._final)
        problems += inventory_options.problems(given, task_vars)
        if problems:
            raise SpecError(problems)
        for note in inventory_options.notes(given, task_vars, (self.playbook,)):
            self.tell(f"note: {note}")
        if not args.get("output_dir"):
            cluster_file = self._final(values["cluster_file"]) if "cluster_file" in values else None
            folder = load_cluster(find_cluster_file(cluster_file)).kept().get("output_dir")
            args.update({"output_dir": folder} if folder else {})
        return args

    def _final(self, value):
        return plain(self._templar.template(value))

    def shown(self, result):
        """Show the text."""
        return (result.get("text") or "").splitlines()
