# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Values that follow from others, and the rules that cross sections."""

from __future__ import annotations

from ..backends import BACKENDS, profiling
from ..benchmarks import BENCHMARKS
from ..failures import Error
from ..frontends import FRONTENDS
from ..spec.source import dotted
from ..topology.layout import demands, worker_nodes
from . import crossing, prepare
from .paths import complete_paths

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


def _complete_runtime(spec):
    runtime = spec["cluster"]["container_runtime"] or "pyxis"
    spec["cluster"]["container_runtime"] = runtime if spec["model"]["container"] else "none"


def _complete_resources(spec):
    resources = spec["resources"]
    for mode in MODES:
        resources[f"gpus_per_{mode}"] = gpus_per_worker(resources, mode)
    if resources["het_jobs"] is None:
        # The cluster's wish is for the jobs that can; the job's own is an error where it cannot.
        wished = spec["cluster"]["use_het_jobs"]
        wished = wished and not het_problems({**spec, "resources": {**resources, "het_jobs": True}})
        resources["het_jobs"] = bool(wished)


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
    found = []
    for rule in (*crossing.RULES, *(part.problems for part in parts), profiling.problems, het_problems):
        found += attempt(rule, spec) or []
    unable = [one for part in parts if hasattr(part, "unable") for one in attempt(part.unable, spec) or []]
    if spec["telemetry"] and spec["telemetry"]["enabled"]:
        problem = "asks for something that this version cannot do yet."
        unable.append((("telemetry", "enabled"), problem, "Leave it out."))
    notes = []
    if environment.rehearse:
        notes = [f"{dotted(path)} {problem} The plan is shown all the same." for path, problem, _remedy in unable]
    else:
        found += unable
    for problem in found:
        report(*problem)
    return notes


def het_problems(spec):
    """Return ``[(path, problem, remedy)]`` when the job asks for a heterogeneous job and cannot be one."""
    resources = spec["resources"]
    if not resources["het_jobs"]:
        return []
    broken = [
        (spec["backend"]["type"] != "sglang", "the backend must be sglang"),
        (not resources["prefill_nodes"] or not resources["decode_nodes"], "prefill and decode need nodes of their own"),
        (spec["frontend"]["dedicated_node"], "frontend.dedicated_node has no place in it"),
        (spec["benchmark"]["client_dedicated_node"], "benchmark.client_dedicated_node has no place in it"),
    ]
    text = "; ".join(reason for is_broken, reason in broken if is_broken)
    return [(("resources", "het_jobs"), f"is not possible here: {text}.", "Leave it out.")] if text else []


def notes(spec):
    """Return sentences about keys that are accepted, but that this version does nothing about."""
    unused = [
        ("identity.model.repo", spec["identity"]["model"]["repo"]),
    ]
    found = [f"{key} is checked, but this version does nothing about it." for key, given in unused if given]
    found += FRONTENDS[spec["frontend"]["type"]].notes(spec) + BENCHMARKS[spec["benchmark"]["type"]].notes(spec)
    return found + prepare.notes(spec)


def check_fit(spec, plan, report):
    """Report workers that do not fit and ports that collide: ``plan(spec)`` plans the service on made-up nodes."""
    if not demands(spec["resources"]) or not worker_nodes(spec["resources"]):
        return
    try:
        plan(spec)
    except Error as error:
        report(("resources",) if "workers" in error.msg else ("ports",), error.msg, None)
