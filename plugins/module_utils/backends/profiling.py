# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiling of workers: the rules of the ``profiling`` section, the nsys command line, the environment, the orders.

Torch profiles are written to ``logs/profiles/<mode>/<worker>/`` of the run directory, reports of nsys to
``logs/profiles/<mode>/``, also in containers. The stage that measures a point starts and stops the profilers
(stages/profiles.py): a load client that is killed stops nothing, and an image may have no program that could ask.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from ..failures import Finding
from ..json_types import JsonObject
from ..plan_profiling import Order, ProfiledFiles, Profiling
from ..services import dynamo
from ..topology.layout import Layout, Process
from ..topology.modes import LONG_MODE, MODES
from ..topology.options import Option, Word, as_option
from .engine import Engine

NSYS = ("nsys", "nsys-time")
ROOT = "logs/profiles"  # relative to the run directory
START_S, STOP_S = 120.0, 900.0  # how long a worker may take to start profiling, and to write its profile
CAPTURE_END = "--capture-range-end"


def problems(backend: Engine, spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` of the profiling section."""
    profiling, kind, able = spec["profiling"], spec["profiling"]["type"], list(backend.profilers)
    if kind == "none":
        return []
    found: list[Finding] = []
    if spec["benchmark"].get("search"):
        problem = "decides by figures that a profiler spoils."
        found.append((("benchmark", "search"), problem, "Leave it or the section profiling out."))
    if kind not in able:
        remedy = f"Use {' or '.join(able)}." if able else "Leave it out."
        found.append((("profiling", "type"), f"is {kind}, which {backend.type} does not support.", remedy))
    if kind == "nsys-time":
        missing = [key for key in ("delay_secs", "duration_secs") if profiling[key] is None]
        return found + [(("profiling", key), "is missing. nsys-time needs it.", None) for key in missing]
    wanted = ("aggregated",) if spec["resources"]["agg_workers"] else ("prefill", "decode")
    for phase in LONG_MODE.values():
        if phase in wanted and not profiling[phase]:
            found.append((("profiling", phase), f"is missing, but the job has {phase} workers.", "Name its steps."))
        elif phase not in wanted and profiling[phase]:
            found.append((("profiling", phase), f"is set, but the job has no {phase} workers.", "Leave it out."))
        elif phase in wanted:
            found += _unstoppable(backend, kind, phase, profiling[phase])
            first, last = profiling[phase]["start_step"], profiling[phase]["stop_step"]
            if first is not None and last is not None and last <= first:
                problem = f"is {last}, which is not after start_step {first}."
                found.append((("profiling", phase, "stop_step"), problem, "Correct one."))
    return found


def _unstoppable(backend: Engine, kind: str, phase: str, section: JsonObject) -> list[Finding]:
    """Return the problems of an engine that profiles the steps that it was started with, and is asked for nothing."""
    if backend.profilers.get(kind, True) or kind != "nsys":
        return []
    return [
        (
            ("profiling", phase, key),
            f"is missing: {backend.title} would profile nothing.",
            "Name its first and last step.",
        )
        for key in ("start_step", "stop_step")
        if section[key] is None
    ]


def notes(backend: Engine, spec: JsonObject, measures: bool) -> list[str]:
    """Return notes on what profiling means for the points, or that nobody starts it in a job that measures nothing."""
    kind = spec["profiling"]["type"]
    if kind == "none":
        return []
    if not measures:
        paths = " or ".join(_paths(spec, "start"))
        return [
            f"profiling: {kind} profiling starts with each point, but benchmark type {spec['benchmark']['type']} has "
            f"none: POST {paths} to each worker, or use another benchmark."
        ] * backend.profilers.get(kind, False)
    found = ["profiling: every point is measured under a profiler. It can pass, but it is not valid."]
    ends = any(CAPTURE_END in str(word) for word in spec["profiling"]["extra_nsys_args"] or ())
    if kind == "nsys" and not ends and _several(spec["benchmark"]):
        found.append(
            "profiling: nsys captures one range of a worker, so only the first point gets a profile, and the others "
            f"fail. Measure one point, or set profiling.extra_nsys_args to [{CAPTURE_END}=repeat]."
        )
    return found


def _several(benchmark: JsonObject) -> bool:
    """Return whether a ``benchmark`` section has more than one point."""
    levels = benchmark.get("concurrencies") or ()
    return len(set(levels)) > 1 or (benchmark.get("repeats") or 1) > 1 or bool(benchmark.get("search"))


def steps(spec: JsonObject, mode: str) -> tuple[int | None, int | None]:
    """Return (first, last) profiled step of *mode*; None for values that the job does not set."""
    phase = spec["profiling"][LONG_MODE[mode]] or {}
    return phase.get("start_step"), phase.get("stop_step")


def folder(process: Process, layout: Layout) -> str:
    """Return the directory of the torch profiles of the worker of *process*, or of its reports of nsys."""
    path = f"{layout.run_dir}/{ROOT}/{process.mode}"
    return path if layout.spec["profiling"]["type"] in NSYS else f"{path}/{process.endpoint.name}"


def environment(process: Process, layout: Layout) -> dict[str, str | Option]:
    """Return a worker's environment if the job profiles, whatever its engine, with the origins of its values."""
    profiling, mode, long = layout.spec["profiling"], process.mode, LONG_MODE[process.mode]
    kind = profiling["type"]
    env: dict[str, str | Option] = {"PROFILING_MODE": mode}

    def add(name: str, value: object, *path: str) -> None:
        env[name] = Option(name, str(value), ("profiling", *path))

    add("PROFILE_TYPE", kind, "type")
    first, last = steps(layout.spec, mode)
    for word, step in (("start", first), ("stop", last)):
        if step is not None:
            add(f"PROFILE_{mode.upper()}_{word.upper()}_STEP", step, long, f"{word}_step")
    if kind == "nsys-time":
        add("PROFILE_BENCHMARK_DURATION_SECS", profiling["benchmark_duration_secs"], "benchmark_duration_secs")
    return env


def client_environment(layout: Layout) -> dict[str, str]:
    """Return what a program that sends load finds in its environment if the job profiles. The names are srtctl's."""
    kind = layout.spec["profiling"]["type"]
    if kind == "none":
        return {}
    env = {"PROFILE_TYPE": kind, "PROFILE_OUTPUT_DIR": f"{layout.run_dir}/{ROOT}"}
    for mode in MODES:
        leaders = [one for one in layout.processes if one.leader and one.mode == mode]
        if not leaders:
            continue
        for word, step in zip(("START", "STOP"), steps(layout.spec, mode)):
            env.update({f"PROFILE_{mode.upper()}_{word}_STEP": str(step)} if step is not None else {})
        env[f"PROFILE_{mode.upper()}_IPS"] = ",".join(layout.address(one.node) for one in leaders)
        asked = [layout.control[one.name] for one in leaders if one.name in layout.control]
        env[f"PROFILE_{mode.upper()}_ENDPOINTS"] = ",".join(asked)
    return env


def preamble(process: Process, layout: Layout) -> list[str]:
    """Return shell lines before a profiled worker."""
    if layout.spec["profiling"]["type"] == "none":
        return []
    return [f"mkdir -p {shlex.quote(folder(process, layout))}"]


def wrap(backend: Engine, argv: Iterable[Word], process: Process, layout: Layout) -> list[Word]:
    """Return *argv* under nsys if the job requests it."""
    spec = layout.spec
    profiling = spec["profiling"]
    if profiling["type"] not in NSYS:
        return list(argv)
    if profiling["type"] == "nsys":
        when: list[Word] = ["-c", "cudaProfilerApi", CAPTURE_END, "stop"]
    else:
        timed = {"delay": "delay_secs", "duration": "duration_secs"}
        when = [Option(name, str(profiling[key]), ("profiling", key)) for name, key in timed.items()]
        when += ["--kill", "none"] if not backend.mpi else []  # by default it ends the worker with the capture
    more = [as_option(str(word), ("profiling", "extra_nsys_args")) for word in profiling["extra_nsys_args"] or ()]
    stem = _stem(backend, process, layout)
    words: list[Word] = [spec["environment"].get("SRTCTL_NSYS_BIN", "nsys"), "profile"]
    if backend.mpi:
        words += ["-t", "cuda,nvtx,ucx", "--sample=none", "--cuda-graph-trace=node", *when, *more]
        words += ["--kill", "none", "--wait", "all", "--force-overwrite", "true", "-o", stem + "%q{SLURM_PROCID}"]
    else:
        words += ["-t", "cuda,nvtx", "--cuda-graph-trace=node", *when, "--force-overwrite", "true", *more]
        if dynamo.serves(spec):
            words.append("--trace-fork-before-exec=true")
        words += ["-o", stem]
    return [*words, *argv]


def _stem(backend: Engine, process: Process, layout: Layout) -> str:
    """Return the path of the reports of nsys without their end, which begins with the rank of an MPI task."""
    last = "rank" if backend.mpi else "gpu" + "-".join(map(str, process.gpu_indices))
    return f"{folder(process, layout)}/{process.node}_{process.name}_profile_{last}"


def planned(backend: Engine, layout: Layout, running: Iterable[Process]) -> Profiling | None:
    """Return who is asked to profile a point, and which files that leaves; None if the job does not profile.

    :param running: the processes that are started.
    """
    profiling = layout.spec["profiling"]
    kind = profiling["type"]
    if kind == "none":
        return None
    asked = [one for one in layout.processes if one.leader] if backend.profilers.get(kind) else []
    timed = kind == "nsys-time"
    return {
        "type": kind,
        "folder": ROOT,
        "start": [_order(layout, one, "start", START_S) for one in asked],
        "stop": [_order(layout, one, "stop", STOP_S) for one in asked],
        "limited": [one.name for one in asked if steps(layout.spec, one.mode)[1] is not None],
        "files": [found for one in running for found in _files(backend, layout, one)],
        "window_s": [profiling["delay_secs"], profiling["duration_secs"]] if timed else None,
    }


def _paths(spec: JsonObject, what: str) -> list[str]:
    """Return the paths at which a worker is asked to *what* profiling, in the order of trying."""
    if dynamo.serves(spec):
        return [f"/engine/control/{what}_profile", f"/engine/{what}_profile"]
    return [f"/{what}_profile"]


def _order(layout: Layout, process: Process, what: str, timeout_s: float) -> Order:
    """Return the order to *what* profiling for the leader *process*."""
    host, _colon, port = layout.control[process.name].rpartition(":")
    body: JsonObject = {}
    if what == "start":
        first, last = steps(layout.spec, process.mode)
        torch = layout.spec["profiling"]["type"] == "torch"
        body = {
            "output_dir": folder(process, layout),
            "activities": ["CPU", "GPU"] if torch else ["CUDA_PROFILER"],
            **({} if first is None else {"start_step": first}),
            **({} if last is None else {"num_steps": last - (first or 0)}),
        }
    paths = _paths(layout.spec, what)
    return {
        "name": process.name,
        "host": host.strip("[]"),
        "port": int(port),
        "paths": paths,
        "body": body,
        "timeout_s": timeout_s,
    }


def _files(backend: Engine, layout: Layout, process: Process) -> list[ProfiledFiles]:
    """Return the files that profiling *process* leaves, relative to the run directory, by their patterns.

    Each process has its own reports of nsys. Torch profiles of further nodes are in the folder of their worker.
    """
    if layout.spec["profiling"]["type"] not in NSYS:
        found = f"{ROOT}/{process.mode}/{process.endpoint.name}/**/*.trace.json*"
        return [{"name": process.name, "patterns": [found]}] if process.leader else []
    stem = _stem(backend, process, layout).removeprefix(f"{layout.run_dir}/")
    count = len(process.endpoint.nodes) * len(process.endpoint.gpu_indices)
    ranks = [str(rank) for rank in range(count)] if backend.mpi else [""]
    return [
        {
            "name": f"{process.name} (rank {rank})" if rank else process.name,
            "patterns": [f"{stem}{rank}.nsys-rep", f"{stem}{rank}.[0-9]*.nsys-rep"],
        }
        for rank in ranks
    ]
