# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The allocation request of a job, and the metadata stored with the run."""

from __future__ import annotations

from collections.abc import Collection
from typing import TypedDict

from ..backends import BACKENDS
from ..benchmarks import BENCHMARKS
from ..files import digest
from ..json_types import JsonObject
from ..slurm.options import plain, sbatch_name
from ..topology.endpoints import worker_nodes
from ..topology.roles import Wish

DEFAULT_TIME_LIMIT = "01:00:00"
# Options of sbatch that select the hardware, or what of a node the job may use and how: they change how fast it runs.
# Not those that only leave nodes out or select when it runs: points are kept when a job is submitted anew with them.
_HARDWARE = """
bb bbf cluster-constraint clusters constraint contiguous core-spec cores-per-socket cpu-bind cpu-freq
cpus-per-gpu cpus-per-task distribution exclusive extra-node-info gpu-bind gpu-freq gpus gpus-per-node
gpus-per-socket gpus-per-task gres gres-flags hint mem mem-bind mem-per-cpu mem-per-gpu mincpus network
nodefile nodelist ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket overcommit
oversubscribe partition power prefer propagate segment sockets-per-node spread-job spread-segments
consolidate-segments switches thread-spec threads-per-core tmp tres-bind tres-per-task use-min-nodes
"""
HARDWARE = frozenset(_HARDWARE.split())


class _Components(TypedDict, total=False):
    components: list[int]


class _Wanted(_Components):
    name: str
    nodes: int
    gpus_per_node: int | None
    ntasks: int
    ntasks_per_node: int
    time_limit: str
    partition: str | None
    account: str | None
    exclusive: bool
    segment: int | None
    directives: dict[str, str | None]
    environment: dict[str, str]


class AllocationRequest(_Wanted):
    """What a job asks of Slurm; None leaves an option out.

    ``components`` are the numbers of nodes of a heterogeneous job. ``directives`` are further options of sbatch,
    ``{name: value, None if it takes none}``. ``digest`` is over all of it but ``network_interface``, which
    changes how the nodes are addressed, not which ones are requested.
    """

    digest: str
    network_interface: str | None


def node_count(spec: JsonObject) -> int:
    """Return how many nodes the job needs."""
    share = BACKENDS[spec["backend"]["type"]].shares_nodes(spec)
    return worker_nodes(spec["resources"], share) + Wish.of(spec).nodes


def allocation_request(spec: JsonObject) -> AllocationRequest:
    """Return the allocation request: the only part of a job that slurm_job sees."""
    cluster, resources = spec["cluster"], spec["resources"]
    nodes = node_count(spec)
    per_node = BACKENDS[spec["backend"]["type"]].tasks_per_node(spec)
    wanted: _Wanted = {
        "name": spec["name"],
        "nodes": nodes,
        "gpus_per_node": resources["gpus_per_node"] if cluster["use_gpus_per_node_directive"] else None,
        "ntasks": nodes * per_node,
        "ntasks_per_node": per_node,
        "time_limit": spec["slurm"]["time_limit"] or DEFAULT_TIME_LIMIT,
        "partition": spec["slurm"]["partition"],
        "account": spec["slurm"]["account"],
        "exclusive": cluster["use_exclusive_sbatch_directive"],
        "segment": nodes if cluster["use_segment_sbatch_directive"] else None,
        "directives": {key: plain(value) for key, value in spec["sbatch_directives"].items()},
        "environment": {},
    }
    if resources["het_jobs"]:
        # A dedicated node of NATS and etcd is in the component of the prefill workers.
        wanted["components"] = [resources["prefill_nodes"] + Wish.of(spec).nodes, resources["decode_nodes"]]
    return _identified({**wanted, "digest": "", "network_interface": cluster["network_interface"]})


def _identified(request: AllocationRequest) -> AllocationRequest:
    """Return *request* with its digest."""
    wanted = {key: value for key, value in request.items() if key not in ("digest", "network_interface")}
    return {**request, "digest": digest(wanted)[:12]}


def renamed(request: AllocationRequest, name: str) -> AllocationRequest:
    """Return *request* for a job called *name*: what jobs that share one allocation ask for is equal then."""
    return _identified({**request, "name": name})


def hardware(spec: JsonObject) -> dict[str, str]:
    """Return ``{name: value}`` of the settings that select the hardware of the job."""
    directives = {sbatch_name(key): plain(value) for key, value in spec["sbatch_directives"].items()}
    named = {"gpu_type": spec["resources"]["gpu_type"], "partition": spec["slurm"]["partition"]}
    found = {key: value for key, value in named.items() if value is not None}
    return {**found, **{key: value or "" for key, value in directives.items() if key in HARDWARE}}


def metadata(spec: JsonObject, tags: Collection[str] = ()) -> JsonObject:
    """Return ``<job_id>.json`` as srtctl's tools read it, without what submission adds (id, time)."""
    model, resources, benchmark = spec["model"], spec["resources"], BENCHMARKS[spec["benchmark"]["type"]]
    keys = ("gpu_type", "gpus_per_node", *(k for k in resources if k.endswith(("_nodes", "_workers"))))
    record = {
        "version": "2.0",
        "orchestrator": True,
        "job_name": spec["name"],
        "model": {key: model[key] for key in ("path", "container", "precision")},
        "resources": {key: resources[key] for key in (*keys, "gpus_per_prefill", "gpus_per_decode", "gpus_per_agg")},
        "backend_type": spec["backend"]["type"],
        "frontend_type": spec["frontend"]["type"],
        "benchmark": {"type": benchmark.type, **benchmark.description(spec)},
    }
    if tags:
        record["tags"] = list(tags)
    if spec["setup_script"]:
        record["setup_script"] = spec["setup_script"]
    return record
