# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""vLLM's parallel forms: which processes an endpoint has, and what each is told about the others."""

from __future__ import annotations

from dataclasses import dataclass

from .flags import table

MODES = {"prefill": "prefill", "decode": "decode", "agg": "aggregated"}


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


def allocated(resources, mode):
    """Return the GPUs that a worker of *mode* really gets: whole nodes as soon as it needs one."""
    gpus, node = resources[f"gpus_per_{mode}"] or resources["gpus_per_node"], resources["gpus_per_node"]
    return gpus if gpus < node else -(-gpus // node) * node


def sizes(options):
    """Return (data, tensor, pipeline) parallel sizes; data is None when the job does not name it."""
    options = table(options)
    tensor = options.get("tensor-parallel-size", options.get("tp", 1))
    return (
        options.get("data-parallel-size", options.get("dp")),
        tensor,
        options.get("pipeline-parallel-size", options.get("pp", 1)),
    )


def forms(backend, spec):
    """Return ``{mode: DataParallel}`` of the modes that the dynamo frontend runs data-parallel."""
    if spec["frontend"]["type"] == "vllm":
        return {}
    found = {}
    for mode in MODES:
        if not spec["resources"][f"{mode}_workers"]:
            continue
        data, tensor, pipeline = sizes(backend.mode_config(spec, mode))
        if isinstance(data, int) and isinstance(tensor, int) and isinstance(pipeline, int) and data > 1:
            gpus = allocated(spec["resources"], mode)
            local = min(gpus, spec["resources"]["gpus_per_node"])
            per_gpu = spec["backend"]["dp_launch_mode"] == "per_gpu"
            found[mode] = DataParallel(data, tensor * pipeline, local, per_gpu)
    return found


def parallel_problems(backend, spec):
    """Return problems of parallel sizes against the GPUs of a worker."""
    problems = []
    for mode, word in MODES.items():
        if not spec["resources"][f"{mode}_workers"] or not spec["resources"][f"gpus_per_{mode}"]:
            continue
        path = ("backend", backend.config_key, word)
        options = backend.mode_config(spec, mode)
        data, tensor, pipeline = sizes(options)
        if not isinstance(tensor, int) or not isinstance(pipeline, int):
            continue
        gpus, remedy = allocated(spec["resources"], mode), f"Change the sizes or resources.gpus_per_{mode}."
        form = forms(backend, spec).get(mode)
        if form is None:
            total = tensor * pipeline * (data if isinstance(data, int) else 1)
            if total > gpus:
                text = f"needs {total} GPUs (data x tensor x pipeline parallel), a {mode} worker has {gpus}."
                problems.append((path, text, remedy))
            continue
        if table(options).get("headless"):
            problems.append(((*path, "headless"), "is decided by the plan for data-parallel workers.", "Leave it out."))
        wanted = form.size * (1 if form.per_gpu else form.replica)
        if form.per_gpu and form.replica > 1:
            text = f"has tensor x pipeline parallel = {form.replica}, and dp_launch_mode per_gpu gives one GPU each."
            problems.append((path, text, "Use dp_launch_mode per_node."))
        elif wanted != gpus:
            text = (
                f"needs data-parallel {form.size} x replica {form.replica} (tensor x pipeline) = {wanted} GPUs, "
                f"a {mode} worker has {gpus}."
            )
            problems.append((path, text, remedy))
        elif not form.spans and form.local % form.replica or form.spans and form.replica % form.local:
            text = f"has replicas of {form.replica} GPUs, which do not divide evenly over nodes of {form.local} GPUs."
            problems.append((path, text, remedy))
    return problems
