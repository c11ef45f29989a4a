# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every plan, on random resources; and that a damaged file is a job or a clear error."""

from __future__ import annotations

import collections
import copy
import json

import jobs
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job import reading
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

QUICK = settings(
    max_examples=120, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)

COUNT, WORKERS = st.integers(0, 6), st.integers(1, 6)
MAYBE_GPUS = st.none() | st.integers(1, 20)

RESOURCES = st.one_of(
    st.fixed_dictionaries(
        {
            "gpus_per_node": st.sampled_from([1, 2, 4, 8]),
            "prefill_nodes": COUNT, "prefill_workers": WORKERS, "gpus_per_prefill": MAYBE_GPUS,
            "decode_nodes": COUNT, "decode_workers": WORKERS, "gpus_per_decode": MAYBE_GPUS,
            "spread_workers": st.booleans(),
        }
    ),
    st.fixed_dictionaries(
        {
            "gpus_per_node": st.sampled_from([1, 4, 8]),
            "agg_nodes": st.integers(1, 6), "agg_workers": st.integers(1, 12), "gpus_per_agg": MAYBE_GPUS,
            "spread_workers": st.booleans(),
        }
    ),
)  # fmt: skip

PLACES = st.fixed_dictionaries(
    {
        "infra": st.fixed_dictionaries({"etcd_nats_dedicated_node": st.booleans()}),
        "frontend": st.fixed_dictionaries(
            {
                "enable_multiple_frontends": st.booleans(),
                "num_additional_frontends": st.integers(0, 3),
                "dedicated_node": st.booleans(),
                "orchestrator_placement": st.sampled_from(["head", "first_decode", "last_decode"]),
            }
        ),
        "benchmark": st.fixed_dictionaries(
            {
                "client_dedicated_node": st.booleans(),
                "colocate_with_frontend": st.booleans(),
                "client_placement": st.sampled_from(["head", "first_decode", "last_decode"]),
            }
        ),
    }
)
DATA = {"tp-size": 2, "dp-size": 2, "enable-dp-attention": True}
BACKEND = st.sampled_from(
    [
        {"type": "mocker"},
        {"type": "mocker", "bootstrap": True},
        {"type": "sglang"},
        {"type": "sglang", "kv_events_config": True, "sglang_config": {"prefill": DATA, "decode": DATA}},
        {"type": "sglang", "kv_events_config": True},
        {"type": "trtllm"},
        {"type": "vllm"},
        {"type": "vllm", "allow_prefill_decode_colocation": True, "allow_prefill_decode_colocation_across_nodes": True},
    ]
)


# Blocks of ports that begin beside each other.
CLOSE = dict(zip(("system", "http", "bootstrap", "dist_init", "kv_events", "nixl", "nccl", "vllm"), range(6000, 6008)))
FURTHER = st.fixed_dictionaries(
    {
        "het_jobs": st.sampled_from([None, None, False, True]),
        "ports": st.sampled_from([{}, CLOSE]),
        "directives": st.sampled_from([{}, {"mem": 0}, {"time": "1:00:00", "nice": 3}, {"gpus-per-node": 8}]),
    }
)


def job_of(resources, places, backend, further):
    """Return the raw job; the test job's own resources are replaced."""
    places = copy.deepcopy(places)
    for section, key, dedicated in (
        ("frontend", "orchestrator_placement", "dedicated_node"),
        ("benchmark", "client_placement", "client_dedicated_node"),
    ):
        # These contradict each other, and would leave few jobs to plan.
        if "agg_nodes" in resources or places[section][dedicated]:
            places[section][key] = "head"
    job = jobs.raw(**places, sbatch_directives=further["directives"], ports=further["ports"])
    job["resources"] = {"gpu_type": "h100", **resources, "het_jobs": further["het_jobs"]}
    job["backend"] = dict(backend)
    return job


def fixed_ports(plan):
    """Return every (node, port, owner) of a service that is no worker."""
    ports, found = plan["spec"]["ports"], []
    nginx = any(step["name"] == "nginx" for step in plan["steps"])
    for step in plan["steps"]:
        node = step["nodes"][0]
        if step["name"] in ("nats", "etcd"):
            found.append((node, ports[step["name"]], step["name"]))
        elif step["name"] == "nginx":
            found.append((node, ports["frontend"], "nginx"))
        elif step["tier"] == "frontend":
            found.append((node, ports["frontend_internal" if nginx else "frontend"], step["name"]))
    return found


