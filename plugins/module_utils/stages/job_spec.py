# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Entry of the module job_spec: from a job description to spec, allocation request and digests."""

from __future__ import annotations

import copy
import json
import os

from .. import run_options
from ..backends import BACKENDS
from ..failures import Error, SpecError
from ..job import preparation, rules
from ..job.allocation_request import allocation_request, metadata
from ..job.cluster import apply_cluster, find_cluster_file, load_cluster
from ..job.older_forms import modernise
from ..job.origins import Origins
from ..job.paths import Environment
from ..job.reading import Document, read_jobs
from ..job.run_request import RunRequest, check_output_dir
from ..job.schema import JOB, PLACES
from ..job.trials import Trial, guessed, independent
from ..plan.build import imaginary_allocation, layout_of, serving_digest
from ..schema.section import Checker
from ..schema.source import NOWHERE, Source
from ..schema.text import to_yaml
from ..secrets import references

ARGUMENT_SPEC = {
    "job": {"type": "dict"},
    "job_file": {"type": "path"},
    "cluster_file": {"type": "path"},
    "setup_script": {"type": "str"},
    "job_tags": {"type": "list", "elements": "str", "default": []},
    "check_paths": {"type": "bool", "default": True},
    "output_dir": {"type": "path"},
    "rehearse": {"type": "bool", "default": False},
    "single": {"type": "bool", "default": False},
    "frozen": {"type": "path"},
    "keep": {"type": "str", "default": "false"},
    "lease_s": {"type": "str"},
    "concurrencies": {"type": "raw"},
    "job_id": {"type": "str"},
}


def run(params, ctx):
    """Return ``{jobs, origins, notes, keep, lease_s, concurrencies, changed: False}``; each job has its origins.

    The action plugin may set ``params["source"]``, the :class:`Source` of ``params["job"]``, or
    ``params["documents"]``, all that was read; ``params["problems"]``, what is wrong with the names of the extra
    vars; ``params["places"]``, ``{name: (file, line)}`` of extra vars; and ``params["vaulted"]``, values from vaults
    (``inline``: one by one, ``file``: of encrypted files).
    ``params["hidden"]`` takes up the values of secrets.
    """
    request = RunRequest(params)
    earlier = [*(params.get("problems") or []), *request.problems]
    if params.get("frozen"):
        raise_problems(earlier)
        answer = frozen(params["frozen"])
        for job in answer["jobs"]:
            request.check(job["spec"])
        return dict(answer, **request.options)
    documents = params.get("documents")
    if params.get("job_file"):
        if params.get("job"):
            raise Error("job and job_file are both given. Give one of them.")
        documents = read_jobs(params["job_file"])
    documents = documents or [Document(params.get("job"), params.get("source") or NOWHERE)]
    if earlier and not documents[0].job:
        raise SpecError(earlier)
    cluster = load_cluster(find_cluster_file(params.get("cluster_file")))
    jobs, origins, notes, problems = [], [], cluster_notes(cluster), list(earlier)
    for document in documents:
        try:
            variants, more = document.variants(problems)
        except SpecError as error:
            problems.extend(error.problems)
            continue
        notes += more
        wrong = []
        for suffix, job, source in variants:
            try:
                made, found = make(job, source, cluster, params, ctx, notes)
                request.check(made["spec"])
                if not params.get("output_dir"):
                    check_output_dir(made, cluster)
                jobs.append(made)
                origins.append(found.table())
            except SpecError as error:
                wrong.append((isinstance(job, dict) and job.get("name") or suffix, error.problems))
        problems += of_variants(wrong, len(variants))
    raise_problems(unique(problems))
    check_names(jobs)
    if params.get("single") and len(jobs) > 1 and not (ctx and ctx.check_mode):
        names = ", ".join(job["name"] for job in jobs[:20]) + (", ..." if len(jobs) > 20 else "")
        raise Error(
            f"There are {len(jobs)} jobs: {names}. playbooks/sweep.yml runs them one after the other, "
            "job_file=FILE:SELECTOR chooses one, and --check shows all."
        )
    return dict(request.options, changed=False, jobs=jobs, origins=origins, notes=unique(notes))


def make(job, source, cluster, params, ctx, notes):
    """Return (one job of the result, its Origins); *notes* takes up what a person should know about it."""
    given = {}
    # In the flat form the extra var may as well be the job's own key.
    if params.get("setup_script") and job.get("setup_script") != params["setup_script"]:
        job, given = dict(job, setup_script=params["setup_script"]), {("setup_script",): "-e setup_script"}
    folders = [os.path.dirname(source.file)] if source.file and os.path.isabs(source.file) else []
    environment = Environment(
        folders=[*folders, os.getcwd()],
        check_paths=params.get("check_paths", True),
        rehearse=rehearsal(params, ctx),
        cluster_folder=os.path.dirname(cluster.path) if cluster.path else None,
        exists=params.get("exists"),
        where=params.get("where", "here"),
    )
    found = Origins(given)
    spec = resolve(job, source, cluster, environment, origins=found, notes=notes)
    hide(spec, params, ctx)
    return describe(spec, params.get("job_tags") or ()), found


def rehearsal(params, ctx):
    """Tell whether nothing will be run: then nothing is written, and what cannot be run yet is only a note."""
    return bool(params.get("rehearse") or ctx and ctx.check_mode)


def frozen(path):
    """Return the answer that was kept in the file at *path* when the job was submitted: nothing is read anew."""
    try:
        with open(path, encoding="utf-8") as stream:
            return dict(json.load(stream), changed=False)
    except (OSError, ValueError) as error:
        raise Error(f"The frozen job {path} cannot be read: {error}. Submit the job again.") from None


