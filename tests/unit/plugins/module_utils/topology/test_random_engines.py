# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random jobs of all engines: what two processes must never share, they never share."""

from __future__ import annotations

import random

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError


def random_job(source, backend):
    gpus = source.choice([4, 8])
    resources = {"gpus_per_node": gpus, **dict.fromkeys(jobs.AGGREGATED)}
    modes = ("aggregated",) if source.random() < 0.3 else ("prefill", "decode")
    for mode in modes:
        word = "agg" if mode == "aggregated" else mode
        resources[f"{word}_nodes"], resources[f"{word}_workers"] = source.randint(1, 4), source.randint(1, 4)
    size = source.choice([1, 2, 4, 8])
    config = source.choice(
        [
            {},
            {"data-parallel-size": size, "tensor-parallel-size": source.choice([1, 2])},
            {"dp-size": size, "tp-size": size, "enable-dp-attention": True},
        ]
    )
    section = {"type": backend.type, backend.config_key: dict.fromkeys(modes, config)}
    if "kv_events_config" in backend.section.fields:
        section["kv_events_config"] = source.choice([None, True, dict.fromkeys(modes, True)])
    if backend.type == "vllm":
        section["dp_launch_mode"] = source.choice(["per_node", "per_gpu"])
        section["allow_prefill_decode_colocation"] = source.random() < 0.5
        section["allow_prefill_decode_colocation_across_nodes"] = source.random() < 0.5
        section["decode_environment"] = source.choice([{}, {"DYN_CONNECTOR": "kvbm"}])
    if backend.type == "sglang":
        resources["het_jobs"] = source.choice([None, None, True])
    return {
        "backend": section,
        "resources": resources,
        "frontend": {"type": source.choice(backend.frontends), "enable_multiple_frontends": source.random() < 0.7},
        "infra": {"etcd_nats_dedicated_node": source.random() < 0.3},
        "ports": {"kv_events": source.choice([5550, 8085]), "nixl": source.choice([5400, 20020])},
    }


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_random_jobs(name):
    source, backend, planned = random.Random(name), BACKENDS[name], 0
    for _round in range(120):
        try:
            spec = jobs.spec_of(jobs.raw(**random_job(source, backend)))
        except SpecError:
            continue
        planned += 1
        plan = jobs.plan_of(spec)
        families = {one.name: one for one in backend.families(spec)}
        ports, gpus = [], []
        for process in plan["processes"]:
            gpus += [(process["node"], gpu) for gpu in process["gpu_indices"]]
            for family, port in process["ports"].items():
                if process["leader"] or not families[family].shared:
                    ports += [(process["node"], port + extra) for extra in range(families[family].size)]
        embedded = [process["ports"].get("http") for process in plan["processes"]].count(spec["ports"]["frontend"])
        if not embedded:
            ports.append((plan["groups"]["srt_head"][0], spec["ports"]["frontend"]))
        assert len(ports) == len(set(ports))
        assert len(gpus) == len(set(gpus))
        for step in plan["steps"]:
            flags = [word for word in step["argv"] if word.startswith("--")]
            assert step["tier"] != "worker" or len(flags) == len(set(flags)), step["argv"]
        names = [one["name"] for one in plan["steps"]]
        assert len(names) == len(set(names))
        assert {step for one in plan["checks"] for step in one["steps"]} <= set(names)
        assert plan == jobs.plan_of(spec)
    assert planned > 20
