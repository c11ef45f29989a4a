# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of a preflight: what each node is to check."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Mapping

from ..holder.records import StepRecord
from ..holder.step import number_of
from ..json_types import JsonObject
from ..plan_file import Check, Plan, Step
from ..slurm import commands
from . import node_inputs
from .health_wait import first_step
from .open_files import open_files

NAME = "preflight"  # the tier of its steps


def table(plan: Plan, waiting: Iterable[Step], records: Mapping[str, StepRecord], params: JsonObject) -> JsonObject:
    """Return the table; the *waiting* steps are those that do not run yet."""
    names = {step["name"] for step in waiting}
    alive = {r["name"] for r in records.values() if r["state"] != "ended"}
    used = {node for step in plan["steps"] if step["name"] in alive for node in step["nodes"]}
    files, inputs, clients = open_files(plan), node_inputs.wanted(plan), node_inputs.clients(plan)
    nodes: dict[str, JsonObject] = {
        name: {
            "ports": [],
            "mounts": [],
            "images": [],
            "gpus": gpus,
            "idle": name not in used,
            "files": files[name],
            "inputs": inputs[name],
            "client": clients.get(name),
        }
        for name, gpus in ((one["name"], one.get("gpus")) for one in plan["nodes"])
    }
    _add_dead(nodes, records, plan)
    by_address = {one["address"]: one["name"] for one in plan["nodes"]}
    seen = set()

    def add(node: str | None, port: int, step: str | None, sure: bool) -> None:
        # Resources of a step that will be replaced are free once it ends.
        if node in nodes and step in names - alive and (node, port) not in seen:
            seen.add((node, port))
            nodes[node]["ports"].append([port, step, sure])

    checks = [*(plan.get("checks") or ()), *needs(nodes, plan)]
    for check in checks:
        if not check["port"]:  # a log or a file
            continue
        add(by_address.get(check["host"]), check["port"], first_step(check), True)
    for process in plan.get("processes") or ():
        for port in (process.get("ports") or {}).values():
            if isinstance(port, int):
                add(process["node"], port, process["name"], False)
    return {
        "run_dir": plan["run_dir"],
        "output_dir": os.path.dirname(plan["run_dir"]),
        # The nodes clean up after jobs that are over, see is_over() in node_check/main.py.
        "job_id": plan["job_id"],
        "live": [job["id"] for job in commands.jobs()],
        "cluster": commands.cluster(),
        "nodes": nodes,
        "limits": {"free_mib": params["min_free_mib"], "shm_mib": params["min_shm_mib"]},
        "clean": params["clean"],
        # A report without it is from another preflight: cached by a shared disk, or another controller's.
        "nonce": uuid.uuid4().hex,
        # Processes of later steps than this one are not leftovers.
        "newest_step": max((number_of(record["step_id"]) for record in records.values()), default=-1),
        "longest_s": params["timeout_s"],
        "reader": os.path.join(plan["run_dir"], node_inputs.PROGRAM),
    }


def needs(nodes: Mapping[str, JsonObject], plan: Plan) -> list[Check]:
    """Add to each of *nodes* the mounts and images of its steps; return the checks of steps that are ready."""
    checks: list[Check] = []
    for step in [*plan["steps"], *(point["step"] for point in plan["benchmark"]["points"])]:
        checks += step.get("ready") or []
        container = step.get("container")
        image = container["image"] if container else ""
        wanted = [("mounts", str(mount).split(":", 1)[0]) for mount in step.get("mounts") or ()]
        wanted += [("images", image)] if image.startswith("/") else []
        for node in (one for one in step["nodes"] if one in nodes):
            for kind, path in wanted:
                if path not in nodes[node][kind]:
                    nodes[node][kind].append(path)
    return checks


def _add_dead(nodes: Mapping[str, JsonObject], records: Mapping[str, StepRecord], plan: Plan) -> None:
    """Add to each of *nodes* the logs of steps that have ended there: who still writes to one outlived its step."""
    busy = {(node, r["log"]) for r in records.values() if r["state"] != "ended" for node in r["nodes"] or ()}
    for record in (one for one in records.values() if one["tier"] != NAME):  # we write to our own log right now
        own = record["nodes"] or []
        for node in own if record["state"] == "ended" else ():
            log = record["log"].replace(own[0], node, 1)
            if node in nodes and (node, record["log"]) not in busy:
                nodes[node].setdefault("dead", []).append(os.path.join(os.path.realpath(plan["run_dir"]), log))
