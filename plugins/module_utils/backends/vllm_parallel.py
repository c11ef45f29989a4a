# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM's parallel forms: the processes of an endpoint, and their options."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from .flags import DATA, PIPELINE, TENSOR, is_count
from .sizes import allocated, nodes, uneven

# The factors of the number of GPUs of one replica.
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
        """True if one replica is larger than a node's share of the endpoint."""
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


def form(spec, mode, options):
    """Return the :class:`DataParallel` of *mode* with the engine's *options* (full names); None without one."""
    data = options.get(DATA) or 1
    # Wrong sizes are reported elsewhere.
    right = is_count(data) and all(is_count(options.get(name) or 1) for name in REPLICA)
    if spec["frontend"]["type"] == "vllm" or not right or data <= 1:
        return None
    gpus = allocated(spec["resources"], mode)
    per_gpu = spec["backend"]["dp_launch_mode"] == "per_gpu"
    return DataParallel(data, replica(options), min(gpus, spec["resources"]["gpus_per_node"]), per_gpu)


def forms(backend, spec):
    """Return ``{mode: DataParallel}`` of the data-parallel modes behind the dynamo frontend."""
    found = {mode: form(spec, mode, backend.mode_config(spec, mode)) for mode in backend.modes(spec)}
    return {mode: one for mode, one in found.items() if one}


def parallel_problems(backend, spec, mode):
    """Return ``[(option, problem, remedy)]`` of contradictory sizes of *mode* (see Backend.size_problems)."""
    options, resources = backend.mode_config(spec, mode), spec["resources"]
    remedy, data = f"Change the sizes or resources.gpus_per_{mode}.", form(spec, mode, options)
    if data is None:
        count, size = nodes(resources, mode), replica(options)
        named = [name for name in REPLICA if options.get(name)]
        if (options.get(DATA) or 1) == 1 and named and size % count:
            return [(named[0], *uneven(spec, mode, options[named[0]], size))]
        return []
    if options.get("headless"):
        return [("headless", "is set by the plan for data-parallel workers.", "Leave it out.")]
    if data.per_gpu and data.replica > 1:
        problem = f"has replicas of {data.replica} GPUs, but dp_launch_mode per_gpu gives each one GPU."
        return [(None, problem, "Use dp_launch_mode per_node.")]
    if data.size * data.replica == allocated(resources, mode) and (
        data.replica % data.local if data.spans else data.local % data.replica
    ):
        problem = f"has replicas of {data.replica} GPUs, which do not divide evenly over nodes of {data.local} GPUs."
        return [(None, problem, remedy)]
    return []
