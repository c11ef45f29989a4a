# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Values that follow from others, and the rules that cross sections."""

from __future__ import annotations

import os

from ..backends import BACKENDS
from ..benchmarks import BENCHMARKS
from ..failures import Error
from ..frontends import FRONTENDS
from ..spec.text import expand, find_path
from ..topology.layout import demands, worker_nodes

MODES = ("prefill", "decode", "agg")


class Environment:
    """What resolving paths may look at, so that planning itself stays pure.

    :param variables: environment variables.
    :param folders: where relative paths are looked for: the job file's directory, then the working directory.
    :param check_paths: whether models and programs must exist here; off for paths of compute nodes only.
    """

    def __init__(self, variables=None, folders=None, check_paths=True):
        self.variables = os.environ if variables is None else variables
        self.folders = folders or [os.getcwd()]
        self.check_paths = check_paths


def complete(spec, environment, report):
    """Fill in what follows from other values, in place. ``report(path, problem, remedy)`` takes problems."""
    model = spec["model"]
    if model["container"].lower() in ("none", ""):
        model["container"] = None
    model["path"] = _path(("model", "path"), model["path"], environment, report)
    if os.sep in spec["python"] or "$" in spec["python"]:
        spec["python"] = _path(("python",), spec["python"], environment, report, program=True)
    container = model["container"]
    if container and (container.startswith(("/", "./", "$"))):
        model["container"] = _path(("model", "container"), container, environment, report)
    cluster = spec["cluster"]
    for key in ("configs_dir", "output_dir"):
        if cluster[key]:
            cluster[key] = _path(("cluster", key), cluster[key], environment, report, exists=False)
    runtime = cluster["container_runtime"] or "pyxis"
    cluster["container_runtime"] = runtime if model["container"] else "none"
    resources = spec["resources"]
    for mode in MODES:
        resources[f"gpus_per_{mode}"] = gpus_per_worker(resources, mode)


def _path(path, text, environment, report, program=False, exists=True):
    if text.startswith("hf:"):
        return text
    try:
        text = expand(text, environment.variables)
    except KeyError as error:
        report(path, f"names the variable {error.args[0]}, which is not set.", "Set it, or write ${NAME:-default}.")
        return text
    if program and os.sep not in text:
        return text
    found = find_path(text, environment.folders)
    if exists and environment.check_paths and not os.path.exists(found):
        report(
            path,
            f"is {found}, which does not exist here.",
            "Correct it, or set check_paths to false if only the compute nodes have it.",
        )
    return found


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


def check(spec, report):
    """Report every broken rule that crosses fields: ``report(path, problem, remedy)``."""
    _check_modes(spec["resources"], report)
    backend = BACKENDS[spec["backend"]["type"]]
    frontend = FRONTENDS[spec["frontend"]["type"]]
    if frontend.type not in backend.frontends:
        report(
            ("frontend", "type"),
            f"is {frontend.type}, which cannot serve backend {backend.type}.",
            f"Use {' or '.join(backend.frontends)}.",
        )
    benchmark = BENCHMARKS[spec["benchmark"]["type"]]
    for part in (backend, frontend, benchmark):
        for problem in part.problems(spec):
            report(*problem)
    _check_dynamo(spec["dynamo"], report)
    _check_placement(spec, report)
    for path, active in (
        (("profiling", "type"), spec["profiling"]["type"] != "none"),
        (("telemetry", "enabled"), spec["telemetry"]["enabled"]),
        (("resources", "het_jobs"), spec["resources"]["het_jobs"]),
    ):
        if active:
            report(path, "asks for something that this version cannot do yet.", "Leave it out.")
    script = spec["setup_script"]
    if script:
        if os.path.isabs(script) or ".." in script.split("/"):
            report(("setup_script",), f"is {script}, which leaves configs_dir.", "Name a file below configs_dir.")
        elif not spec["cluster"]["configs_dir"]:
            report(("setup_script",), "needs configs_dir, the directory it is in.", "Set configs_dir in srtslurm.yaml.")


def _check_modes(resources, report):
    disaggregated = resources["prefill_nodes"] is not None or resources["decode_nodes"] is not None
    aggregated = resources["agg_nodes"] is not None or resources["agg_workers"] is not None
    split = disaggregated or resources["prefill_workers"] or resources["decode_workers"]
    if aggregated and split:
        report(("resources",), "has agg_* keys and prefill_*/decode_* keys.", "Keep one kind.")
        return
    if not aggregated and not split:
        report(
            ("resources",),
            "says nothing about workers.",
            "Set agg_nodes and agg_workers, or prefill_nodes, prefill_workers, decode_nodes and decode_workers.",
        )
        return
    needed = ("agg",) if aggregated else ("prefill", "decode")
    for mode in needed:
        if not resources[f"{mode}_workers"]:
            report(("resources", f"{mode}_workers"), "is missing or 0; at least 1 worker is needed.", None)
    if split and not resources["prefill_nodes"]:
        report(("resources", "prefill_nodes"), "is missing or 0; prefill workers need nodes.", None)
    if split and resources["decode_nodes"] is None:
        report(("resources", "decode_nodes"), "is missing.", "Write 0 to put decode workers on prefill's free GPUs.")
    for mode in needed:
        if resources[f"gpus_per_{mode}"] == 0:
            report(
                ("resources", f"{mode}_workers"),
                f"is {resources[f'{mode}_workers']}, more than the {resources[f'{mode}_nodes']} node(s) x "
                f"{resources['gpus_per_node']} GPUs of {mode}: less than one GPU a worker.",
                "Ask for more nodes or fewer workers.",
            )


def _check_dynamo(dynamo, report):
    sources = [key for key in ("hash", "top_of_tree", "wheel") if dynamo[key]]
    if len(sources) > 1:
        report(("dynamo",), f"has {' and '.join(sources)}; only one source can be installed.", "Keep one.")
    if dynamo["cargo_patches"] and not dynamo["hash"]:
        report(("dynamo", "cargo_patches"), "needs dynamo.hash.", None)


def _check_placement(spec, report):
    frontend, benchmark = spec["frontend"], spec["benchmark"]
    if frontend["dedicated_node"] and frontend["orchestrator_placement"] != "head":
        report(("frontend", "dedicated_node"), "contradicts frontend.orchestrator_placement.", "Keep one of them.")
    if benchmark["client_dedicated_node"] and benchmark["client_placement"] != "head":
        report(("benchmark", "client_dedicated_node"), "contradicts benchmark.client_placement.", "Keep one of them.")


def notes(spec):
    """Return sentences about keys that are accepted, but that this version does nothing about."""
    unused = [
        ("dynamo.install", spec["dynamo"]["install"] and spec["frontend"]["type"] == "dynamo"),
        ("model.stage_dir", spec["model"]["stage_dir"]),
        ("observability.enabled", spec["observability"]["enabled"]),
        ("identity.model.repo", spec["identity"]["model"]["repo"]),
    ]
    return [f"{key} is checked, but this version does nothing about it." for key, given in unused if given]


def check_fit(spec, layout_of, report):
    """Report workers that do not fit and ports that collide: ``layout_of(spec)`` plans on made-up nodes."""
    if not demands(spec["resources"]) or not worker_nodes(spec["resources"]):
        return
    try:
        layout_of(spec)
    except Error as error:
        report(("resources",) if "workers" in error.msg else ("ports",), error.msg, None)
