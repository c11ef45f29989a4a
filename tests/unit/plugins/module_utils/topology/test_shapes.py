# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole jobs of every shape: the worked examples from the job file on, heterogeneous jobs, embedded frontends."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.allocation_request import allocation_request, node_count
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.slurm import script


def picture(plan):
    """Write who sits where as ``p0@1[0-3]``; all GPUs of a node are left out."""
    words = []
    for one in plan["endpoints"]:
        nodes = ",".join(node[1:] for node in one["nodes"])
        gpus = one["gpu_indices"]
        words.append(f"{one['mode'][0]}{one['index']}@{nodes}" + ("" if len(gpus) == 8 else f"[{gpus[0]}-{gpus[-1]}]"))
    return " ".join(words)


def split(prefill, decode, **more):
    """Return resources of *prefill* and *decode*, each (nodes, workers)."""
    return {
        "prefill_nodes": prefill[0],
        "prefill_workers": prefill[1],
        "decode_nodes": decode[0],
        "decode_workers": decode[1],
        **more,
    }


WORKED = [
    ({**jobs.AGGREGATED, "agg_workers": 4}, "a0@1[0-1] a1@1[2-3] a2@1[4-5] a3@1[6-7]"),
    (
        {**jobs.AGGREGATED, "agg_nodes": 3, "agg_workers": 6},
        "a0@1[0-3] a1@1[4-7] a2@2[0-3] a3@2[4-7] a4@3[0-3] a5@3[4-7]",
    ),
    (split((4, 2), (2, 1)), "p0@1,2 p1@3,4 d0@5,6"),
    (split((1, 1), (2, 1), gpus_per_prefill=4), "p0@1[0-3] d0@2,3"),
    (split((2, 3), (0, 1), gpus_per_prefill=4), "p0@1[0-3] p1@1[4-7] p2@2[0-3] d0@2[4-7]"),
    (
        split((1, 3), (1, 2), gpus_per_prefill=3, gpus_per_decode=2),
        "p0@1[0-2] p1@1[3-5] p2@2[0-2] d0@2[3-4] d1@2[5-6]",
    ),
    (split((2, 1), (1, 1), gpus_per_prefill=12), "p0@1,2 d0@3"),
    (
        split((2, 2), (4, 4), gpus_per_prefill=4, gpus_per_decode=2, spread_workers=True),
        "p0@1[0-3] p1@2[0-3] d0@3[0-1] d1@4[0-1] d2@5[0-1] d3@6[0-1]",
    ),
]


@pytest.mark.parametrize("resources, expected", WORKED)
def test_worked_examples(resources, expected):
    assert picture(jobs.plan_of(resources=resources)) == expected


REFUSED = [
    # Prefill's third worker spills to the node that decode needs whole: srtctl lets them share GPUs.
    (
        split((2, 3), (1, 1)),
        ["3 x 5 GPUs = 15 GPUs on 3 node(s)", "1 x 8 GPUs = 8 GPUs", "5 of them belong to prefill_2"],
    ),
    # 24 GPUs over 2 workers is 12 each, which is two nodes each: srtctl dies of an IndexError in the running job.
    (split((1, 1), (3, 2)), ["2 x 12 GPUs = 24 GPUs on 4 node(s)", "The job has 4 node(s) x 8 GPUs = 32 GPUs"]),
    (split((None, 1), (None, 1)), ["prefill_nodes: is missing"]),
]


@pytest.mark.parametrize("resources, words", REFUSED)
def test_what_does_not_fit_is_refused_with_the_sum(resources, words):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(resources=resources)
    for word in words:
        assert word in str(caught.value)


HET = {"backend": {"type": "sglang"}, "resources": split((2, 2), (2, 1), het_jobs=True)}


def test_heterogeneous_job():
    spec = jobs.spec_of(**HET, infra={"etcd_nats_dedicated_node": True})
    assert node_count(spec) == 5
    plan = jobs.plan_of(spec)
    assert picture(plan) == "p0@2 p1@3 d0@4,5"
    groups = {step["name"]: step["srun_options"]["het-group"] for step in plan["steps"]}
    assert groups == {
        **dict.fromkeys(("nats", "etcd", "prefill_0", "prefill_1", "nginx", "frontend_0"), "0"),
        **dict.fromkeys(("decode_0", "decode_0_r1", "frontend_1", "frontend_2"), "1"),
    }
    assert plan["benchmark"]["points"][0]["step"]["srun_options"] == {"het-group": "0"}


def test_script_of_a_heterogeneous_job():
    cluster = load_cluster(None)
    spec = jobs.spec_of(**HET, cluster=cluster, sbatch_directives={"mem": 0})
    text, notes = script.render(allocation_request(spec), "/out", 60)
    mark = "#SBATCH --"
    first, second = [
        dict(line[len(mark) :].partition("=")[::2] for line in part.splitlines() if line.startswith(mark))
        for part in text.split("#SBATCH hetjob\n")
    ]
    assert notes == []
    for part in (first, second):
        assert (part["nodes"], part["ntasks"], part["segment"]) == ("2", "2", "2")
        assert part["comment"] == first["comment"] and part["mem"] == "0" and "time" in part
    assert "output" in first and "signal" in first and "output" not in second and "signal" not in second


def test_parts_do_not_borrow_from_each_other():
    with pytest.raises(SpecError, match="The workers do not fit"):
        jobs.spec_of(backend={"type": "sglang"}, resources=split((1, 3), (2, 1), gpus_per_prefill=4, het_jobs=True))


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"backend": {"type": "mocker"}}, "must be sglang"),
        ({"resources": split((2, 2), (0, 1), gpus_per_prefill=4, het_jobs=True)}, "separate nodes"),
        ({"frontend": {"dedicated_node": True}}, "frontend.dedicated_node"),
        ({"benchmark": {"client_dedicated_node": True}}, "client_dedicated_node"),
    ],
)
def test_jobs_that_cannot_be_heterogeneous(changes, words):
    with pytest.raises(SpecError, match=words):
        jobs.spec_of(**{**HET, **changes})


def test_the_clusters_wish_for_heterogeneous_jobs(tmp_path):
    (tmp_path / "c.yaml").write_text("use_het_jobs: true\n")
    cluster = load_cluster(str(tmp_path / "c.yaml"))
    able = {"backend": {"type": "sglang"}, "resources": split((1, 1), (1, 1))}
    assert jobs.spec_of(cluster=cluster, **able)["resources"]["het_jobs"] is True
    assert jobs.spec_of(cluster=cluster)["resources"]["het_jobs"] is False
    refused = {**able, "resources": {**able["resources"], "het_jobs": False}}
    assert jobs.spec_of(cluster=cluster, **refused)["resources"]["het_jobs"] is False


@pytest.mark.parametrize("client", [False, True])
def test_an_embedded_frontend_is_where_its_worker_is(client):
    plan = jobs.plan_of(
        backend={"type": "vllm"},
        resources=jobs.AGGREGATED,
        frontend={"type": "vllm"},
        infra={"etcd_nats_dedicated_node": True},
        benchmark={"client_dedicated_node": client, "colocate_with_frontend": False},
    )
    leader = plan["endpoints"][0]["nodes"][0]
    assert plan["groups"]["srt_head"] == [leader] and leader == "n2"
    assert plan["groups"]["srt_bench"] == (["n3"] if client else [leader])
    assert plan["frontend_url"] == "http://10.0.0.2:8000"
