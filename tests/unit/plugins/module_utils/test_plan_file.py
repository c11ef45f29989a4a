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
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import Allocation, Plan, PlanPoint, load_plan
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
    for path, why in (("file/plan.json", "Not a directory"), ("", "Is a directory")):
        with pytest.raises(Error, match=f"The plan .*{path} cannot be read: {why}"):
            load_plan(str(tmp_path / path))
    for text in ("[]", "{"):
        (tmp_path / "plan.json").write_text(text)
        with pytest.raises(Error, match="plan.json is not a plan: .*Remove it"):
            load_plan(str(tmp_path / "plan.json"))
