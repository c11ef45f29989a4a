# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of the module rl_info."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import rl_info
from ansible_collections.srt.slurm.plugins.plugin_utils.rl import RlAction


class ActionModule(RlAction):
    """Takes settings and options from the extra vars and runs the module's entry."""

    argument_spec = rl_info.ARGUMENT_SPEC
    entry = staticmethod(rl_info.run)