def hide(spec, params, ctx):
    """Replace the secrets of *spec* by references, in place."""
    vaulted = params.get("vaulted") or {}
    inline, whole = vaulted.get("inline") or set(), vaulted.get("file") or set()
    folder = params.get("output_dir") or spec["cluster"]["output_dir"] or os.path.abspath("outputs")
    hidden = references.conceal(
        spec, lambda: references.load_key(folder, create=not rehearsal(params, ctx)), inline | whole
    )
    problem = "comes from a vault, but only values of an environment are kept out of files and process lists."
    remedy = "Give it as an environment variable."
    raise_problems(
        [
            {"file": None, "line": None, "path": ".".join(map(str, path)), "problem": problem, "remedy": remedy}
            for path in references.exposed(spec, inline)
        ]
    )
    params.setdefault("hidden", {}).update(hidden)


def resolve(job, source, cluster, environment, earlier=(), origins=None, notes=None):
    """Return the normalised spec of the raw *job*; SpecError with every problem found, in the order of the lines.

    :param earlier: problems found before, to be reported together with those of the job.
    :param origins: takes up where each value came from.
    :param notes: takes up what a person should know.
    """
    notes = [] if notes is None else notes
    job, source, older = modernise(job, source, JOB)
    notes += older
    checker = Checker(source, PLACES)
    checker.problems.extend(earlier)
    for key in [key for key in job if key in run_options.OF_JOBS and key not in JOB.fields]:
        del job[key]
        checker.problem((key,), "is no part of a job.", f"Give it as -e {key}=... instead.", on_key=True)
    job, given = apply_cluster(job, cluster)
    environment.learn(cluster.settings, given)
    if origins is not None:
        origins.collect(job, source, {path: cluster.place(there) for path, there in given.items()})
    checker.source = cluster.lend(source, given)
    for path in origins.given if origins is not None else ():
        checker.source.borrowed[path] = (Source("extra vars"), path)
    spec = checker.check(JOB, job)
    if spec is None:
        raise_problems(checker.problems)
    spec["cluster"] = cluster.kept()
    examine(spec, job, checker, environment, notes)
    raise_problems(checker.problems)
    # Nothing reads it yet, and a plan must not carry the keys and tokens that it may hold.
    spec.pop("reporting")
    if not spec["faults"]:
        del spec["faults"]
    rules.check_fit(spec, serving_digest, checker.problem)
    raise_problems(checker.problems)
    found = rules.notes(spec) + BACKENDS[spec["backend"]["type"]].notes(spec)
    notes += found + preparation.bare_notes(job, cluster.kept()["container_runtime"], found)
    return spec


def examine(spec, job, checker, environment, notes):
    """Complete the checked *spec* in place, and report to *checker* what crosses its sections.

    With keys that are wrong already, the rules look at guesses: see :mod:`.trials`.
    """
    if not checker.wrong:
        found = finish(spec, environment, Trial(), notes, fit=bool(checker.problems)).found
    else:
        tried = []
        for guess in guessed(job, checker.wrong):
            one = Checker(places=PLACES).check(JOB, guess)
            one["cluster"] = copy.deepcopy(spec["cluster"])
            tried.append(finish(one, environment, Trial(lenient=True), [], fit=True))
        places = {path for path, (_type, where) in checker.wrong.items() for path in (path, where) if path}
        found = independent(tried, places)
    for problem in found:
        checker.problem(*problem)


def finish(spec, environment, trial, notes, fit=False):
    """Complete the checked *spec* in place and check what crosses its sections; return *trial*, which has the problems.

    :param fit: look at the nodes and ports even if nothing else is wrong. With other problems it always is done.
    """
    for key in ("srun_options", "sbatch_directives"):
        spec[key] = {name: value for name, value in (spec[key] or {}).items() if value is not False}
    rules.complete(spec, environment, trial, trial.attempt)
    notes += rules.check(spec, environment, trial, trial.attempt)
    if fit or trial.found:
        trial.attempt(rules.check_fit, spec, lambda one: layout_of(one, imaginary_allocation(one)), trial, trial.found)
    return trial


def of_variants(wrong, count):
    """Return the problems of the variants of one file, each once; those of only some say of which, as ``jobs``.

    :param wrong: ``[(name, problems)]`` of the variants that have problems.
    :param count: the number of all variants.
    """
    table = {}
    for name, problems in wrong:
        for one in unique(problems):
            table.setdefault(mark(one), (one, []))[1].append(str(name))
    return [one if len(names) == count else dict(one, jobs=first(names)) for one, names in table.values()]


def first(names, most=3):
    """Return the first of *names* and the number of the others."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def unique(items):
    """Return *items* without repetitions, in their order: variants of one file share their notes and problems."""
    kept = {}
    for item in items:
        kept.setdefault(mark(item), item)
    return list(kept.values())


def mark(item):
    """Return what tells the note or problem *item* from others."""
    return item if isinstance(item, str) else tuple(sorted((key, str(value)) for key, value in item.items()))


def check_names(jobs):
    """Refuse two jobs of one name in one file: the second would adopt the allocation of the first."""
    names = [job["name"] for job in jobs]
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice and len({job["allocation"]["digest"] for job in jobs if job["name"] == twice[0]}) == 1:
        raise Error(f"Several jobs are called {', '.join(twice[:5])}. Give each variant a name of its own.")


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


def cluster_notes(cluster):
    """Return what a person should know about the cluster file."""
    return [f"Cluster file: {cluster.path}.", *cluster.notes] if cluster.path else []
