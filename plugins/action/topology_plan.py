# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the entry of topology_plan, here when the submit host is the controller."""

from __future__ import annotations

import os

from ansible import constants
from ansible_collections.srt.slurm.plugins.module_utils.files import write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.stages import topology_plan
from ansible_collections.srt.slurm.plugins.plugin_utils.limit import inventory
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import with_secrets
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """See the documentation of the module topology_plan."""

    argument_spec = topology_plan.ARGUMENT_SPEC
    entry = staticmethod(topology_plan.run)

    def completed(self, params, task_vars):
        return with_secrets(params)

    def shown(self, result):
        """Return the notes on the nodes and ports, one a line; the job's notes were shown when it was read."""
        return [f"note: {note}" for note in result.get("layout_notes", ())]

    def run(self, tmp=None, task_vars=None):
        """Run the entry or the module; in check mode lend the plan to the stages that follow."""
        result = super().run(tmp, task_vars)
        if "nodes" in result:
            result["inventory"] = inventory(result["nodes"], (task_vars or {}).get("ansible_limit"))
        text = result.pop("plan_json", None)
        if text:
            # The stages read the plan by path, and the run directory must not be touched. Ansible removes its own
            # temporary directory at the end of the run.
            result["plan_path"] = os.path.join(constants.DEFAULT_LOCAL_TMP, f"{self._task._uuid}-plan.json")
            write_text_atomic(result["plan_path"], text, 0o600)
        return result
