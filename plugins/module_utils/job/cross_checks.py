# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules about sections that no backend, frontend or benchmark owns. Each returns a list of findings."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterable
from typing import Callable

from ..backends import BACKENDS
from ..backends.flags import flag_name
from ..benchmarks import BENCHMARKS, repeats
from ..failures import Code, Finding
from ..json_types import JsonObject, KeyPath
from ..schema.traced import entries
from ..secrets.references import environments
from ..services import dynamo_install
from ..slurm.options import CONTROL, contradictions, merge_directives, requested, sbatch_name, shortfall, srun_problems
from ..topology.modes import LONG_MODE
from .allocation_request import allocation_request, node_count
from .schema import JOB

VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
OPTION = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]*")
# Bytes of a name: file systems allow 255, and the file names of a job add to it.
LONGEST = 200


def _name(spec: JsonObject) -> list[Finding]:
    size = len(spec["name"].encode(errors="surrogatepass"))
    if size > LONGEST:
        problem = f"has {size} bytes. Files are named after it, and file systems do not allow such long names."
        remedy = f"Use at most {LONGEST}. A variant adds to the name of the base."
        return [(("name",), problem, remedy, "out_of_range")]
    if not spec["name"].strip() or CONTROL.search(spec["name"]):
        problem = "is empty or has a line break or control character."
        return [(("name",), problem, "Use letters, digits, - and _.", "invalid")]
    problem = "has a line break or control character, which Slurm does not accept."
    return [
        (("slurm", key), problem, "Write it on one line.", "invalid")
        for key in ("account", "partition")
        if CONTROL.search(spec["slurm"][key] or "")
    ]


def _environments(section: str, spec: JsonObject) -> list[Finding]:
    """Return the problems of the environments in one *section*."""
    found: list[Finding] = []
    for path, table in environments({section: spec[section]}):
        for name, value in entries(table):
            if not VARIABLE.fullmatch(name):
                remedy = "Use letters, digits and _, with no digit first."
                if "=" in name:  # the rest may be a secret
                    name, remedy = name.partition("=")[0] + "=...", "Write NAME: value, with a colon and a space."
                found.append(((*path, name), "is not a valid name for an environment variable.", remedy, "invalid"))
            elif "\0" in str(value):
                problem = "has a zero byte, which an environment cannot hold."
                found.append(((*path, name), problem, "Remove it.", "invalid"))
    return found


def _frontend_args(spec: JsonObject) -> list[Finding]:
    return _option_names(("frontend", "args"), spec["frontend"]["args"])


def _aiperf_args(spec: JsonObject) -> list[Finding]:
    return _option_names(("benchmark", "aiperf_args"), spec["benchmark"].get("aiperf_args"))


def _engine_options(spec: JsonObject) -> list[Finding]:
    key = BACKENDS[spec["backend"]["type"]].config_key
    tables = (spec["backend"].get(key) if key else None) or {}
    return [one for mode, options in tables.items() for one in _option_names(("backend", key, mode), options)]


def _option_names(path: KeyPath, options: Iterable[str] | None) -> list[Finding]:
    """Return the problems of names in a table that becomes a command line."""
    found: list[Finding] = []
    seen: dict[str, str] = {}
    for name in options or {}:
        flag = flag_name(name)
        if not OPTION.fullmatch(flag):
            remedy = "Write it as on the command line, without the leading dashes."
            found.append(((*path, name), "is not a valid option name.", remedy, "invalid"))
        elif flag in seen and path[0] != "backend":
            # For engine options one spelling takes precedence, with a note.
            found.append(((*path, name), f"appears twice, also as {seen[flag]}.", "Keep one of them.", "duplicate"))
        seen.setdefault(flag, name)
    return found


def _srun_options(spec: JsonObject) -> list[Finding]:
    found: list[Finding] = []
    tables: list[tuple[KeyPath, JsonObject]] = [(("srun_options",), spec["srun_options"])]
    for long in LONG_MODE.values():
        tables.append((("backend", f"{long}_srun_options"), spec["backend"][f"{long}_srun_options"]))
    for path, table in tables:
        problems, _notes = srun_problems(dict(entries(table)))
        found += [((*path, key), text, remedy) for key, text, remedy in problems]
    return found


def _sbatch_directives(spec: JsonObject) -> list[Finding]:
    """Return the problems of directives that sbatch does not accept."""
    _options, _notes, problems = merge_directives({"nodes": 1}, dict(entries(spec["sbatch_directives"])))
    return [(("sbatch_directives", key), text, remedy) for key, text, remedy in problems]


def _contradictions(spec: JsonObject) -> list[Finding]:
    """Return the problems of directives that contradict the plan."""
    given = spec["sbatch_directives"]
    if not given or mode_problems(spec) or het_problems(spec):
        return []
    request = allocation_request(spec)
    options, _notes, _problems = merge_directives(requested(request), given)
    names = {sbatch_name(key): key for key in given}
    # Conflicts that follow from the job itself are not the directives' fault.
    found = contradictions(options, request, spec["resources"]["gpus_per_node"])
    return [(("sbatch_directives", names[name]), text, remedy) for name, text, remedy in found if name in names]


