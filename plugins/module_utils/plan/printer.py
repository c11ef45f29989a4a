# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan as text: placement, ports and points."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypedDict

from ..holder import fatal_lines
from ..job.allocation_request import allocation_request
from ..plan_file import Plan, PlanDigests, PlanFile, ProcessRecord
from ..slurm.options import merge_directives, requested, seconds

LETTER = {"prefill": "P", "decode": "D", "agg": "A"}


class Summary(TypedDict):
    """The numbers of a plan that a playbook shows: ``steps`` counts those of each tier, ``points`` are names."""

    nodes: int
    endpoints: int
    steps: dict[str, int]
    checks: int
    points: list[str]
    frontend_url: str
    holder_node: str
    digests: PlanDigests


def configurations(plan: Plan) -> list[PlanFile]:
    """Return the files of *plan* that are worth reading: those of engines and services."""
    programs = {path for point in plan["benchmark"]["points"] for path in point["step"]["files"]}
    return [one for one in plan["files"] if one["path"] not in {fatal_lines.FILE, *programs}]


def node_map(plan: Plan) -> str:
    """Return an overview of *plan*: for each node its roles and GPUs, its processes and their ports.

    Each GPU shows the worker that owns it (P prefill, D decode, A aggregated, a dot for a free one).
    """
    width = max(len(node["name"]) for node in plan["nodes"])
    address = max(len(node["address"]) for node in plan["nodes"])
    processes: dict[str, list[ProcessRecord]] = {}
    services: dict[str, list[str]] = {}
    for process in plan["processes"]:
        processes.setdefault(process["node"], []).append(process)
    for name, where, port in _services(plan):
        services.setdefault(where, []).append(f"{name}:{port}")
    lines = [f"{plan['name']}: {len(plan['nodes'])} nodes, public {plan['frontend_url']}"]
    for node in plan["nodes"]:
        cells = ["."] * node["gpus"]
        for process in processes.get(node["name"], ()):
            for gpu in process["gpu_indices"]:
                cells[gpu] = f"{LETTER[process['mode']]}{process['index']}"
        size = max(len(cell) for cell in cells)
        gpus = " ".join(cell.ljust(size) for cell in cells)
        lines.append(
            f"{node['name']:<{width}}  {node['address']:<{address}}  [{gpus}]  {' '.join(node['roles']) or 'idle'}"
        )
        for process in processes.get(node["name"], ()):
            ports = " ".join(f"{family}:{port}" for family, port in process["ports"].items())
            rank = "" if process["leader"] else f" (rank {process['rank']})"
            lines.append(f"{'':<{width}}  {process['endpoint']}{rank}  {ports}")
        if node["name"] in services:
            lines.append(f"{'':<{width}}  {'  '.join(services[node['name']])}")
    used = {family for process in plan["processes"] for family in process["ports"]} | {"frontend"}
    used.update(step["kind"] for step in plan["steps"])
    used.update({"etcd_peer"} if "etcd" in used else (), {"frontend_internal"} if "nginx" in used else ())
    ports = "  ".join(f"{key} {port}" for key, port in plan["spec"]["ports"].items() if key in used)
    lines.append(f"ports begin at  {ports}")
    points = plan["benchmark"]["points"]
    labels = ", ".join(point["label"] for point in points)
    lines.append(f"benchmark {plan['benchmark']['type']}: {labels or 'no points'}")
    lines.append(cost(plan))
    return "\n".join(lines) + "\n"


def cost(plan: Plan) -> str:
    """Return the line about GPU hours: the job's maximum, and the cost per minute."""
    gpus, limit, hours = most_gpu_hours(plan)
    return (
        f"cost  {len(plan['nodes'])} nodes x {plan['nodes'][0]['gpus']} GPUs = {gpus} GPUs; time limit {limit}: "
        f"at most {hours:.1f} GPU hours, {gpus / 60:.2f} for each minute"
    )


def most_gpu_hours(plan: Plan) -> tuple[int, str, float]:
    """Return (GPUs of the allocation of *plan*, its time limit, the GPU hours that it takes at most)."""
    gpus = sum(node["gpus"] for node in plan["nodes"])
    # A directive may override slurm.time_limit.
    limit = merge_directives(requested(allocation_request(plan["spec"])), plan["spec"]["sbatch_directives"])[0]["time"]
    return gpus, limit, gpus * (seconds(limit) or 0) / 3600


def _services(plan: Plan) -> Iterator[tuple[str, str, int]]:
    """Yield (step, node, port) of infrastructure, frontends and nginx."""
    ports = plan["spec"]["ports"]
    several = any(step["kind"] == "nginx" for step in plan["steps"])
    keys = {"nats": "nats", "etcd": "etcd", "nginx": "frontend"}
    keys["frontend"] = "frontend_internal" if several else "frontend"
    for step in plan["steps"]:
        if step["kind"] in keys:
            yield step["name"], step["nodes"][0], ports[keys[step["kind"]]]


def summary(plan: Plan) -> Summary:
    """Return the :class:`Summary` of *plan*."""
    tiers: dict[str, list[str]] = {}
    for step in plan["steps"]:
        tiers.setdefault(step["tier"], []).append(step["name"])
    return {
        "nodes": len(plan["nodes"]),
        "endpoints": len(plan["endpoints"]),
        "steps": {tier: len(names) for tier, names in tiers.items()},
        "checks": len(plan["checks"]),
        "points": [point["name"] for point in plan["benchmark"]["points"]],
        "frontend_url": plan["frontend_url"],
        "holder_node": plan["holder_node"],
        "digests": plan["digests"],
    }


def step_lines(plan: Plan) -> str:
    """Return one line per step, ``name digest nodes``, for the diff of two plans."""
    steps = plan["steps"] + [point["step"] for point in plan["benchmark"]["points"]]
    return "".join(f"{step['name']} {step['digest']} {','.join(step['nodes'])}\n" for step in steps)
