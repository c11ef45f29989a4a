# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vllm serve: the only aggregated worker is the public endpoint, also over several nodes."""

from __future__ import annotations

from collections.abc import Mapping

from ..failures import Finding
from ..json_types import JsonObject
from ..plan_file import Check
from ..topology.layout import Layout
from ..topology.step import DraftStep, http_check
from .base import Frontend


class VllmServe(Frontend):
    type = "vllm"
    fixed = ("host", "port")

    def problems(self, spec: JsonObject) -> list[Finding]:
        problems = super().problems(spec)
        if spec["resources"]["agg_workers"] != 1:
            problems.append(
                (
                    ("frontend", "type"),
                    "is vllm, which serves exactly one aggregated worker.",
                    "Set agg_workers to 1, or use the frontend dynamo.",
                )
            )
        if self.args(spec):
            path = ("frontend", "args")
            problems.append(
                (path, "is not used: no frontend program runs.", "Move them to backend.vllm_config.aggregated.")
            )
        return problems

    def embedded(self, spec: JsonObject) -> bool:
        return True

    def multiple(self, spec: JsonObject) -> bool:
        return False

    def steps(self, layout: Layout) -> list[DraftStep]:
        return []

    def ready_checks(self, layout: Layout, instances: Mapping[str, int], index: int) -> list[Check]:
        leader = layout.processes[0]
        return [
            http_check(
                "models",
                layout.address(leader.node),
                leader.ports["http"],
                "/v1/models",
                [leader.name],
                expect=[{"label": "model", "path": "data", "where": {"id": layout.served_name}, "min": 1}],
            )
        ]