def notes(spec: JsonObject) -> list[str]:
    """Return what the user should know about the options that go to Slurm."""
    request = allocation_request(spec)
    options, found, _problems = merge_directives(requested(request), spec["sbatch_directives"])
    short = shortfall(options, request) if spec["sbatch_directives"] else None
    _problems, more = srun_problems(spec["srun_options"], spec["cluster"]["container_runtime"])
    return found + ([short] if short else []) + more


def _placement(spec: JsonObject) -> list[Finding]:
    frontend, benchmark = spec["frontend"], spec["benchmark"]
    found: list[Finding] = []
    if frontend["dedicated_node"] and frontend["orchestrator_placement"] != "head":
        path = ("frontend", "dedicated_node")
        found.append((path, "contradicts frontend.orchestrator_placement.", "Keep one of them."))
    if benchmark["client_dedicated_node"] and benchmark["client_placement"] != "head":
        path = ("benchmark", "client_dedicated_node")
        found.append((path, "contradicts benchmark.client_placement.", "Keep one of them."))
    for path in (("frontend", "orchestrator_placement"), ("benchmark", "client_placement")):
        where = spec[path[0]][path[1]]
        if where != "head" and not spec["resources"]["decode_workers"]:
            found.append((path, f"is {where}, and the job has no decode workers.", "Leave it out, or write head."))
    return found


def _repeats(spec: JsonObject) -> list[Finding]:
    return repeats.problems(spec["benchmark"], BENCHMARKS[spec["benchmark"]["type"]])


def _telemetry(spec: JsonObject) -> list[Finding]:
    telemetry = spec["telemetry"]
    found: list[Finding] = []
    if not telemetry["enabled"]:
        if telemetry["cpu_power"]["enabled"]:
            path = ("telemetry", "cpu_power", "enabled")
            found.append((path, "needs telemetry.enabled.", "Set that, too.", "conflict"))
        return found

    def say(key: str, text: str, remedy: str | None = None, code: Code = "conflict") -> None:
        found.append((("telemetry", key), text, remedy, code))

    for key in ("default_frequency", "startup_timeout_seconds", "request_timeout_seconds"):
        if telemetry[key] is not None and telemetry[key] <= 0:
            say(key, f"is {telemetry[key]:g}; expected more than 0.", code="out_of_range")
    if (telemetry["default_frequency"] or 0) > 3:
        text = f"is {telemetry['default_frequency']:g}; expected at most 3 seconds between two readings."
        say("default_frequency", text, code="out_of_range")
    found += _below(("telemetry", "storage_subdir"), telemetry["storage_subdir"])
    for key in ("cpu_power", "cpu_power_exporter"):
        source = telemetry[key]["source"]
        if source != "auto":
            text = f"is {source}, and the energy of CPUs is read from the kernel's RAPL counters alone."
            found.append((("telemetry", key, "source"), text, "Write auto, or leave it out.", "not_supported"))
    cpus = telemetry["cpu_power"]
    if cpus["required"] and telemetry["dcgm_exporter"] and not cpus["enabled"]:
        text = "is set, and with dcgm_exporter nothing reads the CPUs."
        path = ("telemetry", "cpu_power", "required")
        found.append((path, text, "Set telemetry.cpu_power.enabled, too.", "conflict"))
    if not BENCHMARKS[spec["benchmark"]["type"]].measures:
        say("enabled", f"needs a benchmark with points, and type {spec['benchmark']['type']} has none.")
    return found


def _tachometer(spec: JsonObject) -> list[Finding]:
    observability, telemetry = spec["observability"], spec["telemetry"]
    found: list[Finding] = []
    tachometer = observability["tachometer"]
    if not tachometer["enabled"]:
        return found
    where = ("observability", "tachometer")
    if not observability["enabled"] and spec.get("layout") != 2:  # there it stands on its own
        found.append(((*where, "enabled"), "needs observability.enabled.", None))
    if telemetry["enabled"] and tachometer["dcgm_exporter"]:
        found.append(((*where, "dcgm_exporter"), "would run twice: telemetry has one too.", "Leave this one out."))
    if telemetry["enabled"] and telemetry["storage_subdir"] == tachometer["storage_subdir"]:
        found.append(((*where, "storage_subdir"), "is the directory of telemetry too.", "Choose another one."))
    if tachometer["default_frequency"] <= 0:
        found.append(((*where, "default_frequency"), "is 0; expected more than 0.", None, "out_of_range"))
    return found + _below((*where, "storage_subdir"), tachometer["storage_subdir"])


def _below(path: KeyPath, text: str) -> list[Finding]:
    if text.strip() and not os.path.isabs(text) and ".." not in text.split("/"):
        return []
    return [(path, f'is "{text}", which is not a directory below the logs.', "Write a plain relative path.", "invalid")]


