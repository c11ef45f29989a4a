# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Look at the nodes before models load: the action of the module preflight."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import preflight
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = preflight.ARGUMENT_SPEC
    options = preflight.OPTIONS
    entry = staticmethod(preflight.run)
