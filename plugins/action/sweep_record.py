# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write what a sweep has to do and what it has done: the action of the module sweep_record."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import sweep_record
from ansible_collections.srt.slurm.plugins.module_utils.sweeps import tables
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = sweep_record.ARGUMENT_SPEC
    entry = staticmethod(sweep_record.run)

    def shown(self, result):
        """Show what is to come at the begin of a sweep, and the table later."""
        if result.get("failed"):
            return []
        return tables.coming(result) if self._task.args.get("gather") else result["text"].splitlines()
