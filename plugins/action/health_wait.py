# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Wait until the service is healthy: the action of the module health_wait."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import health_wait
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = health_wait.ARGUMENT_SPEC
    options = health_wait.OPTIONS
    entry = staticmethod(health_wait.run)
