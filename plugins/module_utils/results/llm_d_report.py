# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmark reports of llm-d-benchmark (schema 0.2.1): one file for each point that is valid. Pure.

The format has no place for a verdict, so what is not valid has no report. What is not known is left out, and nothing is
in it that a rollup does not say.
"""

from __future__ import annotations

import json

from ..benchmarks import of_plan
from ..files import digest
from ..json_types import Json, JsonObject, is_number
from ..topology.modes import MODES
from .rollup_file import PointRecord, Rollup
from .verdict import VALID

VERSION = "0.2.1"
FOLDER = "llm-d-benchmark"
ROLES = {"prefill": "prefill", "decode": "decode", "agg": "replica"}
STATISTICS = {"mean": "mean", "median": "p50", "std": "stddev", "p90": "p90", "p95": "p95", "p99": "p99"}
# {metric: (its name there, the unit)}.
LATENCIES = {
    "ttft": ("time_to_first_token", "ms"),
    "tpot": ("time_per_output_token", "ms/token"),
    "itl": ("inter_token_latency", "ms/token"),
    "e2el": ("request_latency", "ms"),
}
RATES = {
    "input_tps": ("input_token_rate", "tokens/s"),
    "output_tps": ("output_token_rate", "tokens/s"),
    "total_tps": ("total_token_rate", "tokens/s"),
    "request_throughput": ("request_rate", "queries/s"),
}
LENGTHS = {"total_input_tokens": "input_length", "total_output_tokens": "output_length"}
# {figure of a worker in the window of a point: (its name there, the unit, times what)}.
WORKERS = {
    "running_requests": ("running_requests", "count", 1),
    "kv_usage": ("kv_cache_usage", "percent", 100),
}


def documents(rollup: Rollup) -> dict[str, str]:
    """Return ``{path below the run directory: text}`` of the reports of a run."""
    if "request_throughput" not in of_plan(rollup).metrics:  # no load, but a score
        return {}
    found = [one for one in rollup["results"] if one["state"] == VALID and one["valid"] and _number(one, "completed")]
    return {f"{FOLDER}/{one['name']}.json": json.dumps(_report(rollup, one), indent=2) + "\n" for one in found}


def _report(rollup: Rollup, point: PointRecord) -> JsonObject:
    about = digest({"job": rollup["job_id"], "point": point["digest"], "began": point["started_at"]})
    time = {"start": point["started_at"], "end": point["ended_at"], "duration": _duration(point)}
    run: JsonObject = {
        "uid": about,
        "eid": digest({"job": rollup["job_id"], "name": rollup["job_name"], "began": rollup["started_at"]}),
        "time": _known(time),
        "description": f"{rollup['job_name']}, {point['label']}",
        "keywords": list(rollup["tags"]) or None,
    }
    workers = [one for one in point.get("workers") or () if isinstance(one, dict)]
    observed = [one for worker in workers for one in _observed(worker)]
    results = {
        "request_performance": {"aggregate": _aggregate(point)},
        "observability": {"components": observed} if observed else None,
    }
    scenario = {"stack": _stack(rollup), "load": _load(rollup, point)}
    return {"version": VERSION, "run": _known(run), "scenario": _known(scenario), "results": _known(results)}


def _aggregate(point: PointRecord) -> JsonObject:
    done = _number(point, "completed") or 0
    requests: JsonObject = {"total": point.get("num_prompts") or done, "failures": point.get("failed")}
    for name, key in LENGTHS.items():
        tokens = _number(point, name)
        requests[key] = None if tokens is None or not done else {"units": "count", "mean": tokens / done}
    known = {name: key for name, key in RATES.items() if _number(point, name) is not None}
    rates = {key: {"units": unit, "mean": point[name]} for name, (key, unit) in known.items()}
    latency = {key: _statistics(point, name, unit) for name, (key, unit) in LATENCIES.items()}
    return {"requests": _known(requests), "latency": _known(latency), "throughput": rates}


def _statistics(point: PointRecord, name: str, unit: str) -> JsonObject | None:
    """Return the statistics of a latency; None without its mean, which the format needs."""
    found = {key: _number(point, f"{one}_{name}_ms") for one, key in STATISTICS.items()}
    return None if found["mean"] is None else {"units": unit, **_known(found)}


def _observed(worker: JsonObject) -> list[JsonObject]:
    """Return what a worker said of itself in the window of the point, as a list; empty without a mean."""
    found = {}
    for name, (key, unit, factor) in WORKERS.items():
        mean, most = _number(worker, f"avg_{name}"), _number(worker, f"max_{name}")
        if mean is not None:
            found[key] = _known({"units": unit, "mean": mean * factor, "max": None if most is None else most * factor})
    label = str(worker.get("mode"))
    return [{"component_label": label, "replica_id": str(worker.get("name")), "aggregate": found}] if found else []


def _stack(rollup: Rollup) -> list[JsonObject] | None:
    """Return the workers of each mode as a component; None if how many there are is not known."""
    facts: JsonObject = {**rollup}
    found = []
    for mode in MODES:
        replicas = facts.get(f"{mode}_workers") or 0
        if not replicas:
            continue
        sizes = next((one for one in _nodes(rollup) if one.get("worker_type") == mode), {})
        engine = {
            "kind": "inference_engine",
            "tool": rollup["backend_type"],
            "tool_version": _version(rollup),
            "role": ROLES[mode],
            "replicas": replicas,
            "model": {"name": rollup["model_name"] or "unknown"},
            "accelerator": {
                "model": rollup["gpu_type"] or "unknown",
                "count": (facts.get(f"{mode}_gpus") or 0) // replicas,
                "parallelism": {
                    key: sizes[f"{key}_size"] for key in ("tp", "dp", "ep", "pp") if sizes.get(f"{key}_size")
                },
            },
        }
        native = {"args": _config(rollup, mode, "engine_config"), "envars": _config(rollup, mode, "environment")}
        metadata = {"label": mode, "cfg_id": digest({"engine": engine, **native})}
        found.append({"metadata": metadata, "standardized": engine, "native": _known(native)})
    return found or None


def _nodes(rollup: Rollup) -> list[JsonObject]:
    nodes = rollup["nodes_summary"].get("nodes")
    return [one for one in nodes if isinstance(one, dict)] if isinstance(nodes, list) else []


def _config(rollup: Rollup, mode: str, what: str) -> Json:
    """Return the environment or the options of the workers of a mode, without secrets; None if there are none."""
    known = rollup["environment_config"]
    found = known.get(f"{'aggregated' if mode == 'agg' else mode}_{what}") if isinstance(known, dict) else None
    return found if isinstance(found, dict) and found else None


def _version(rollup: Rollup) -> str:
    """Return the version of the engine that logs say, else the image, else that it is unknown."""
    told = rollup["provenance"]
    engine = "tensorrt_llm" if rollup["backend_type"] == "trtllm" else rollup["backend_type"]
    versions = (told.get("engines") or {}).get(engine)
    image = told.get("container")
    named = image.get("image") if isinstance(image, dict) else image
    return " and ".join(versions) if versions else str(named or "unknown")


def _load(rollup: Rollup, point: PointRecord) -> JsonObject | None:
    """Return the load of a point; None if nobody knows how long its prompts were."""
    facts: JsonObject = {**rollup}
    lengths = [facts.get(key) for key in ("isl", "osl")]
    if not is_number(lengths[0]):
        return None
    told = rollup["provenance"].get("collection")
    # The lengths that were asked for: those of single prompts may differ from them.
    given: JsonObject = {
        "tool": f"srt.slurm {rollup['benchmark_type']}",
        "tool_version": str(told or "unknown"),
        "source": "unknown",
        "input_seq_len": {"distribution": "other", "value": lengths[0]},
        "output_seq_len": {"distribution": "other", "value": lengths[1]} if is_number(lengths[1]) else None,
        "concurrency": point.get("concurrency"),
        "rate_qps": _number(point, "request_rate"),
    }
    command = rollup["benchmark_command"] or {}
    native = {"args": {"command": command["raw_command"]}} if command.get("raw_command") else {}
    return {"metadata": {"cfg_id": point["digest"] or digest(given)}, "standardized": _known(given), "native": native}


def _duration(point: PointRecord) -> str | None:
    """Return how long the load lasted in ISO 8601."""
    seconds = _number(point, "duration")
    return None if seconds is None else f"PT{seconds:g}S"


def _number(record: JsonObject, name: str) -> float | None:
    value = record.get(name)
    return value if is_number(value) else None


def _known(values: JsonObject) -> JsonObject:
    """Return *values* without what is not known."""
    return {key: value for key, value in values.items() if value is not None}
