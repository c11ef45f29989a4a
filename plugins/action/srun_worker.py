# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Start or stop the steps of one stage: the action of the module srun_worker."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import srun_worker
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = srun_worker.ARGUMENT_SPEC
    options = srun_worker.OPTIONS
    entry = staticmethod(srun_worker.run)
