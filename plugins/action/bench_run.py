# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Measure the points of a plan: the action of the module bench_run."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import bench_run as bench
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = bench.ARGUMENT_SPEC
    options = bench.OPTIONS
    entry = staticmethod(bench.run)
