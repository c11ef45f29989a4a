# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault policy of a job: its ``faults``."""

from __future__ import annotations

from typing import TypedDict

from ..json_types import JsonObject
from ..schema.section import Field, Section, optional
from ..schema.types import Bool, Int
from ..topology.modes import MODES

ROLE = Section(
    "role",
    {
        "critical": Field(Bool(), True, "Whether a lost step ends the run. If not, the loss is recorded."),
        "restarts": Field(Int(0, 1000), 0, "How often each of its steps is restarted when it ends unexpectedly."),
    },
)
SECTION = Section(
    "faults",
    {
        "prefill": optional(ROLE, "Prefill workers."),
        "decode": optional(ROLE, "Decode workers."),
        "agg": optional(ROLE, "Aggregated workers."),
        "frontend": optional(ROLE, "Frontends behind nginx."),
    },
    doc="What happens when a worker or a frontend is lost.",
)


class Policy(TypedDict):
    """What the loss of a step of one role means; see :data:`ROLE`."""

    critical: bool
    restarts: int


def policy(spec: JsonObject, role: str) -> Policy:
    """Return the policy of *role*: prefill, decode, agg or frontend."""
    said = (spec.get("faults") or {}).get(role) or {}
    return {"critical": said.get("critical", True), "restarts": said.get("restarts", 0)}


def notes(spec: JsonObject) -> list[str]:
    """Return what the user should know about the policy."""
    faults = spec.get("faults") or {}
    idle = [
        f"faults.{role}: no effect, the job has no {role} workers."
        for role in MODES
        if faults.get(role) and not spec["resources"][f"{role}_workers"]
    ]
    return idle + [
        f"faults.{role}: these workers span nodes, so they are not restarted individually."
        for role in MODES
        if (faults.get(role) or {}).get("restarts")
        and spec["resources"][f"{role}_workers"]
        and (spec["resources"].get(f"gpus_per_{role}") or 0) > spec["resources"]["gpus_per_node"]
    ]
