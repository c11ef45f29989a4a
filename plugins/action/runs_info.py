# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""List the runs below an output directory: the action of the module runs_info."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import runs_info
from ansible_collections.srt.slurm.plugins.plugin_utils.below import BelowAction


class ActionModule(BelowAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = runs_info.ARGUMENT_SPEC
    entry = staticmethod(runs_info.run)
    playbook = "runs"
