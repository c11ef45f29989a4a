# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find one allocation: the action of the module slurm_job_info."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import slurm_job_info
from ansible_collections.srt.slurm.plugins.plugin_utils.jobs import JobAction


class ActionModule(JobAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = slurm_job_info.ARGUMENT_SPEC
    options = slurm_job_info.OPTIONS
    entry = staticmethod(slurm_job_info.run)
