# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Entry of the module job_spec: from a job description to spec, allocation request and digests."""
from __future__ import annotations

import os

from ..errors import Error, SpecError
from ..spec.cluster import apply_cluster, find_cluster_file, load_cluster
from ..spec.section import Checker
from ..spec.source import NOWHERE, load_yaml
from ..spec.text import to_yaml
from . import rules
from .build import imaginary_allocation, layout_of, serving_digest
from .request import allocation_request, metadata
from .schema import JOB, PLACES

ARGUMENT_SPEC = {
    "job": {"type": "dict"},
    "job_file": {"type": "path"},
    "cluster_file": {"type": "path"},
    "setup_script": {"type": "str"},
    "job_tags": {"type": "list", "elements": "str", "default": []},
    "check_paths": {"type": "bool", "default": True},
}


def run(params, ctx):
    """Return ``{jobs: [...], notes: [...], changed: False}`` for the job in *params*.

    ``params["source"]`` (set by the action plugin, optional) is the :class:`Source` of ``params["job"]``.
    """
    del ctx
    job, source = params.get("job"), params.get("source") or NOWHERE
    if params.get("job_file"):
        if job:
            raise Error("job and job_file are both given. Give one of them.")
        job, source = load_yaml(os.path.abspath(os.path.expanduser(params["job_file"])))
    if not isinstance(job, dict) or not job:
        raise Error("There is no job. Give -e @job.yaml, or -e job_file=job.yaml, or the job under one key job.")
    cluster = load_cluster(find_cluster_file(params.get("cluster_file")))
    if params.get("setup_script"):
        job = dict(job, setup_script=params["setup_script"])
    folders = [os.path.dirname(source.file)] if source.file and os.path.isabs(source.file) else []
    environment = rules.Environment(folders=[*folders, os.getcwd()], check_paths=params.get("check_paths", True))
    spec = resolve(job, source, cluster, environment)
    return {"changed": False, "jobs": [describe(spec, params.get("job_tags") or ())], "notes": notes(spec, cluster)}


def resolve(job, source, cluster, environment):
    """Return the normalised spec of the raw *job*; SpecError with every problem found."""
    checker = Checker(source, PLACES)
    spec = checker.check(JOB, apply_cluster(job, cluster))
    if checker.problems:
        raise SpecError(checker.problems)
    spec["cluster"] = cluster.kept()
    # Numbers in free option tables are taken as text, as a command line would show them.
    for key in ("srun_options", "sbatch_directives"):
        spec[key] = {name: None if value in (None, "", True) else str(value) for name, value in spec[key].items()}
    rules.complete(spec, environment, checker.problem)
    rules.check(spec, checker.problem)
    if not checker.problems:
        rules.check_fit(spec, lambda one: layout_of(one, imaginary_allocation(one)), checker.problem)
    if checker.problems:
        raise SpecError(checker.problems)
    return spec


def describe(spec, tags=()):
    """Return one job of the result."""
    request = allocation_request(spec)
    return {
        "name": spec["name"],
        "spec": spec,
        "allocation": request,
        "metadata": metadata(spec, tags),
        "config_text": to_yaml({key: value for key, value in spec.items() if key != "reporting"}),
        "output_dir": spec["cluster"]["output_dir"],
        "digests": {"allocation": request["digest"], "serving": serving_digest(spec)},
    }


def notes(spec, cluster):
    """Return what a person should know about how the job was read."""
    from ..backends import BACKENDS

    found = [f"Cluster file: {cluster.path}."] if cluster.path else []
    return found + BACKENDS[spec["backend"]["type"]].notes(spec)
