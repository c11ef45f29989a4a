# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consolidate the results of a run: the action of the module rollup."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.results.key_figures import key_figures
from ansible_collections.srt.slurm.plugins.module_utils.stages import rollup
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction

STATISTIC = "srt_slurm"


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = rollup.ARGUMENT_SPEC
    options = rollup.OPTIONS
    entry = staticmethod(rollup.run)

    def run(self, tmp=None, task_vars=None):
        """Leave the verdict and the key figures as a statistic of the playbook, which AWX has as an artifact."""
        result = super().run(tmp, task_vars)
        if not result.get("failed") and not self._task.check_mode and "rollup" in result:
            data = {STATISTIC: key_figures(result["rollup"], result["path"])}
            result["ansible_stats"] = {"data": data, "per_host": False, "aggregate": False}
        return result

    def shown(self, result):
        """Show the table."""
        return (result.get("table") or "").splitlines()
