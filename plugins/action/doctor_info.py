# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check a cluster: the action of the module doctor_info."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import find_cluster_file, load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.stages import doctor_info
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = doctor_info.ARGUMENT_SPEC
    entry = staticmethod(doctor_info.run)

    def completed(self, params, task_vars):
        """Add the cluster file, which is read in the controller, unless the task has settings."""
        if params.get("settings") is not None or params.get("cluster_error"):
            return params
        try:
            path = find_cluster_file(params.get("cluster_file"))
            settings = load_cluster(path).settings if path else {}
        except Error as error:
            return dict(params, cluster_error=error.msg, settings={})
        return dict(params, settings=settings, settings_path=path)

    def shown(self, result):
        """Show one line a check."""
        return list(result.get("lines") or ())
