# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy runs to object storage: the action of the module sync."""

from __future__ import annotations

import os

from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import find_cluster_file, load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.job.common_fields import STORAGE
from ansible_collections.srt.slurm.plugins.module_utils.stages import sync
from ansible_collections.srt.slurm.plugins.plugin_utils.runs import RunAction


def storage_of(cluster):
    """Return the options of sync with the storage of the cluster file: its own, else where its jobs are copied to."""
    reporting = cluster.settings["reporting"] or {}
    key, settings = ("cloud",), cluster.settings["cloud"]
    if not settings and reporting.get("s3"):
        key, settings = ("reporting", "s3"), reporting["s3"]
    if not settings:
        where = cluster.path or "There is no srtslurm.yaml, so make one, and"
        raise Error(
            f"{where}: cloud is missing: it says where runs are copied to. Add cloud: {{bucket: NAME, endpoint_url: "
            "https://HOST}; without endpoint_url it is AWS."
        )
    places = {}
    for name in (*settings, *(name for name in STORAGE.fields if name not in settings)):
        file, line = cluster.source.where((*key, name))
        places[name] = f"{os.path.basename(file)}:{line}: {'.'.join((*key, name))}"
    return {"storage": {name: value for name, value in settings.items() if value is not None}, "places": places}


class ActionModule(RunAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = sync.ARGUMENT_SPEC
    entry = staticmethod(sync.run)

    def _with_output_dir(self, args, task_vars):
        """Add the storage of the cluster file, unless the task has one."""
        args = RunAction._with_output_dir(self, args, task_vars)
        if not args.get("storage"):
            args.update(storage_of(load_cluster(find_cluster_file(self._cluster_file))))
        return args

    def shown(self, result):
        """Show what went, unless it was shown while it went."""
        lines = (result.get("text") or "").splitlines()
        return lines if self._needs_module() else [line for line in lines if line.startswith(sync.NOT_SENT)]
