# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Profiling of workers: the rules of the ``profiling`` section, the nsys command line, the environment.

Profiles are written to ``logs/profiles/<mode>/`` of the run directory, also in containers.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from ..failures import Finding
from ..json_types import JsonObject
from ..services import dynamo
from ..topology.layout import Layout, Process
from ..topology.modes import LONG_MODE
from ..topology.options import Option, Word, as_option
from .engine import Engine

NSYS = ("nsys", "nsys-time")

# Sent by the load client's step before it measures: engines then profile a number of steps.
START = """\
import json, sys, urllib.request
for url, body in json.loads(sys.argv[1]):
    data = json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
        urllib.request.build_opener().open(request, timeout=60)
    except Exception as error:
        print(f"profiling could not be started at {url}: {error}", file=sys.stderr)
"""


def problems(backend: Engine, spec: JsonObject) -> list[Finding]:
    """Return ``[(path, problem, remedy)]`` of the profiling section."""
    profiling, kind, able = spec["profiling"], spec["profiling"]["type"], list(backend.profilers)
    if kind == "none":
        return []
    found: list[Finding] = []
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
            first, last = profiling[phase]["start_step"], profiling[phase]["stop_step"]
            if first is not None and last is not None and last <= first:
                problem = f"is {last}, which is not after start_step {first}."
                found.append((("profiling", phase, "stop_step"), problem, "Correct one."))
    return found


def notes(backend: Engine, spec: JsonObject) -> list[str]:
    """Return notes on profiling that is not started, for a job that measures nothing."""
    kind = spec["profiling"]["type"]
    if not backend.profilers.get(kind):
        return []
    path = "/engine/start_profile (system port)" if dynamo.serves(spec) else "/start_profile"
    return [
        f"profiling: the load client starts {kind} profiling, but benchmark type {spec['benchmark']['type']} has none: "
        f"POST {path} to each worker, or use another benchmark."
    ]


def steps(spec: JsonObject, mode: str) -> tuple[int | None, int | None]:
    """Return (first, last) profiled step of *mode*; None for values that the job does not set."""
    phase = spec["profiling"][LONG_MODE[mode]] or {}
    return phase.get("start_step"), phase.get("stop_step")


def folder(layout: Layout, mode: str) -> str:
    """Return the directory of the profiles of *mode*."""
    return f"{layout.run_dir}/logs/profiles/{mode}"


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


def preamble(process: Process, layout: Layout) -> list[str]:
    """Return shell lines before a profiled worker."""
    if layout.spec["profiling"]["type"] == "none":
        return []
    return [f"mkdir -p '{folder(layout, process.mode)}'"]


def wrap(backend: Engine, argv: Iterable[Word], process: Process, layout: Layout) -> list[Word]:
    """Return *argv* under nsys if the job requests it."""
    spec = layout.spec
    profiling = spec["profiling"]
    if profiling["type"] not in NSYS:
        return list(argv)
    if profiling["type"] == "nsys":
        when: list[Word] = ["-c", "cudaProfilerApi", "--capture-range-end", "stop"]
    else:
        timed = {"delay": "delay_secs", "duration": "duration_secs"}
        when = [Option(name, str(profiling[key]), ("profiling", key)) for name, key in timed.items()]
    more = [as_option(str(word), ("profiling", "extra_nsys_args")) for word in profiling["extra_nsys_args"] or ()]
    gpus = "-".join(map(str, process.gpu_indices))
    stem = f"{folder(layout, process.mode)}/{process.node}_{process.name}_profile"
    words: list[Word] = [spec["environment"].get("SRTCTL_NSYS_BIN", "nsys"), "profile"]
    if backend.mpi:
        words += ["-t", "cuda,nvtx,ucx", "--sample=none", "--cuda-graph-trace=node", *when, *more]
        words += ["--kill", "none", "--wait", "all", "--force-overwrite", "true", "-o", stem + "_rank%q{SLURM_PROCID}"]
    else:
        words += ["-t", "cuda,nvtx", "--cuda-graph-trace=node", *when, "--force-overwrite", "true", *more]
        if dynamo.serves(spec):
            words.append("--trace-fork-before-exec=true")
        words += ["-o", f"{stem}_gpu{gpus}"]
    return [*words, *argv]


def start_argv(backend: Engine, layout: Layout) -> list[str] | None:
    """Return the argv that starts profiling in the leaders, or None if the engines start it themselves."""
    spec = layout.spec
    kind = spec["profiling"]["type"]
    if not backend.profilers.get(kind):
        return None
    served = dynamo.serves(spec)
    calls = []
    for process in layout.processes:
        # gRPC workers do not answer HTTP; a note says so.
        if not process.leader or layout.worker_urls.get(process.name, "").startswith("grpc://"):
            continue
        first, last = steps(spec, process.mode)
        body: JsonObject = {
            "output_dir": folder(layout, process.mode),
            "activities": ["CPU", "GPU"] if kind == "torch" else ["CUDA_PROFILER"],
        }
        if first is not None:
            body["start_step"] = first
        if last is not None:
            body["num_steps"] = last - (first or 0)
        path = "/engine/start_profile" if served else "/start_profile"
        calls.append([f"http://{layout.control[process.name]}{path}", body])
    return [layout.python, "-c", START, json.dumps(calls)] if calls else None