def _log_patterns(spec: JsonObject) -> list[Finding]:
    """Return the problems of regular expressions of log lines."""
    found: list[Finding] = []
    for index, text in enumerate(spec["health_check"]["extra_fatal_log_patterns"]):
        try:
            if re.compile(text).search(""):
                path: KeyPath = ("health_check", "extra_fatal_log_patterns", index)
                found.append((path, "matches every line.", "Write what such a line contains.", "invalid"))
        except re.error as error:
            path = ("health_check", "extra_fatal_log_patterns", index)
            found.append((path, f"is not a regular expression: {error}.", "Put a backslash before ( [ * and the like."))
    return found


def mode_problems(spec: JsonObject) -> list[Finding]:
    """Return the problems of the worker counts: which modes there are, and whether each has workers and nodes."""
    resources = spec["resources"]
    disaggregated = resources["prefill_nodes"] is not None or resources["decode_nodes"] is not None
    aggregated = resources["agg_nodes"] is not None or resources["agg_workers"] is not None
    split = disaggregated or resources["prefill_workers"] or resources["decode_workers"]
    if aggregated and split:
        return [(("resources",), "has agg_* keys and prefill_*/decode_* keys.", "Keep one kind.")]
    if not aggregated and not split:
        remedy = "Set agg_nodes and agg_workers, or prefill_nodes, prefill_workers, decode_nodes and decode_workers."
        return [(("resources",), "does not define any workers.", remedy, "missing")]
    needed = ("agg",) if aggregated else ("prefill", "decode")
    found: list[Finding] = []

    def say(key: str, text: str, remedy: str | None = None, code: Code = "missing") -> None:
        found.append((("resources", key), text, remedy, code))

    for mode in needed:
        if not resources[f"{mode}_workers"]:
            say(f"{mode}_workers", "is missing or 0; at least 1 worker is needed.")
    if split and not resources["prefill_nodes"]:
        say("prefill_nodes", "is missing or 0; prefill workers need nodes.")
    if split and resources["decode_nodes"] is None:
        say("decode_nodes", "is missing.", "Write 0 to place decode workers on GPUs that prefill leaves free.")
    for mode in needed:
        if resources[f"gpus_per_{mode}"] == 0:
            say(
                f"{mode}_workers",
                f"is {resources[f'{mode}_workers']}, more than the {resources[f'{mode}_nodes']} node(s) x "
                f"{resources['gpus_per_node']} GPUs of {mode}: less than one GPU per worker.",
                "Request more nodes or fewer workers.",
                "no_room",
            )
    return found


def het_problems(spec: JsonObject) -> list[Finding]:
    """Return a finding if the job requests a heterogeneous job but cannot be one."""
    text = "; ".join(het_obstacles(spec)) if spec["resources"]["het_jobs"] else ""
    return [(("resources", "het_jobs"), f"is not possible: {text}.", "Leave it out.")] if text else []


def het_obstacles(spec: JsonObject) -> list[str]:
    """Return the reason why the job cannot be heterogeneous; empty if it can."""
    resources = spec["resources"]
    able = [name for name, backend in BACKENDS.items() if backend.het_jobs]
    broken = [
        (not BACKENDS[spec["backend"]["type"]].het_jobs, f"the backend must be {' or '.join(able)}"),
        (not resources["prefill_nodes"] or not resources["decode_nodes"], "prefill and decode need separate nodes"),
        (spec["frontend"]["dedicated_node"], "frontend.dedicated_node is not supported"),
        (spec["benchmark"]["client_dedicated_node"], "benchmark.client_dedicated_node is not supported"),
    ]
    return [reason for is_broken, reason in broken if is_broken]


def _pairing(spec: JsonObject) -> list[Finding]:
    """Return a problem when the frontend cannot serve the backend."""
    backend, frontend = BACKENDS[spec["backend"]["type"]], spec["frontend"]["type"]
    if frontend in backend.frontends:
        return []
    remedy = f"Use {' or '.join(backend.frontends)}."
    return [(("frontend", "type"), f"is {frontend}, which cannot serve backend {backend.type}.", remedy)]


def _client_nodes(spec: JsonObject) -> list[Finding]:
    """Return a problem when the load clients are to be on more nodes than there are."""
    wanted, nodes = spec["benchmark"]["client_nodes"], node_count(spec)
    if wanted == 1:
        return []
    if spec["resources"]["het_jobs"]:
        problem = "is not possible in a heterogeneous job: a step has nodes of one component."
        return [(("benchmark", "client_nodes"), problem, "Leave one of them out.", "conflict")]
    if wanted > nodes:
        problem = f"is {wanted}, but the job has {nodes} node{'s' * (nodes != 1)}."
        return [(("benchmark", "client_nodes"), problem, f"Use {nodes} or fewer.", "out_of_range")]
    return []


RULES: tuple[Callable[[JsonObject], list[Finding]], ...] = (
    mode_problems, het_problems, _pairing, _name,
    *(functools.partial(_environments, section) for section in JOB.fields),
    _frontend_args, _aiperf_args, _engine_options, _srun_options, _sbatch_directives,
    _contradictions, dynamo_install.problems, _placement, _repeats, _client_nodes, _telemetry, _tachometer,
    _log_patterns,
)  # fmt: skip
