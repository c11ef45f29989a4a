# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fault policy (``faults`` of the job), applied to the plan's steps and checks.

It is not part of a digest: a change of policy restarts nothing.
"""

from __future__ import annotations

from collections import Counter

from ..schema.section import Field, Section, optional
from ..schema.types import Bool, Int

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


def policy(spec, role):
    """Return {critical, restarts} of *role*."""
    return dict({"critical": True, "restarts": 0}, **((spec.get("faults") or {}).get(role) or {}))


def apply(steps, layout):
    """Set ``critical`` and ``restarts`` of the service's *steps*, in place, as the job says."""
    if not layout.spec.get("faults"):
        return
    sizes = Counter((process.mode, process.endpoint.index) for process in layout.processes)
    for step in steps:
        role = _role(step, layout)
        if role:
            said = policy(layout.spec, role)
            step["critical"] = said["critical"]
            # A single rank cannot rejoin the others.
            alone = sizes[step["mode"], step["index"]] <= 1 or step["ntasks"] > 1
            step["restarts"] = said["restarts"] if alone else 0


def tell_checks(checks, steps, layout):
    """Record in *checks* that count workers which steps they count, so that lost steps can be excluded."""
    if not layout.spec.get("faults"):
        return checks
    members = {"prefill": [], "decode": []}
    for step in steps:
        if step["kind"] == "worker" and step["rank"] == 0:
            members["prefill" if step["mode"] == "prefill" else "decode"].append(step["name"])
    for check in checks:
        for expect in check.get("expect") or ():
            names = members.get(expect.get("label"))
            if names and expect.get("min"):
                expect["of"] = names
    return checks


def notes(spec):
    """Return what the user should know about the policy."""
    faults = spec.get("faults") or {}
    idle = [
        f"faults.{role}: no effect, the job has no {role} workers."
        for role in ("prefill", "decode", "agg")
        if faults.get(role) and not spec["resources"][f"{role}_workers"]
    ]
    return idle + [
        f"faults.{role}: these workers span nodes, so they are not restarted individually."
        for role in ("prefill", "decode", "agg")
        if (faults.get(role) or {}).get("restarts")
        and spec["resources"][f"{role}_workers"]
        and (spec["resources"].get(f"gpus_per_{role}") or 0) > spec["resources"]["gpus_per_node"]
    ]


def _role(step, layout):
    """Return the role of *step* if a policy can apply to it, else None. Frontends need nginx before them."""
    if step["kind"] == "frontend":
        return "frontend" if layout.nginx else None
    return step["mode"]
