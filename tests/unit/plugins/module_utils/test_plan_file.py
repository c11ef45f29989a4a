# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""plan.json: the declared shapes are those of the plans that are made; a plan that cannot be read says why."""

from __future__ import annotations

import json
import types
import typing

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job import reading
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import build
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import Allocation, Plan, PlanPoint, load_plan

GALLERY = jobs.ROOT / "examples" / "gallery"
# A type of benchmark adds to its points what identifies them.
OPEN = (PlanPoint,)


def faults(value, shape, path="plan"):
    """Yield where *value* has not the declared *shape*."""
    origin, arguments = typing.get_origin(shape), typing.get_args(shape)
    if shape is typing.Any:
        return
    if typing.is_typeddict(shape):
        if not isinstance(value, dict):
            yield f"{path} is no mapping"
            return
        known = typing.get_type_hints(shape)
        if not shape.__required_keys__ <= set(value) or not (shape in OPEN or set(value) <= set(known)):
            yield f"{path} has the keys {sorted(set(value) ^ shape.__required_keys__)} too much or not"
        for key in set(known) & set(value):
            yield from faults(value[key], known[key], f"{path}.{key}")
    elif origin is types.UnionType:
        if all(list(faults(value, one, path)) for one in arguments):
            yield f"{path} is {value!r}, expected is {shape}"
    elif origin is list and isinstance(value, list):
        for index, item in enumerate(value):
            yield from faults(item, arguments[0], f"{path}[{index}]")
    elif origin is dict and isinstance(value, dict):
        for key, item in value.items():
            yield from faults(key, arguments[0], f"{path} key")
            yield from faults(item, arguments[1], f"{path}.{key}")
    elif shape is float and type(value) in (int, float):
        return
    elif not isinstance(value, origin or shape) or isinstance(value, bool) and shape is not bool:
        yield f"{path} is {value!r}, expected is {shape}"


@pytest.mark.parametrize(
    "path",
    [one for one in sorted(GALLERY.glob("*.yaml")) if "srtslurm" not in one.name and "sweep" not in one.name],
    ids=lambda path: path.name,
)
def test_a_plan_has_the_declared_shape(path):
    job, source = reading.read_job(str(path))
    spec = jobs.spec_of(job, source, load_cluster(str(GALLERY / "srtslurm.yaml")))
    allocation = build.imaginary_allocation(spec)
    assert not list(faults(allocation, Allocation, "allocation"))
    assert not list(faults(json.loads(json.dumps(build.build(spec, allocation))), Plan))


def test_a_wrong_shape_is_seen():
    spec = jobs.spec_of()
    plan = build.build(spec, build.imaginary_allocation(spec))
    plan["steps"][0].update(critical="yes", surplus=1)
    plan["nodes"][0]["gpus"] = None
    del plan["digests"]["serving"]
    found = "\n".join(faults(plan, Plan))
    assert found.count("\n") == 3, found
    for words in ("steps[0] has the keys ['surplus']", "steps[0].critical is 'yes'", "nodes[0].gpus", "['serving']"):
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
