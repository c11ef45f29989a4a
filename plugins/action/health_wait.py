# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Wait until the service is healthy: the action of the module health_wait."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.slurm import health
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = health.ARGUMENT_SPEC
    options = health.OPTIONS
    entry = staticmethod(health.run)
