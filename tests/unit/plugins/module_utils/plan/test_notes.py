# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan says about nodes and GPUs without a worker, and about ports that had to make way."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.plan import notes, planner


def plan_of(previous=None, count=None, **changes):
    return jobs.plan_of(jobs.spec_of(jobs.raw(**changes)), previous, count=count)


@pytest.mark.parametrize(
    "resources, text",
    [
        ({}, None),
        (
            {"gpus_per_prefill": 3, "gpus_per_decode": 1},
            "No worker has n1 GPU 6-7; n2 GPU 2-7: 8 of the 16 GPUs for workers.",
        ),
        (
            {"prefill_nodes": 3, "gpus_per_prefill": 4, "decode_nodes": 2},
            "No worker is on n4, n5: 2 of the 5 nodes for workers.",
        ),
        (
            {**jobs.AGGREGATED, "agg_nodes": 12, "agg_workers": 2, "gpus_per_agg": 8},
            "No worker is on n3, n4, n5, n6, n7, n8, n9, n10, and 2 more: 10 of the 12 nodes for workers.",
        ),
        (
            {**jobs.AGGREGATED, "agg_nodes": 3, "agg_workers": 3, "gpus_per_agg": 5, "spread_workers": True},
            "No worker has n1 GPU 5-7; n2 GPU 5-7; n3 GPU 5-7: 9 of the 24 GPUs for workers.",
        ),
    ],
)
def test_idle_nodes_and_gpus(resources, text):
    found = [note for note in plan_of(resources=resources)["notes"] if note.startswith("No worker")]
    assert found == ([text] if text else [])


def test_dedicated_nodes_are_not_idle():
    plan = plan_of(infra={"etcd_nats_dedicated_node": True}, benchmark={"client_dedicated_node": True})
    assert plan["notes"] == []


def test_a_larger_allocation():
    plan = plan_of(count=4)
    assert plan["notes"] == ["The allocation has more nodes than the job needs. Nothing runs on n3, n4."]


def test_ranges():
    assert notes._ranges([0, 1, 2, 5, 7, 8]) == "0-2,5,7-8"


SHIFTED = {"ports": {"http": 8080}, "frontend": {"num_additional_frontends": 0}}


def test_ports_that_make_way():
    plan = plan_of(**SHIFTED)
    assert [one["ports"]["http"] for one in plan["processes"]] == [8080, 8083, 8081, 8082]
    assert plan["notes"] == [
        "Ports: http of prefill_1 on n1 is 8083 instead of 8081, which system uses.",
        "Ports: http of decode_0 on n2 is 8081 instead of 8080, which ports.frontend_internal uses.",
    ]


def test_a_plan_that_keeps_its_ports_says_the_same():
    first = plan_of(**SHIFTED)
    assert first["notes"] and plan_of(previous=first, **SHIFTED) == first


def test_ports_that_are_only_counted_are_no_news():
    assert plan_of(resources={"prefill_workers": 8, "decode_workers": 8})["notes"] == []


def test_many_are_one_note():
    changes = {"ports": {"nccl": 8081}, "backend": {"type": "sglang", "sglang_config": {"aggregated": {"tp": 1}}}}
    resources = {**jobs.AGGREGATED, "agg_nodes": 2, "agg_workers": 16}
    notes = [note for note in plan_of(**changes, resources=resources)["notes"] if note.startswith("Ports:")]
    assert notes == [
        "Ports: nccl of agg_0 on n1 is 8082 instead of 8081, which system uses; 14 more like this.",
        "Ports: system of agg_1 on n1 is 8083 instead of 8082, which nccl uses; 13 more like this.",
    ]


def test_large_jobs_stay_quick_to_describe():
    resources = {**jobs.AGGREGATED, "agg_nodes": 2000, "agg_workers": 1000, "gpus_per_agg": 8}
    spec = jobs.spec_of(jobs.raw(resources=resources))
    (note,) = planner.build(spec, planner.imaginary_allocation(spec))["notes"]
    assert "and 992 more: 1000 of the 2000 nodes" in note
