# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Copy runs to object storage: the action of the module sync."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import sync
from ansible_collections.srt.slurm.plugins.plugin_utils.runs import RunAction


class ActionModule(RunAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = sync.ARGUMENT_SPEC
    entry = staticmethod(sync.run)

    def shown(self, result):
        """Show what went, unless it was shown while it went."""
        lines = (result.get("text") or "").splitlines()
        return lines if self._needs_module() else [line for line in lines if line.startswith(sync.NOT_SENT)]
