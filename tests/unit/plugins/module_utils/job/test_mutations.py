# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A damaged job is either a job or a clear error, never a traceback."""

from __future__ import annotations

import copy
import json
import random

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import reading, resolve
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner

NONSENSE = [
    None,
    True,
    0,
    -1,
    70000,
    10**9,
    1.5,
    float("inf"),
    "",
    "x",
    "$Q",
    "4x16",
    "none",
    [],
    [None],
    {},
    {"a": 1},
    {1: 2},
]
EXAMPLES = ("quickstart.yaml", "dedicated-nodes.yaml", "sglang-disaggregated.yaml")


def paths(value, path=()):
    """Yield the path of everything inside *value*."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from paths(item, (*path, key))


def damage(job, source):
    """Change, rename, remove or add something in *job*."""
    if source.random() < 0.3:
        job["resources"]["het_jobs"] = source.choice([True, False])
    if source.random() < 0.3:
        name = source.choice(["mem", "time", "nodes", "gres"])
        job["sbatch_directives"] = {name: source.choice(["1", 2, "gpu:8", True])}
    if source.random() < 0.3 and job["backend"]["type"] == "sglang":
        # How many ports a worker takes follows from such numbers.
        size = source.choice([4, 70000, 10**9])
        given = job["backend"].setdefault("sglang_config", {})
        given["prefill"] = {"dp-size": size, "tp-size": 4, "enable-dp-attention": True}
    path = source.choice(list(paths(job)))
    parent = job
    for key in path[:-1]:
        parent = parent[key]
    kind = source.random() if isinstance(parent, dict) else 1
    if kind < 0.15:
        del parent[path[-1]]
    elif kind < 0.3:
        parent[f"{path[-1]}x"] = parent.pop(path[-1])
    else:
        parent[path[-1]] = copy.deepcopy(source.choice(NONSENSE))


def mappings_only(value, path=()):
    """Yield the path of every key of the job, but for the free tables of engine options: there every name is right."""
    for key, item in value.items() if isinstance(value, dict) else ():
        yield (*path, key)
        yield from () if str(key).endswith("_config") else mappings_only(item, (*path, key))


@pytest.mark.parametrize("name", EXAMPLES)
def test_one_wrong_key_is_all_that_is_reported_of_a_right_job(name):
    """Whatever follows from the wrong key is not told: it is gone when the key is right."""
    original = reading.read_job(str(jobs.ROOT / "examples" / name))[0]
    for path in mappings_only(original):
        for rename in (False, True):
            job = copy.deepcopy(original)
            parent = job
            for key in path[:-1]:
                parent = parent[key]
            value = parent.pop(path[-1])
            if rename:
                parent[f"{path[-1]}x"] = value
            else:
                parent[path[-1]] = [None, {"a": [1]}]
            try:
                jobs.resolved(job)
            except SpecError as error:
                told = [one["path"] for one in error.problems]
                assert all(one.startswith(".".join(path)) for one in told), (path, rename, error.msg)


def test_mutations():
    source = random.Random(11)
    originals = [reading.read_job(str(jobs.ROOT / "examples" / name))[0] for name in EXAMPLES]
    outcomes = {"planned": 0, "refused": 0}
    for _round in range(400):
        job = copy.deepcopy(source.choice(originals))
        damage(job, source)
        try:
            found = jobs.resolved(job)
        except Error as error:
            assert error.msg
            outcomes["refused"] += 1
            continue
        spec, described = found.spec, resolve.describe(found)
        assert yaml.safe_load(described["config_text"]) == json.loads(json.dumps(spec))
        if described["allocation"]["nodes"] < 50:
            json.dumps(planner.build(spec, planner.imaginary_allocation(spec)))
        outcomes["planned"] += 1
    assert min(outcomes.values()) > 20
