# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Entry of the module job_spec: from a job description to spec, allocation request and digests."""

from __future__ import annotations

import os

from ..backends import BACKENDS
from ..failures import Error, SpecError
from ..spec.cluster import apply_cluster, find_cluster_file, load_cluster
from ..spec.section import Checker
from ..spec.source import NOWHERE, load_yaml
from ..spec.text import to_yaml
from . import rules
from .build import imaginary_allocation, layout_of, serving_digest
from .request import allocation_request, metadata
from .schema import JOB, OURS, PLACES

ARGUMENT_SPEC = {
    "job": {"type": "dict"},
    "job_file": {"type": "path"},
    "cluster_file": {"type": "path"},
    "setup_script": {"type": "str"},
    "job_tags": {"type": "list", "elements": "str", "default": []},
    "check_paths": {"type": "bool", "default": True},
}

TRUE = ("true", "yes", "on", "1")


def absolute(path):
    """Return *path* as an absolute path, with a leading ~ replaced."""
    return os.path.abspath(os.path.expanduser(path))


def run(params, ctx):
    """Return ``{jobs: [...], notes: [...], changed: False}`` for the job in *params*.

    The action plugin may set ``params["source"]``, the :class:`Source` of ``params["job"]``, and
    ``params["problems"]``, what is wrong with the names of the extra vars.
    """
    del ctx
    earlier = params.get("problems") or []
    job, source = params.get("job"), params.get("source") or NOWHERE
    if params.get("job_file"):
        if job:
            raise Error("job and job_file are both given. Give one of them.")
        job, source = read_job(params["job_file"])
    if earlier and not job:
        raise SpecError(earlier)
    if not isinstance(job, dict) or not job:
        raise Error("There is no job. Give -e @job.yaml, or -e job_file=job.yaml, or the job under one key job.")
    cluster = load_cluster(find_cluster_file(params.get("cluster_file")))
    if params.get("setup_script"):
        job = dict(job, setup_script=params["setup_script"])
    folders = [os.path.dirname(source.file)] if source.file and os.path.isabs(source.file) else []
    environment = rules.Environment(folders=[*folders, os.getcwd()], check_paths=params.get("check_paths", True))
    spec = resolve(job, source, cluster, environment, earlier)
    return {"changed": False, "jobs": [describe(spec, params.get("job_tags") or ())], "notes": notes(spec, cluster)}


def read_job(path):
    """Return (raw job, Source) of the file at *path*: a job, or a job under the one key ``job``."""
    job, source = load_yaml(absolute(path))
    if isinstance(job, dict) and set(job) == {"job"}:
        return job["job"], source.under(("job",))
    return job, source


def resolve(job, source, cluster, environment, earlier=()):
    """Return the normalised spec of the raw *job*; SpecError with every problem found, in the order of the lines.

    :param earlier: problems found before, to be reported together with those of the job.
    """
    checker = Checker(source, PLACES)
    checker.problems.extend(earlier)
    job = dict(job)
    for key in [key for key in job if key in OURS and key not in JOB.fields]:
        del job[key]
        checker.problem((key,), "is no part of a job.", f"Give it as -e {key}=... instead.", on_key=True)
    spec = checker.check(JOB, apply_cluster(job, cluster))
    raise_problems(checker.problems)
    spec["cluster"] = cluster.kept()
    # Numbers in free option tables are taken as text, as a command line would show them.
    for key in ("srun_options", "sbatch_directives"):
        spec[key] = {name: None if value in (None, "", True) else str(value) for name, value in spec[key].items()}
    rules.complete(spec, environment, checker.problem)
    rules.check(spec, checker.problem)
    if not checker.problems:
        rules.check_fit(spec, lambda one: layout_of(one, imaginary_allocation(one)), checker.problem)
    raise_problems(checker.problems)
    # Nothing reads it yet, and a plan must not carry the keys and tokens that it may hold.
    spec.pop("reporting")
    return spec


def raise_problems(problems):
    """Raise SpecError for *problems*, if any, sorted by file and line."""
    if problems:
        raise SpecError(sorted(problems, key=lambda one: (str(one.get("file")), one.get("line") or 0)))


def describe(spec, tags=()):
    """Return one job of the result."""
    request = allocation_request(spec)
    return {
        "name": spec["name"],
        "spec": spec,
        "allocation": request,
        "metadata": metadata(spec, tags),
        "config_text": to_yaml(spec),
        "output_dir": spec["cluster"]["output_dir"] or os.path.abspath("outputs"),
        "digests": {"allocation": request["digest"], "serving": serving_digest(spec)},
    }


def notes(spec, cluster):
    """Return what a person should know about how the job was read."""
    found = [f"Cluster file: {cluster.path}."] if cluster.path else []
    return found + rules.notes(spec) + BACKENDS[spec["backend"]["type"]].notes(spec)
