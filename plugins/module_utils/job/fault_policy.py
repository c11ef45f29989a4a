# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What the loss of a step means for the run: the job's ``faults``, put into the plan's steps and checks.

None of it is part of a digest: a change of policy restarts nothing.
"""

from __future__ import annotations

from ..schema.section import Field, Section, optional
from ..schema.types import Bool, Int

ROLES = ("prefill", "decode", "agg", "frontend")
ROLE = Section(
    "role",
    {
        "critical": Field(Bool(), True, "Whether its loss ends the run. If not, the loss is recorded."),
        "restarts": Field(Int(0, 1000), 0, "How often each of its steps is started again when it ends by itself."),
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
    doc="What the loss of a worker or a frontend means.",
)


def policy(spec, role):
    """Return {critical, restarts} of *role*."""
    return dict({"critical": True, "restarts": 0}, **((spec.get("faults") or {}).get(role) or {}))


def apply(steps, layout):
    """Set ``critical`` and ``restarts`` of the service's *steps*, in place, where the job says something."""
    if not layout.spec.get("faults"):
        return
    roles = _roles(steps, layout)
    for step in steps:
        if step["name"] in roles:
            said = policy(layout.spec, roles[step["name"]])
            step["critical"] = said["critical"]
            # One rank of several cannot join the others again.
            step["restarts"] = said["restarts"] if _alone(step, layout) else 0


def tell_checks(checks, steps, layout):
    """Let *checks* that count workers know which steps they count, so that lost ones can be left out."""
    if not layout.spec.get("faults"):
        return checks
    members = {"prefill": [], "decode": []}
    leaders = {process.name for process in layout.processes if process.leader}
    for name, role in _roles(steps, layout).items():
        if role in ("prefill", "decode", "agg") and name in leaders:
            members["prefill" if role == "prefill" else "decode"].append(name)
    for check in checks:
        for expect in check.get("expect") or ():
            names = members.get(expect.get("label"))
            if names and expect.get("min"):
                expect["of"] = names
    return checks


def notes(spec):
    """Return what a person should know about the policy."""
    faults = spec.get("faults") or {}
    idle = [
        f"faults.{role}: no effect, the job has no {role} workers."
        for role in ("prefill", "decode", "agg")
        if faults.get(role) and not spec["resources"][f"{role}_workers"]
    ]
    return idle + [
        f"faults.{role}: these workers span nodes, so they are not restarted one by one."
        for role in ("prefill", "decode", "agg")
        if (faults.get(role) or {}).get("restarts")
        and spec["resources"][f"{role}_workers"]
        and (spec["resources"].get(f"gpus_per_{role}") or 0) > spec["resources"]["gpus_per_node"]
    ]


def _roles(steps, layout):
    """Return {step name: role} of the steps that a policy can be about."""
    modes = {process.name: process.mode for process in layout.processes}
    roles = {}
    for step in steps:
        if step["tier"] == "worker":
            roles[step["name"]] = modes.get(step["name"]) or step["name"].split("_")[0]
        elif step["tier"] == "frontend" and layout.nginx and step["name"].startswith("frontend_"):
            roles[step["name"]] = "frontend"
    return {name: role for name, role in roles.items() if role in ROLES}


def _alone(step, layout):
    """Tell whether the step is the only one of its endpoint."""
    mine = [process.endpoint.name for process in layout.processes if process.name == step["name"]]
    return not mine or sum(process.endpoint.name == mine[0] for process in layout.processes) == 1 or step["ntasks"] > 1
