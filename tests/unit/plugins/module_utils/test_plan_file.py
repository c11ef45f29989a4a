# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.json: the declared shapes are those of the plans that are made; a plan that cannot be read says why."""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job import reading
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import Allocation, Plan, PlanPoint, load_plan, plan_of
from shapes import faults

GALLERY = jobs.ROOT / "examples" / "gallery"
# A type of benchmark adds to its points what identifies them.
OPEN = (PlanPoint,)


@pytest.mark.parametrize(
    "path",
    [one for one in sorted(GALLERY.glob("*.yaml")) if "srtslurm" not in one.name and "sweep" not in one.name],
    ids=lambda path: path.name,
)
def test_a_plan_has_the_declared_shape(path):
    job, source = reading.read_job(str(path))
    spec = jobs.spec_of(job, source, load_cluster(str(GALLERY / "srtslurm.yaml")))
    allocation = planner.imaginary_allocation(spec)
    assert not list(faults(allocation, Allocation))
    assert not list(faults(json.loads(json.dumps(planner.build(spec, allocation))), Plan, OPEN))


def test_a_wrong_shape_is_seen():
    spec = jobs.spec_of()
    plan = planner.build(spec, planner.imaginary_allocation(spec))
    plan["steps"][0].update(critical="yes", surplus=1)
    plan["nodes"][0]["gpus"] = None
    del plan["digests"]["serving"]
    found = "\n".join(faults(plan, Plan, OPEN))
    assert found.count("\n") == 3, found
    for words in (
        "steps[0] lacks [] and has ['surplus']",
        "steps[0].critical is 'yes'",
        "nodes[0].gpus",
        "lacks ['serving']",
    ):
        assert words in found


def test_a_plan_that_cannot_be_read(tmp_path):
    with pytest.raises(Error, match="There is no plan at .*none.json"):
        load_plan(str(tmp_path / "none.json"))
    (tmp_path / "file").write_text("")
    for path, why in (("file/plan.json", "Not a directory"), ("", "it is not a regular file")):
        with pytest.raises(Error, match=f"The plan .*{path} cannot be read: {why}"):
            load_plan(str(tmp_path / path))
    for text in ("[]", "{"):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(Error, match="plan.json is not a plan: .*Remove it"):
            load_plan(str(tmp_path / "plan.json"))


def test_what_is_no_plan_of_this_version_is_told_in_a_sentence(tmp_path):
    spec = jobs.spec_of()
    plan = json.loads(json.dumps(planner.build(spec, planner.imaginary_allocation(spec))))
    assert plan_of({"plan": plan}) == plan
    step = {key: value for key, value in plan["steps"][0].items() if key != "digest"}
    point = plan["benchmark"]["points"][0]
    wrong = [
        ([], "is not a plan: it is not a JSON object"),
        ({}, "lacks benchmark, checks, digests, endpoints, files and more"),
        ({"nodes": 4, "points": ["bench_c4"]}, "Use the plan_path that topology_plan returns"),
        ({**plan, "schema_version": 0}, "has plan schema version 0, this collection reads 1"),
        ({**plan, "nodes": 4}, "nodes is no list"),
        ({**plan, "steps": [step]}, r"steps\[0\] lacks digest"),
        ({**plan, "steps": [3]}, r"steps\[0\] lacks all keys"),
        ({**plan, "spec": None}, "spec is no mapping"),
        ({**plan, "benchmark": {}}, "points is no list"),
        ({**plan, "benchmark": {"points": [{"step": {}}]}}, r"points\[0\] lacks name, label, key, result, digest"),
        ({**plan, "benchmark": {"points": [{**point, "key": 5}]}}, r"points\[0\] has something else as its key"),
        ({**plan, "endpoints": [{"name": {}}]}, r"endpoints\[0\] has something else as its name"),
    ]
    for content, words in wrong:
        (tmp_path / "plan.json").write_text(json.dumps(content))
        with pytest.raises(Error, match=f"plan.json .*{words}"):
            plan_of({"plan_path": str(tmp_path / "plan.json")})
        with pytest.raises(Error, match=words):
            plan_of({"plan": content})
