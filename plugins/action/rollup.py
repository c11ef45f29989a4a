# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Consolidate what a run left behind: the action of the module rollup."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.results import rollup
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = rollup.ARGUMENT_SPEC
    options = rollup.OPTIONS
    entry = staticmethod(rollup.run)

    def shown(self, result):
        """The table is what people wait for."""
        return (result.get("table") or "").splitlines()