@QUICK
@given(RESOURCES, PLACES, BACKEND, FURTHER, st.integers(0, 2))
def test_every_plan(resources, places, backend, further, spare):
    job = job_of(resources, places, backend, further)
    try:
        spec = jobs.spec_of(job)
    except Error as error:
        assert error.msg
        assume(False)
    allocation = jobs.allocation(planner.node_count(spec) + spare)
    plan = planner.build(spec, allocation)
    assert json.dumps(plan) == json.dumps(planner.build(spec, allocation))

    # Only given nodes.
    names = {node["name"] for node in allocation["nodes"]}
    steps = plan["steps"] + [point["step"] for point in plan["benchmark"]["points"]]
    assert {node for step in steps for node in step["nodes"]} <= names
    assert {process["node"] for process in plan["processes"]} <= names
    assert set().union(*map(set, plan["groups"].values())) <= names

    # No GPU belongs to two workers, and each worker has what it was promised.
    owners = {}
    for process in plan["processes"]:
        for gpu in process["gpu_indices"]:
            assert 0 <= gpu < spec["resources"]["gpus_per_node"]
            owner = owners.setdefault((process["node"], gpu), process["name"])
            assert owner == process["name"], (process["node"], gpu)
    held = collections.Counter()
    for process in plan["processes"]:
        held[process["endpoint"]] += len(process["gpu_indices"])
    assert all(held[endpoint["name"]] >= endpoint["gpus"] for endpoint in plan["endpoints"])

    # As many workers as asked for.
    modes = collections.Counter(endpoint["mode"] for endpoint in plan["endpoints"])
    for mode in ("prefill", "decode", "agg"):
        assert modes[mode] == (spec["resources"][f"{mode}_workers"] or 0)

    # No port twice on a node. Ranks of one endpoint are told shared ports of their leader.
    used = {(node, port): owner for node, port, owner in fixed_ports(plan)}
    assert len(used) == len(fixed_ports(plan))
    leaders = {process["endpoint"]: process for process in plan["processes"] if process["leader"]}
    sizes = {family.name: family.size for family in BACKENDS[backend["type"]].port_families(spec)}
    for process in plan["processes"]:
        leader = leaders[process["endpoint"]]
        for family, port in process["ports"].items():
            if process is not leader and leader["ports"].get(family) == port:
                continue
            for number in range(port, port + sizes[family]):  # the whole block
                key = (process["node"], number)
                embedded = used.get(key) and not any(step["tier"] == "frontend" for step in plan["steps"])
                assert key not in used or embedded, (process["name"], family, number, used[key])
                used[key] = process["name"]


DAMAGE = st.sampled_from(
    [None, True, 0, -1, 3, 10**9, 1.5, "", "x", "$Q", "{p}", "4x16", "none", "on", [], [None], [[]], {}, {"a": 1}]
)
ORIGINALS = [
    document.job
    for path in sorted((jobs.ROOT / "examples").rglob("*.yaml"))
    if path.name != "srtslurm.yaml" and path.parent.name != "rl"
    for document in reading.read_jobs(str(path))
]


def paths_of(value, path=()):
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths_of(item, (*path, key))


@QUICK
@given(st.data())
def test_a_damaged_file_is_a_job_or_a_clear_error(data):
    """The whole way: text, YAML, variants, check, plan."""
    document = yaml.safe_load(yaml.safe_dump(data.draw(st.sampled_from(ORIGINALS))))
    for _round in range(data.draw(st.integers(1, 3))):
        assume(document)
        path = data.draw(st.sampled_from(list(paths_of(document))))
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        kind = data.draw(st.sampled_from(["value", "value", "rename", "drop"]))
        if kind == "value" or not isinstance(parent, dict):
            parent[path[-1]] = copy.deepcopy(data.draw(DAMAGE))
        else:
            value = parent.pop(path[-1])
            if kind == "rename":
                parent[f"{path[-1]}x"] = value
    try:
        variants = reading.Document(document).variants()
        for _suffix, job, source in variants[:2]:
            spec = jobs.spec_of(job, source)
            if planner.node_count(spec) < 50:
                json.dumps(planner.build(spec, planner.imaginary_allocation(spec)))
    except Error as error:
        assert error.msg and "None" not in error.msg.split(":")[0]
