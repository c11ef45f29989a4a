# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""For actions that look at runs: where runs are when nobody says it."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.spec.cluster import find_cluster_file, load_cluster
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class RunAction(StageAction):
    """Base of the actions whose module finds a run."""

    def run(self, tmp=None, task_vars=None):
        """Take output_dir from the cluster file, as the job does, unless it is given."""
        if not any(self._task.args.get(name) for name in ("output_dir", "run_dir")):
            folder = load_cluster(find_cluster_file(self._task.args.pop("cluster_file", None))).kept().get("output_dir")
            if folder:
                self._task.args["output_dir"] = folder
        return super().run(tmp, task_vars)
