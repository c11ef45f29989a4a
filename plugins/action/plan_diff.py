# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of the module plan_diff, which runs its entry in the controller."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import plan_diff
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the entry in the controller: job files are read there."""

    argument_spec = plan_diff.ARGUMENT_SPEC
    own_text = True
    entry = staticmethod(plan_diff.run)
    always_here = True

    def shown(self, result):
        return result.get("differences") or (["The plans are equal."] if "same" in result else [])
