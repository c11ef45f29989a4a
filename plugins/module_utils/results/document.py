# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The content of rollup.json: everything a run has to say, and whether it may be believed.

The keys are those that srt-slurm's rollups have had since 2026, plus ``schema_version``, validity
and origin; all times are UTC.
"""

from __future__ import annotations

import os
import re

from ..benchmarks.sa_bench.result import METRICS, figures
from ..secrets.redaction import redact
from . import commands, worker_logs
from .verdict import standing

ROLLUP_SCHEMA_VERSION = 1
MODES = ("prefill", "decode", "agg")
LONG_MODE = {"prefill": "prefill", "decode": "decode", "agg": "aggregated"}
_WORKER_STEP = re.compile(r"(prefill|decode|agg)_(\d+)(?:_r(\d+))?$")


def build(plan, now, failure=None, coming=None, chosen=()):
    """Return the rollup of the run that *plan* describes, from the files in its run directory.

    :param now: time of generation (UTC).
    :param failure: ``{task or stage, msg}`` of a stage that failed before; makes the run invalid.
    :param coming: ``{concurrency: earlier.Found}`` of what is not the current result and would stand for a point.
    :param chosen: concurrencies of the points that this run was to measure; none: all. The others are ``left_out``
        unless they are valid anyway.
    """
    spec, run_dir = plan["spec"], plan["run_dir"]
    resources, backend, benchmark = (spec.get(key) or {} for key in ("resources", "backend", "benchmark"))
    points = (plan.get("benchmark") or {}).get("points") or []
    results = [point_record(point, run_dir, _gpus(plan), (coming or {}).get(point["concurrency"])) for point in points]
    reasons = [f"c={record['concurrency']}: {reason}" for record in results for reason in record["invalid_reasons"]]
    planned = [point["concurrency"] for point in points]
    reasons += [f"c={concurrency}: is no point of the plan" for concurrency in chosen if concurrency not in planned]
    left_out = [one["concurrency"] for one in results if chosen and not (one["valid"] or one["concurrency"] in chosen)]
    notes = list(plan.get("notes") or [])
    if failure and failure.get("msg"):
        where = failure.get("task") or failure.get("stage") or "a stage"
        reasons.insert(0, f"{where}: {failure['msg']}")
    if not points:
        notes.append(f"Nothing was measured: benchmark type {benchmark.get('type')} has no points.")
    summary, more = _nodes_summary(plan, backend.get("type"))
    return {
        "schema_version": ROLLUP_SCHEMA_VERSION,
        "job_id": str(plan["job_id"]),
        "job_name": plan.get("name") or spec.get("name"),
        "generated_at": now,
        "timezone": "UTC",
        "valid": not reasons,
        "invalid_reasons": reasons,
        "left_out": left_out,
        "model_path": (spec.get("model") or {}).get("path"),
        "model_name": _model_name(spec, points),
        "precision": (spec.get("model") or {}).get("precision"),
        "gpu_type": resources.get("gpu_type"),
        "gpus_per_node": resources.get("gpus_per_node"),
        "backend_type": backend.get("type"),
        "frontend_type": (spec.get("frontend") or {}).get("type"),
        "is_disaggregated": any(endpoint["mode"] != "agg" for endpoint in plan.get("endpoints") or ()),
        **_sizes(plan),
        "benchmark_type": benchmark.get("type"),
        "isl": benchmark.get("isl"),
        "osl": benchmark.get("osl"),
        "concurrencies": planned,
        "results": results,
        **_extremes([record for record in results if record["valid"]]),
        "started_at": min((record["started_at"] for record in results if record["started_at"]), default=None),
        "ended_at": max((record["ended_at"] for record in results if record["ended_at"]), default=None),
        "nodes_summary": summary,
        "environment_config": _environment_config(plan, spec, backend),
        "benchmark_command": _benchmark_command(points, benchmark.get("type")),
        "digests": plan.get("digests"),
        "notes": notes + more,
        "tags": list(spec.get("tags") or []),
    }


def chosen_reasons(rollup):
    """Return the reasons why *rollup* is not valid, without those that only points have which were left out."""
    left_out = [record for record in rollup["results"] if record["concurrency"] in (rollup.get("left_out") or ())]
    theirs = {f"c={record['concurrency']}: {reason}" for record in left_out for reason in record["invalid_reasons"]}
    return [reason for reason in rollup["invalid_reasons"] if reason not in theirs]


def in_words(rollup):
    """Return the verdict of *rollup* for a line: ``valid``, ``NOT valid``, or what was chosen; None without one."""
    if not rollup or rollup.get("valid") is None:
        return None
    if rollup["valid"]:
        return "valid"
    left_out = ", ".join(f"c={concurrency}" for concurrency in rollup.get("left_out") or ())
    return f"chosen points valid; left out: {left_out}" if left_out and not chosen_reasons(rollup) else "NOT valid"


def point_record(point, run_dir, gpus, earlier=None):
    """Return the entry of ``results[]`` for one planned point, measured or not.

    :param earlier: what stands for it instead of its current result (Found).
    """
    if earlier:
        verdict, reasons = earlier.verdict, []
    else:
        verdict, reasons = standing(point, os.path.join(run_dir, point["result"]))
    verdict = verdict or {}
    record = dict(figures({}), **(verdict.get("metrics") or {}))
    record.update(
        concurrency=point["concurrency"],
        valid=not reasons,
        invalid_reasons=reasons,
        output_tps_per_gpu=_share(record["output_tps"], gpus),
        total_tps_per_gpu=_share(record["total_tps"], gpus),
        output_tps_per_user=_share(1000.0, record["median_tpot_ms"]),
        digest=point["digest"],
        path=point["result"],
        origin=verdict.get("origin"),
        started_at=record.get("started_at") or verdict.get("started_at"),
        ended_at=record.get("ended_at") or verdict.get("ended_at"),
    )
    if verdict.get("losses"):  # the job's faults allow them
        record["losses"] = verdict["losses"]
    return record


def _gpus(plan):
    return sum(endpoint.get("gpus") or 0 for endpoint in plan.get("endpoints") or ())


def _sizes(plan):
    """Return nodes, workers and GPUs as they are in the plan, not as the job asked for them."""
    endpoints = plan.get("endpoints") or []
    sizes = {"total_nodes": len(plan["nodes"]), "total_gpus": _gpus(plan)}
    for mode in MODES:
        own = [endpoint for endpoint in endpoints if endpoint["mode"] == mode]
        sizes[f"{mode}_nodes"] = len({node for endpoint in own for node in endpoint["nodes"]})
        sizes[f"{mode}_workers"] = len(own)
        sizes[f"{mode}_gpus"] = sum(endpoint.get("gpus") or 0 for endpoint in own)
    return sizes


def _extremes(valid):
    """Return the best figures over the valid points; None when there are none."""

    def best(choose, key):
        return choose((record[key] for record in valid if record[key] is not None), default=None)

    return {
        "max_output_tps": best(max, "output_tps"),
        "max_total_tps": best(max, "total_tps"),
        **{f"min_mean_{metric}_ms": best(min, f"mean_{metric}_ms") for metric in METRICS if metric in ("ttft", "itl")},
    }


def _model_name(spec, points):
    for point in points:
        name = (point.get("parameters") or {}).get("model")
        if name:
            return name
    model = spec.get("model") or {}
    return model.get("served_name") or os.path.basename((model.get("path") or "").rstrip("/")) or None


def _nodes_summary(plan, backend_type):
    """Return (nodes_summary, notes): one record for each worker log, in plan order."""
    records, notes, missing = [], [], []
    if backend_type not in worker_logs.PARSERS:
        notes.append(f"nodes_summary has no figures: the log of a {backend_type} worker has no batch lines.")
    for step in plan.get("steps") or ():
        match = _WORKER_STEP.match(step["name"])
        if step["tier"] != "worker" or not match:
            continue
        for node in step["nodes"]:
            path = os.path.join(plan["run_dir"], step["log"].replace("%N", node))
            figures = worker_logs.parse_log(backend_type, path)
            if figures is None:
                missing.append(path)
                continue
            launch = commands.worker_command(step["argv"], match.group(1), backend_type)
            record = {
                "node_name": node,
                "worker_type": match.group(1),
                "worker_id": int(match.group(2)),
                "rank": int(match.group(3) or 0),
                **figures,
                "launch_command": launch,
            }
            for size in ("tp_size", "pp_size", "dp_size", "ep_size"):
                record[size] = launch[size] if record[size] is None else record[size]
            records.append(record)
    if missing:
        notes.append(f"{len(missing)} worker log(s) are missing, the first is {missing[0]}.")
    return worker_logs.summarise(records), notes


def _engine_configs(plan, backend):
    """Return {mode: options}: what the plan wrote for the engine, or else what the job said."""
    name = f"{backend.get('type')}_config"
    said = backend.get(name) or {}
    try:
        import yaml
    except ImportError:  # a submit host without it
        return said
    found = {}
    for one in plan.get("files") or ():
        for mode, long_mode in LONG_MODE.items():
            if one["path"] == f"{name}_{mode}.yaml":
                found[long_mode] = yaml.safe_load(one["content"])
        if one["path"] == f"{name}.yaml":
            written = yaml.safe_load(one["content"]) or {}
            found.update({LONG_MODE.get(mode, mode): options for mode, options in written.items()})
    return found or said


def _environment_config(plan, spec, backend):
    """Return environment and engine configuration per mode, without secrets."""
    engine = _engine_configs(plan, backend)
    config = {f"{mode}_environment": dict(backend.get(f"{mode}_environment") or {}) for mode in LONG_MODE.values()}
    config.update({f"{mode}_engine_config": engine.get(mode) or {} for mode in LONG_MODE.values()})
    config["environment"] = dict(spec.get("environment") or {})
    config["backend_options"] = {
        key: value for key, value in backend.items() if value is not None and not isinstance(value, (dict, list))
    }
    return redact(config)


def _benchmark_command(points, benchmark_type):
    return commands.benchmark_command(points[0]["step"]["argv"], benchmark_type) if points else None


def _share(value, parts):
    return round(value / parts, 6) if value is not None and parts else None
