# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Find, submit or end one allocation: the action of the module slurm_job."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.slurm import job
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = job.ARGUMENT_SPEC
    options = job.OPTIONS
    entry = staticmethod(job.run)
