# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The description of an allocation for the other modules."""

from __future__ import annotations

from ..json_types import JsonObject
from ..plan_file import IMAGINARY_ID, AllocatedNode, imaginary_nodes
from ..slurm import commands
from ..slurm.commands import QueueEntry
from . import addresses
from .call import Call


def describe(call: Call, job: QueueEntry) -> JsonObject:
    """Return ``{id, name, state, reason, nodes[{name, address}], lost, run_dir, submitted_at, started_at, ends_at}``.

    ``nodes`` are those that the job began with: the plan must not change when it loses one. ``lost`` names such nodes.

    :param job: a queue entry, or :func:`planned`.
    """
    fields = {key: job.get(key) or None for key in ("submitted_at", "started_at", "ends_at")}
    same = {key: job[key] for key in ("id", "name", "state", "reason")}
    nodes, lost = _nodes(call, job)
    return dict(fields, **same, nodes=nodes, lost=lost, run_dir=call.run_dir(job))


def planned(call: Call) -> QueueEntry:
    """Return a substitute for the queue entry of an allocation that would be requested."""
    return {"id": IMAGINARY_ID, "name": call.allocation["name"], "state": "PLANNED", "reason": "", "nodelist": ""}


def _nodes(call: Call, job: QueueEntry) -> tuple[list[AllocatedNode], list[str]]:
    """Return (the nodes that the job began with, the names of those that it has lost)."""
    wanted = call.allocation or {}
    if job["id"] == IMAGINARY_ID:
        return imaginary_nodes(int(wanted["nodes"])), []
    if job["state"] != "RUNNING":
        return [], []
    names, interface, folder = commands.hostnames(job["nodelist"]), wanted.get("network_interface"), call.run_dir(job)
    began = addresses.began_with(folder, job.get("started_at"))
    lost = [one["name"] for one in began if one["name"] not in names]
    if lost and len(began) == len(names) + len(lost):
        return began, lost
    found = addresses.node_addresses(job["id"], names, interface, wanted.get("components"), folder)
    if not call.ctx.check_mode:
        addresses.remember(folder, job.get("started_at"), found)
    return found, []
