# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Write srtslurm.yaml: the action of the module cluster_file."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import cluster_file
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller, which reads cluster files."""

    argument_spec = cluster_file.ARGUMENT_SPEC
    entry = staticmethod(cluster_file.run)
    always_here = True
