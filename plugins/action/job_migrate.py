# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action of the module job_migrate, which runs its entry in the controller."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import job_migrate
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the entry in the controller: job files are read there."""

    argument_spec = job_migrate.ARGUMENT_SPEC
    own_text = True
    entry = staticmethod(job_migrate.run)
    always_here = True

    def shown(self, result):
        lines = [f"note: {note}" for note in result.get("notes", ())]
        if result.get("jobs"):
            lines.append(f"{result['path']}: {len(result['jobs'])} job(s), with the plans that they had")
        return lines
