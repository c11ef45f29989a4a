# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many files and connections a process of a job may need to open on each node."""

from __future__ import annotations

from ..benchmarks import of_plan
from ..plan_file import Plan

LEAST_FILES, SPARE_FILES = 256, 128  # what an engine opens at least; a process's own files beside its connections


def open_files(plan: Plan) -> dict[str, int]:
    """Return {node: how many files and connections a process of the job may need to open there}."""
    needed = dict.fromkeys((one["name"] for one in plan["nodes"]), LEAST_FILES)
    points = (plan.get("benchmark") or {}).get("points") or []
    requests = max(map(of_plan(plan).in_flight, points), default=0)
    steps = [*plan["steps"], *(point["step"] for point in points)]
    frontends = sum(step.get("kind") == "frontend" for step in steps)
    by_kind = {
        "nginx": 2 * requests,  # a connection to the client, and one to a frontend
        "frontend": 2 * -(-requests // max(1, frontends)) + len(steps),
        "benchmark": requests,
        "nats": 2 * len(steps),
        "etcd": 4 * len(steps),
    }
    for step in steps:
        for node in step["nodes"]:
            if node in needed:
                needed[node] = max(needed[node], by_kind.get(step.get("kind") or "", 0) + SPARE_FILES)
    return needed
