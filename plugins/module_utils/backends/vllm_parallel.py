# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""vLLM's parallel forms: which processes an endpoint has, and what each is told about the others."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .flags import DATA, PIPELINE, TENSOR, is_count
from .modes import LONG_MODE
from .sizes import allocated, nodes, uneven

# What multiplies the GPUs of one replica.
REPLICA = (TENSOR, PIPELINE, "prefill-context-parallel-size")


@dataclass(frozen=True)
class DataParallel:
    """The data-parallel form of one mode: *size* replicas of *replica* GPUs, *local* GPUs on each node."""

    size: int
    replica: int
    local: int
    per_gpu: bool

    @property
    def spans(self):
        """True when one replica is larger than a node's part of the endpoint."""
        return not self.per_gpu and self.replica > self.local

    def split(self, endpoint):
        """Return the processes of *endpoint*: ``[(node, gpu_indices, first data-parallel rank)]``."""
        if self.per_gpu:
            pairs = [(node, gpu) for node in endpoint.nodes for gpu in endpoint.gpu_indices]
            return [(node, (gpu,), rank) for rank, (node, gpu) in enumerate(pairs)]
        ranks = 0 if self.spans else self.local // self.replica
        return [(node, endpoint.gpu_indices, index * ranks) for index, node in enumerate(endpoint.nodes)]

    def arguments(self, process, layout):
        """Return the options that join *process* to its data-parallel group."""
        own = {
            "data-parallel-address": layout.address(process.endpoint.nodes[0]),
            "data-parallel-rpc-port": process.ports["dp_rpc"],
        }
        if self.per_gpu:
            return {"data-parallel-rank": process.start, **own}
        if self.spans:
            return {**world(process, layout), **own}
        return {
            "data-parallel-size-local": self.local // self.replica,
            "data-parallel-start-rank": process.start,
            **own,
            "data-parallel-hybrid-lb": True,
        }


def world(process, layout):
    """Return the options of one model over several nodes; nothing for a single node."""
    nodes = process.endpoint.nodes
    if len(nodes) == 1:
        return {}
    return {
        "master-addr": layout.address(nodes[0]),
        "nnodes": len(nodes),
        "node-rank": process.rank,
        "headless": process.rank > 0,
    }


def replica(options):
    """Return the GPUs of one replica: the product of its parallel sizes, by their full names in *options*."""
    return prod(options.get(name) or 1 for name in REPLICA)


def forms(backend, spec):
    """Return ``{mode: DataParallel}`` of the modes that the dynamo frontend runs data-parallel."""
    if spec["frontend"]["type"] == "vllm":
        return {}
    found = {}
    for mode in LONG_MODE:
        if not spec["resources"][f"{mode}_workers"]:
            continue
        options = backend.mode_config(spec, mode)
        data = options.get(DATA)
        # Of sizes that are wrong the job's owner is told elsewhere.
        if all(is_count(options.get(name) or 1) for name in (DATA, *REPLICA)) and (data or 1) > 1:
            gpus = allocated(spec["resources"], mode)
            local = min(gpus, spec["resources"]["gpus_per_node"])
            per_gpu = spec["backend"]["dp_launch_mode"] == "per_gpu"
            found[mode] = DataParallel(data, replica(options), local, per_gpu)
    return found


def parallel_problems(backend, spec, mode):
    """Return ``[(option, problem, remedy)]`` of the sizes of *mode* among each other (see Backend.size_problems)."""
    options, resources = backend.mode_config(spec, mode), spec["resources"]
    remedy, form = f"Change the sizes or resources.gpus_per_{mode}.", forms(backend, spec).get(mode)
    if form is None:
        count, size = nodes(resources, mode), replica(options)
        named = [name for name in REPLICA if options.get(name)]
        if (options.get(DATA) or 1) == 1 and named and size % count:
            return [(named[0], *uneven(spec, mode, options[named[0]], size))]
        return []
    if options.get("headless"):
        return [("headless", "is decided by the plan for data-parallel workers.", "Leave it out.")]
    if form.per_gpu and form.replica > 1:
        problem = f"has replicas of {form.replica} GPUs, and dp_launch_mode per_gpu gives one GPU each."
        return [(None, problem, "Use dp_launch_mode per_node.")]
    if form.size * form.replica == allocated(resources, mode) and (
        form.replica % form.local if form.spans else form.local % form.replica
    ):
        problem = f"has replicas of {form.replica} GPUs, which do not divide evenly over nodes of {form.local} GPUs."
        return [(None, problem, remedy)]
    return []
