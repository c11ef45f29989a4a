# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Placing workers (endpoints) on nodes and GPUs.

The rules are srtctl's: prefill, then decode, then aggregated workers, with one cursor over nodes and GPUs.
Where srtctl would share a GPU between workers or run past the last node, this raises an error with the sum.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NoReturn

from ..failures import Error
from ..json_types import JsonObject
from ..plan_file import EndpointRecord
from .modes import MODES


@dataclass(frozen=True)
class Demand:
    """*workers* workers of one mode (prefill, decode, agg) with *gpus* GPUs each."""

    mode: str
    workers: int
    gpus: int

    def nodes(self, gpus_per_node: int, spread: bool) -> int:
        """Return the number of nodes that this demand fills."""
        if self.gpus >= gpus_per_node:
            return self.workers * -(-self.gpus // gpus_per_node)
        return self.workers if spread else -(-self.workers // (gpus_per_node // self.gpus))


@dataclass(frozen=True)
class Endpoint:
    """A logical worker. It may span nodes; ``gpu_indices`` are the same on each of them."""

    mode: str
    index: int
    gpus: int
    nodes: tuple[str, ...]
    gpu_indices: tuple[int, ...]

    @cached_property
    def name(self) -> str:
        return f"{self.mode}_{self.index}"

    def as_dict(self) -> EndpointRecord:
        """Return the endpoint as it stands in plan.json."""
        return {
            "name": self.name,
            "mode": self.mode,
            "index": self.index,
            "gpus": self.gpus,
            "nodes": list(self.nodes),
            "gpu_indices": list(self.gpu_indices),
        }


def allocate(
    demands: Iterable[Demand], nodes: Iterable[str], gpus_per_node: int, spread: bool = False, share: bool = False
) -> list[Endpoint]:
    """Return the endpoints of all *demands* in order; Error with the arithmetic when they do not fit.

    :param spread: give each worker smaller than a node its own node.
    :param share: let decode start on a node that prefill has not filled.
    """
    nodes = tuple(nodes)
    demands = [demand for demand in demands if demand.workers > 0]
    endpoints: list[Endpoint] = []
    cursor, offset = 0, 0

    def refuse(endpoint: str, reason: str) -> NoReturn:
        raise Error(does_not_fit(demands, len(nodes), gpus_per_node, spread, f"{endpoint}: {reason}"))

    for demand in demands:
        # Modes have separate nodes, unless there is no further node (decode_nodes: 0).
        if demand.mode == "decode" and offset and not share and cursor + 1 < len(nodes):
            cursor, offset = cursor + 1, 0
        for index in range(demand.workers):
            name = f"{demand.mode}_{index}"
            if demand.gpus >= gpus_per_node:
                size = -(-demand.gpus // gpus_per_node)
                if cursor + size > len(nodes):
                    refuse(name, f"needs {size} whole node(s) from node {cursor + 1} on, there are {len(nodes)} nodes.")
                if offset and cursor + 1 + size > len(nodes):
                    refuse(
                        name,
                        f"needs all {gpus_per_node} GPUs of node {cursor + 1}, "
                        f"{offset} of them belong to {endpoints[-1].name}.",
                    )
                if offset:
                    cursor, offset = cursor + 1, 0
                endpoints.append(
                    Endpoint(
                        demand.mode, index, demand.gpus, nodes[cursor : cursor + size], tuple(range(gpus_per_node))
                    )
                )
                cursor += size
                continue
            if offset + demand.gpus > gpus_per_node:
                cursor, offset = cursor + 1, 0
            if cursor >= len(nodes):
                refuse(name, f"needs {demand.gpus} GPUs, all {len(nodes)} nodes are taken.")
            gpus = tuple(range(offset, offset + demand.gpus))
            endpoints.append(Endpoint(demand.mode, index, demand.gpus, (nodes[cursor],), gpus))
            offset += demand.gpus
            if offset >= gpus_per_node or spread:
                cursor, offset = cursor + 1, 0
    return endpoints


def does_not_fit(demands: Iterable[Demand], nodes: int, gpus_per_node: int, spread: bool, reason: str) -> str:
    """Return the error for a plan that does not fit, with the arithmetic."""
    parts, total_gpus, total_nodes = [], 0, 0
    for demand in demands:
        count = demand.nodes(gpus_per_node, spread)
        gpus = demand.workers * demand.gpus
        parts.append(f"{demand.mode} {demand.workers} x {demand.gpus} GPUs = {gpus} GPUs on {count} node(s)")
        total_gpus, total_nodes = total_gpus + gpus, total_nodes + count
    return (
        f"The workers do not fit the nodes. {'; '.join(parts)}. The total is {total_gpus} GPUs on {total_nodes} "
        f"node(s) if each mode has its own. The job has {nodes} node(s) x {gpus_per_node} GPUs "
        f"= {nodes * gpus_per_node} GPUs for workers. {reason} "
        "Change the nodes, the workers or gpus_per_* under resources."
    )


def demands(resources: JsonObject) -> list[Demand]:
    """Return the workers that the *resources* section requests, in order of placement."""
    return [
        Demand(mode, resources[f"{mode}_workers"] or 0, resources[f"gpus_per_{mode}"] or resources["gpus_per_node"])
        for mode in MODES
        if resources[f"{mode}_workers"]
    ]


def worker_nodes(resources: JsonObject, share: bool = False) -> int:
    """Return the number of nodes for workers.

    :param share: prefill and decode share nodes, so fewer nodes than the job names may suffice.
    """
    if share:
        gpus, wanted = resources["gpus_per_node"], demands(resources)
        most = worker_nodes(resources)
        for count in range(-(-sum(one.workers * one.gpus for one in wanted) // gpus), most):
            try:
                allocate(wanted, map(str, range(count)), gpus, resources["spread_workers"], share)
            except Error:
                continue
            return count
        return most
    if resources["prefill_nodes"] is not None or resources["decode_nodes"] is not None:
        return (resources["prefill_nodes"] or 0) + (resources["decode_nodes"] or 0)
    return resources["agg_nodes"] or 1


def place_workers(resources: JsonObject, workers: Sequence[str], share: bool) -> list[Endpoint]:
    """Return the endpoints on the *workers* nodes; each component of a heterogeneous job has its own nodes."""
    gpus, spread = resources["gpus_per_node"], resources["spread_workers"]
    wanted = demands(resources)
    if not resources["het_jobs"]:
        return allocate(wanted, workers, gpus, spread, share)
    border = resources["prefill_nodes"]
    return allocate(wanted[:1], workers[:border], gpus, spread) + allocate(wanted[1:], workers[border:], gpus, spread)
