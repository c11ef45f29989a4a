# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the pages of a run: the action of the module report."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import report
from ansible_collections.srt.slurm.plugins.plugin_utils.runs import RunAction


class ActionModule(RunAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = report.ARGUMENT_SPEC
    entry = staticmethod(report.run)

    def shown(self, result):
        """Show the text."""
        return (result.get("text") or "").splitlines()
