# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs and allocations for tests."""

from __future__ import annotations

import copy
import pathlib

from ansible_collections.srt.slurm.plugins.module_utils.job import paths, reading, resolve
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from ansible_collections.srt.slurm.plugins.module_utils.schema.merge import deep_merge
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import NOWHERE

ROOT = pathlib.Path(__file__).resolve().parents[2]

JOB = {
    "name": "test",
    "model": {"path": "/models/tiny", "container": "none", "precision": "fp8"},
    "resources": {
        "gpu_type": "h100",
        "gpus_per_node": 8,
        "prefill_nodes": 1,
        "prefill_workers": 2,
        "decode_nodes": 1,
        "decode_workers": 2,
    },
    "backend": {"type": "mocker"},
    "dynamo": {"install": False},
    "benchmark": {"type": "sa-bench", "isl": 128, "osl": 16, "concurrencies": [4, 16]},
}

AGGREGATED = {
    "prefill_nodes": None,
    "prefill_workers": None,
    "decode_nodes": None,
    "decode_workers": None,
    "agg_nodes": 1,
    "agg_workers": 1,
}

# The jobs that have a golden file: ours, and those of the tool whose job files are read here.
SEEDS = ROOT / "tests" / "data" / "seeds"
GALLERY = ROOT / "examples" / "gallery"
EXAMPLES = sorted(
    path
    for folder in (ROOT / "examples", GALLERY, SEEDS)
    for path in folder.glob("*.yaml")
    if not path.name.startswith("srtslurm") and "sweep" not in path.name and "override" not in path.name
)

VARIABLES = {"SRT_TINY_MODEL": "/models/tiny", "SRT_PYTHON": "/venv/bin/python"}


def raw(**changes):
    """Return the raw test job with *changes* merged in; null deletes a key."""
    return deep_merge(copy.deepcopy(JOB), changes)


def spec_of(job=None, source=NOWHERE, cluster=None, check_paths=False, folders=None, **changes):
    """Return the spec of *job* (default: the test job with *changes*); nothing of this machine matters."""
    environment = paths.Environment(VARIABLES, folders or ["/work"], check_paths)
    return resolved(job or raw(**changes), source, cluster, environment).spec


def resolved(job, source=NOWHERE, cluster=None, environment=None):
    """Return what becomes of the raw *job*, with its notes; nothing of this machine matters."""
    environment = environment or paths.Environment(VARIABLES, ["/work"], check_paths=False)
    return resolve.resolve(job, source, cluster or load_cluster(None), environment, planner.Planner)


def example(name):
    """Return the spec of examples/*name*; the first job of several."""
    (document,) = reading.read_jobs(str(ROOT / "examples" / name))
    _suffix, job, source = document.variants()[0]
    return spec_of(job, source)


def spec_of_example(path):
    """Return the spec of the example at *path*, on the site of its folder."""
    job, source = reading.read_job(str(path))
    site = (SEEDS if path.parent == SEEDS else GALLERY) / "srtslurm.yaml"
    return spec_of(job, source, load_cluster(str(site)))


def allocation(count=4, job_id="7", run_dir="/out/7", prefix="n"):
    """Return an allocation of *count* nodes."""
    nodes = [{"name": f"{prefix}{number}", "address": f"10.0.0.{number}"} for number in range(1, count + 1)]
    return {"id": job_id, "run_dir": run_dir, "nodes": nodes}


def plan_of(spec=None, previous=None, count=None, **changes):
    """Return the plan of *spec* (default: the test job with *changes*) on imaginary nodes."""
    spec = spec or spec_of(**changes)
    nodes = count or planner.node_count(spec)
    return planner.build(spec, allocation(nodes), previous)


def step(plan, name):
    """Return the step called *name*, of the service or of a point."""
    steps = plan["steps"] + [point["step"] for point in plan["benchmark"]["points"]]
    return next(one for one in steps if one["name"] == name)


def option(argv, flag):
    """Return the word after *flag*."""
    return argv[argv.index(flag) + 1]
