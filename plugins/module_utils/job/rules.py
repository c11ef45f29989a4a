# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Values that follow from others, and the rules that cross sections."""

from __future__ import annotations

from ..backends import BACKENDS, profiling
from ..benchmarks import BENCHMARKS
from ..failures import Error
from ..frontends import FRONTENDS
from ..schema.source import dotted
from ..topology.layout import demands, place_workers, worker_nodes
from . import cross_checks, fault_policy, paths, preparation, unsupported
from .cross_checks import het_problems
from .images import complete_images
from .paths import complete_paths
from .schema import JOB

MODES = ("prefill", "decode", "agg")
PARTS = ((BACKENDS, "backend"), (FRONTENDS, "frontend"), (BENCHMARKS, "benchmark"))


def complete(spec, environment, report, attempt):
    """Fill in what follows from other values, in place.

    :param report: ``report(path, problem, remedy)`` takes problems.
    :param attempt: ``attempt(rule, *arguments)`` calls a rule; it may fail on a section that is wrong already.
    """
    attempt(complete_paths, spec, environment, report)
    attempt(_complete_runtime, spec)
    attempt(_complete_resources, spec)
    attempt(complete_images, spec, environment, report)


def _complete_runtime(spec):
    runtime = spec["cluster"]["container_runtime"] or "pyxis"
    spec["cluster"]["container_runtime"] = runtime if spec["model"]["container"] else "none"


def _complete_resources(spec):
    resources = spec["resources"]
    _leave_out_none(resources)
    for mode in MODES:
        resources[f"gpus_per_{mode}"] = gpus_per_worker(resources, mode)
    if resources["het_jobs"] is None:
        # The cluster's wish is for the jobs that can; the job's own is an error where it cannot.
        wished = spec["cluster"]["use_het_jobs"]
        wished = wished and not het_problems({**spec, "resources": {**resources, "het_jobs": True}})
        resources["het_jobs"] = bool(wished)


def _leave_out_none(resources):
    """Take away the counts of the kind of workers, aggregated or not, that the job says it has 0 of, in place."""
    agg = {key: resources[key] for key in ("agg_nodes", "agg_workers")}
    split = {f"{mode}_{what}": resources[f"{mode}_{what}"] for mode in MODES[:2] for what in ("nodes", "workers")}
    if any(split.values()) and (agg["agg_workers"] == 0 or not any(agg.values())):
        resources.update(dict.fromkeys(agg))
    elif any(agg.values()) and not any(split.values()):
        resources.update(dict.fromkeys(split))


def gpus_per_worker(resources, mode):
    """Return the GPUs of one worker of *mode*: as given, or the mode's nodes divided among its workers."""
    given = resources[f"gpus_per_{mode}"]
    nodes, workers = resources[f"{mode}_nodes"], resources[f"{mode}_workers"]
    if given or not workers:
        return given
    if mode == "decode" and nodes == 0:
        return gpus_per_worker(resources, "prefill") or resources["gpus_per_node"]
    if mode == "agg":
        nodes = nodes or 1
    return nodes * resources["gpus_per_node"] // workers if nodes else resources["gpus_per_node"]


def check(spec, environment, report, attempt):
    """Report every broken rule that crosses fields to ``report(path, problem, remedy)``; return notes.

    What this version cannot run yet is a problem, but only a note in a rehearsal.
    """
    parts = [table[spec[section]["type"]] for table, section in PARTS if spec[section] and spec[section]["type"]]
    for rule in (*cross_checks.RULES, *(part.problems for part in parts), profiling.problems):
        for problem in attempt(rule, spec) or []:
            report(*problem)
    unable = [one for part in parts if hasattr(part, "unable") for one in attempt(part.unable, spec) or []]
    unable += attempt(unsupported.unable, spec) or []
    notes = attempt(unsupported.notes, spec, JOB) or []
    notes += paths.notes(spec, environment)
    if environment.rehearse:
        notes += [f"{dotted(path)} {problem} The plan is shown all the same." for path, problem, _remedy in unable]
    else:
        for problem in unable:
            report(*problem)
    return notes


def notes(spec):
    """Return sentences about the spec alone, but for those of the backend."""
    found = FRONTENDS[spec["frontend"]["type"]].notes(spec) + BENCHMARKS[spec["benchmark"]["type"]].notes(spec)
    found += unread(spec) + profiling.notes(spec)
    return found + preparation.notes(spec) + fault_policy.notes(spec) + cross_checks.notes(spec)


def unread(spec):
    """Return sentences about keys that belong to another frontend or benchmark than the job has."""
    found = []
    for section, table in (("frontend", FRONTENDS), ("benchmark", BENCHMARKS)):
        mine, lost = readers(table[spec[section]["type"]]), {}
        for one in table.values():
            for key in readers(one):
                given, default = spec[section][key], JOB.fields[section].type.fields[key].default
                if key not in mine and given is not None and given != default:
                    lost.setdefault(key, []).append(one.type)
        found += [
            f"{section}.{key}: {spec[section]['type']} does not read it; it is for {', '.join(words)}."
            for key, words in lost.items()
        ]
    return found


def readers(part):
    """Return the keys that only this frontend or benchmark, and perhaps a few others, read."""
    return getattr(part, "reads", part.fields)


def check_fit(spec, plan, report, found=()):
    """Report workers that do not fit and ports that collide.

    :param plan: ``plan(spec)`` plans the service on made-up nodes.
    :param found: the (path, problem, remedy) that are known, so that nothing is told that only follows from them.
    """
    resources, known = spec["resources"], {path[0] for path, *_more in found}
    if "resources" in known or not demands(resources) or not worker_nodes(resources):
        return
    try:
        share = BACKENDS[spec["backend"]["type"]].shares_nodes(spec)
        place_workers(resources, range(worker_nodes(resources, share)), share)
    except Error as error:
        report(("resources",), error.msg, None)
        return
    if known & {"frontend", "infra", "ports"}:
        return
    try:
        plan(spec)
    except Error as error:
        # What an engine gets may be wrong here. The ports of the services themselves do not depend on it.
        if "backend" not in known or error.msg.startswith("Port "):
            report(("ports",), error.msg, None)
    except Exception:
        if not found:
            raise
