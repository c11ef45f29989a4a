# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Say how far a run is: the action of the module run_status."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.bench import status
from ansible_collections.srt.slurm.plugins.plugin_utils.runs import RunAction


class ActionModule(RunAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = status.ARGUMENT_SPEC
    entry = staticmethod(status.run)

    def shown(self, result):
        """The text is what people ask for."""
        return (result.get("text") or "").splitlines()
