# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""From spec and allocation to the plan. Pure: no clock, no network, no Slurm, nothing random."""

from __future__ import annotations

import shlex

from .. import log_lines
from ..backends import BACKENDS, profiling
from ..benchmarks import BENCHMARKS
from ..benchmarks.load_client import __main__ as load_client
from ..files import PLAN_SCHEMA_VERSION, digest
from ..frontends import FRONTENDS, nginx
from ..frontends.nginx import nginx_file, nginx_step
from ..job import fault_policy, preparation
from ..job.allocation_request import allocation_request, hardware, node_count
from ..programs import program_files
from ..services import nats_etcd
from ..topology.layout import INFRA_PORTS, build_layout
from ..topology.step import one_file
from . import containers, mounts, notes

DIGESTED = ("argv", "env", "nodes", "container", "mounts", "preamble", "srun_options", "ntasks")

# The last answer of serving_digest: a job is checked, described and planned in a row, and a large one takes a while.
_SERVING = {}


def client_assets():
    """Return the load client's source files, ``{name: text}``, from this installation."""
    return program_files(load_client)


def imaginary_allocation(spec, run_dir="<run_dir>"):
    """Return the allocation that plans are made for when there is none: job JOBID on node0001 and so on."""
    names = [f"node{number:04d}" for number in range(1, node_count(spec) + 1)]
    return {
        "id": "JOBID",
        "name": spec["name"],
        "run_dir": run_dir,
        "nodes": [{"name": name, "address": f"<addr:{name}>"} for name in names],
    }


def layout_of(spec, allocation, previous=None):
    """Return the layout of *spec* on *allocation* with names and wiring set."""
    backend = BACKENDS[spec["backend"]["type"]]
    frontend = FRONTENDS[spec["frontend"]["type"]]
    layout = build_layout(
        spec,
        allocation,
        multiple=frontend.multiple(spec),
        infra=(INFRA_PORTS if frontend.needs_infra else ()) + backend.infra_ports(spec),
        share=backend.shares_nodes(spec),
        families=backend.port_families(spec),
        frontend_ports=frontend.ports,
        split=backend.splitter(spec),
        embedded=frontend.embedded(spec),
        previous=previous,
    )
    layout.served_name = backend.served_name(spec)
    layout.wiring = nats_etcd.wiring(layout) if frontend.needs_infra else {}
    layout.worker_urls = backend.worker_urls(layout)
    return layout


def build(spec, allocation, previous=None, assets=None):
    """Return the plan of *spec* on *allocation*.

    :param spec: what job_spec returned.
    :param allocation: ``{id, run_dir, nodes: [{name, address}]}`` of slurm_job.
    :param previous: the plan that this one replaces; its ports are kept where they fit.
    :param assets: the load client's files; default: those of this installation.
    """
    assets = client_assets() if assets is None else assets
    layout = layout_of(spec, allocation, previous)
    steps, files = service(layout)
    serving = serving_digest(spec)
    points, more = bench_points(layout, assets, serving)
    members = groups(layout)
    return {
        "schema_version": PLAN_SCHEMA_VERSION,
        "job_id": layout.job_id,
        "run_dir": layout.run_dir,
        "name": spec["name"],
        "spec": spec,
        "nodes": node_records(layout, members),
        "parts": layout.parts,
        "endpoints": [endpoint.as_dict() for endpoint in layout.endpoints],
        "processes": [process.as_dict() for process in layout.processes],
        "steps": steps,
        "files": [*files, fatal_lines(layout), *more],
        "checks": checks(layout, steps),
        "health_timeout_s": spec["health_check"]["max_attempts"] * spec["health_check"]["interval_seconds"],
        "benchmark": {"type": spec["benchmark"]["type"], "points": points},
        "groups": members,
        "digests": {"allocation": allocation_request(spec)["digest"], "serving": serving},
        "holder_node": next(iter(layout.addresses)),
        "frontend_url": layout.public_url,
        "notes": [*spec_notes(spec), *notes.notes(layout, allocation)],
    }


def spec_notes(spec):
    """Return the notes of a plan that follow from *spec* alone; job_spec has told them already."""
    backend, frontend = BACKENDS[spec["backend"]["type"]], FRONTENDS[spec["frontend"]["type"]]
    return backend.notes(spec) + frontend.notes(spec) + preparation.notes(spec) + fault_policy.notes(spec)


def service(layout):
    """Return (steps, files) of everything but the benchmark, the steps with their digests."""
    spec = layout.spec
    backend, frontend = BACKENDS[spec["backend"]["type"]], FRONTENDS[spec["frontend"]["type"]]
    files = backend.files(layout) + frontend.files(layout)
    steps = []
    if frontend.needs_infra:
        steps += nats_etcd.infra_steps(layout)
        files += nats_etcd.nats_files(layout)
    steps += backend.infra_steps(layout)
    steps += backend.worker_steps(layout)
    steps += frontend.steps(layout)
    if layout.nginx:
        steps.append(nginx_step(layout))
        files.append(nginx_file(layout))
    finish(steps, files, layout)
    link(steps)
    fault_policy.apply(steps, layout)
    return steps, files


