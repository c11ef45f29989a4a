# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What the job asks of Slurm, and the metadata that stays with the run."""

from __future__ import annotations

from ..backends import BACKENDS
from ..failures import Error
from ..files import digest
from ..holder.lease import LEASE_S
from ..slurm.options import plain, sbatch_name
from ..topology.layout import worker_nodes
from ..topology.roles import Wish

DEFAULT_TIME_LIMIT = "01:00:00"
KEPT_S = 3600.0  # the lease of a job whose service is kept after its run
# Options of sbatch by which a job gets one kind of hardware and not another.
HARDWARE = (
    "clusters",
    "cluster-constraint",
    "constraint",
    "cpu-freq",
    "gpu-freq",
    "gpus",
    "gpus-per-node",
    "gpus-per-socket",
    "gpus-per-task",
    "gres",
    "partition",
    "prefer",
    "tres-per-task",
)
SHORTEST_LEASE_S = 15.0  # a controller that is at work may be silent for some seconds between two requests


def keeping(keep, lease_s=None):
    """Return ``{keep: bool, lease_s: float}``: whether the service stays up after the run, and for how long alone.

    :param keep: the text of -e keep=...: true, false (1 and 0 as well), or seconds, which then are the lease.
    """
    text = str(keep or "").strip().lower()
    kept, key = text not in ("", "false", "no", "off", "none", "0"), "lease_s"
    if lease_s is None:
        lease_s = KEPT_S if kept else LEASE_S
        if kept and text not in ("true", "yes", "on", "1"):
            key, lease_s = "keep", text
    problem = lease_problem(lease_s)
    if problem:
        raise Error(f"{key} {problem[0]} {problem[1]}")
    return {"keep": kept, "lease_s": float(lease_s)}


def lease_problem(value):
    """Return (problem, remedy) of a lease in seconds, None if there is none."""
    try:
        seconds = float(str(value))
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds < float("inf"):
        return f"is {value}, not a time.", f"Give seconds, {SHORTEST_LEASE_S:g} or more."
    if seconds < SHORTEST_LEASE_S:
        why = "a job would end while its playbook is at work"
        return f"is {value} seconds: {why}.", f"Give {SHORTEST_LEASE_S:g} or more."
    return None


def node_count(spec):
    """Return how many nodes the job needs."""
    share = BACKENDS[spec["backend"]["type"]].shares_nodes(spec)
    return worker_nodes(spec["resources"], share) + Wish.of(spec).nodes


def allocation_request(spec):
    """Return the allocation request: the only thing that slurm_job sees of a job."""
    cluster, resources = spec["cluster"], spec["resources"]
    nodes = node_count(spec)
    per_node = BACKENDS[spec["backend"]["type"]].tasks_per_node(spec)
    request = {
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
        # NATS and etcd, if they have a node of their own, are with the prefill workers.
        request["components"] = [resources["prefill_nodes"] + Wish.of(spec).nodes, resources["decode_nodes"]]
    request["digest"] = digest(request)[:12]
    # Says how the nodes are addressed, not which ones are wanted.
    request["network_interface"] = cluster["network_interface"]
    return request


def hardware(spec):
    """Return ``{name: value}`` of what decides on which kind of hardware the job runs, as far as the job says."""
    directives = {sbatch_name(key): plain(value) for key, value in spec["sbatch_directives"].items()}
    found = {"gpu_type": spec["resources"]["gpu_type"], "partition": spec["slurm"]["partition"]}
    found.update({key: value for key, value in directives.items() if key in HARDWARE})
    return {key: value for key, value in found.items() if value is not None}


def metadata(spec, tags=()):
    """Return ``<job_id>.json`` as srtctl's tools read it, without what only submission knows (id, time)."""
    model, resources, benchmark = spec["model"], spec["resources"], spec["benchmark"]
    keys = ("gpu_type", "gpus_per_node", *(k for k in resources if k.endswith(("_nodes", "_workers"))))
    record = {
        "version": "2.0",
        "orchestrator": True,
        "job_name": spec["name"],
        "model": {key: model[key] for key in ("path", "container", "precision")},
        "resources": {key: resources[key] for key in (*keys, "gpus_per_prefill", "gpus_per_decode", "gpus_per_agg")},
        "backend_type": spec["backend"]["type"],
        "frontend_type": spec["frontend"]["type"],
        "benchmark": {"type": benchmark["type"], "isl": benchmark["isl"], "osl": benchmark["osl"]},
    }
    if tags:
        record["tags"] = list(tags)
    if spec["setup_script"]:
        record["setup_script"] = spec["setup_script"]
    return record
