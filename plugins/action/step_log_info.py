# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the log of a step: the action of the module step_log_info."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import step_log_info
from ansible_collections.srt.slurm.plugins.plugin_utils.runs import RunAction
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import show


class ActionModule(RunAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = step_log_info.ARGUMENT_SPEC
    entry = staticmethod(step_log_info.run)

    def run(self, tmp=None, task_vars=None):
        """Follow the log, or show its end."""
        self._told = False
        return super().run(tmp, task_vars)

    def tell(self, line):
        """Show the lines of the log as they are."""
        self._told = True
        show(line)

    def shown(self, result):
        """Show what was not shown while it was followed."""
        return [] if self._told else result.get("lines") or []