def fatal_lines(layout):
    """Return the file that says what log lines of this service mean; no step's digest has it."""
    spec = layout.spec
    backend, frontend = BACKENDS[spec["backend"]["type"]], FRONTENDS[spec["frontend"]["type"]]
    programs = [backend.log_lines, frontend.log_lines]
    programs += [nats_etcd.LINES] if frontend.needs_infra else []
    programs += [nginx.LINES] if layout.nginx else []
    return one_file(log_lines.FILE, log_lines.to_text(programs))


def link(steps):
    """Name, in each of *steps*, what it needs: who registers in etcd or talks through NATS is lost without them."""
    names = [step["name"] for step in steps if step["name"] in ("nats", "etcd")]
    for step in steps:
        if {"ETCD_ENDPOINTS", "NATS_SERVER"} & set(step["env"]):
            step["needs"] = names


def finish(steps, files, layout):
    """Complete each of *steps* in place: surroundings and digest."""
    job_mounts = mounts.mounts(layout) if layout.contained else []
    contents = {one["path"]: digest(one["content"]) for one in files}
    for step in steps:
        containers.surround(step, layout, job_mounts)
        material = {key: step[key] for key in DIGESTED}
        material["files"] = {path: contents[path] for path in step["files"]}
        step["digest"] = digest(material)


def serving_digest(spec):
    """Return the digest of the service itself: equal on every allocation, changed by what changes a step."""
    key = digest(spec)
    if key not in _SERVING:
        steps, _files = service(layout_of(spec, imaginary_allocation(spec)))
        _SERVING.clear()
        _SERVING[key] = digest({step["name"]: step["digest"] for step in steps})
    return _SERVING[key]


def bench_points(layout, assets, serving):
    """Return (points, files) of the benchmark."""
    benchmark = BENCHMARKS[layout.spec["benchmark"]["type"]]
    points = benchmark.points(layout)
    files = benchmark.files(assets) if points else []
    steps = [point["step"] for point in points]
    start = profiling.start_argv(layout)
    for step in steps:
        step["files"] = [one["path"] for one in files]
        if start:
            step["preamble"] = f"{shlex.join(start)} || true"
    finish(steps, files, layout)
    for point in points:
        # A measurement that a controller left behind is of the service that it measured, and of no other one.
        point["step"]["digest"] = digest({"serving": serving, "step": point["step"]["digest"]})
        # On other hardware the same service runs, and is another one to measure. No step restarts for it.
        material = {"serving": serving, "parameters": point["parameters"], "hardware": hardware(layout.spec)}
        point["digest"] = digest(material)
    return points, files


def checks(layout, steps):
    """Return what must be true before the service counts as up."""
    spec = layout.spec
    backend, frontend = BACKENDS[spec["backend"]["type"]], FRONTENDS[spec["frontend"]["type"]]
    workers = [step["name"] for step in steps if step["tier"] == "worker"]
    found = backend.checks(layout) + frontend.checks(layout, backend.instances(layout), workers)
    return fault_policy.tell_checks(found, steps, layout)


def node_records(layout, members):
    """Return the nodes with their addresses, roles, inventory groups and number of GPUs."""
    table = {name: [] for name in layout.addresses}
    for role, name in (("head", layout.roles.head), ("infra", layout.roles.infra), ("bench", layout.roles.bench)):
        table[name].append(role)
    for name in layout.frontends:
        table[name].append("frontend")
    for process in layout.processes:
        if process.mode not in table[process.node]:
            table[process.node].append(process.mode)
    gpus = layout.spec["resources"]["gpus_per_node"]
    inventory = {name: [] for name in layout.addresses}
    for group, names in members.items():
        for name in names:
            inventory[name].append(group)
    return [
        {"name": name, "address": address, "roles": table[name], "groups": inventory[name], "gpus": gpus}
        for name, address in layout.addresses.items()
    ]


def groups(layout):
    """Return the inventory groups: node names by purpose, in allocation order."""
    modes = {"prefill": set(), "decode": set(), "agg": set()}
    for process in layout.processes:
        modes[process.mode].add(process.node)
    members = {
        "srt_nodes": set(layout.addresses),
        "srt_head": {layout.roles.head},
        "srt_infra": {layout.roles.infra},
        "srt_prefill": modes["prefill"],
        "srt_decode": modes["decode"],
        "srt_agg": modes["agg"],
        "srt_frontend": set(layout.frontends) | {layout.roles.head},
        "srt_bench": {layout.roles.bench},
    }
    return {group: [name for name in layout.addresses if name in names] for group, names in members.items()}
