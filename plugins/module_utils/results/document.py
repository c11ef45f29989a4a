# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The content of rollup.json: all results of a run and their validity.

The keys are those of srt-slurm's rollups since 2026, plus ``schema_version``, validity
and origin; all times are UTC.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import cast

from .. import metrics
from ..backends import BACKENDS
from ..benchmarks import of_plan
from ..benchmarks import repeats as benchmark_repeats
from ..benchmarks.base import Benchmark
from ..json_types import Json, JsonObject
from ..plain_text import cleaned, shown
from ..plan_file import Plan, PlanPoint, gpu_counts
from ..secrets.redaction import redact
from ..topology.modes import LONG_MODE, MODES
from . import (
    cache_hits,
    commands,
    completeness,
    deployments,
    expected_versions,
    outcome,
    parts,
    provenance,
    recipe_lock,
    repeats,
    searching,
)
from .earlier import Found
from .origins import present
from .rollup_file import ROLLUP_SCHEMA_VERSION, PointRecord, Rollup
from .verdict import PASSED, VALID, Standing, standing
from .workers import Workers


def build(
    plan: Plan,
    now: str,
    failure: Mapping[str, str] | None = None,
    coming: Mapping[str, Found] | None = None,
    wanted: Mapping[str, Sequence[Json]] | None = None,
    workers: Workers | None = None,
) -> Rollup:
    """Return the rollup of the run that *plan* describes, from the files in its run directory.

    :param now: time of generation (UTC).
    :param failure: ``{task or stage, msg}`` of a failed stage; makes the run invalid.
    :param coming: ``{name of a point: earlier.Found}`` of results other than the current one that would be used.
    :param wanted: ``{run option: values}`` that select the points for this run to measure, see
        :meth:`Benchmark.choose`. The others are ``left_out`` unless they are valid.
    :param workers: reads the worker logs, and has what they say over time.
    """
    spec, benchmark = plan["spec"], of_plan(plan)
    points = searching.measured(plan)
    chosen, unknown = benchmark.choose(points, wanted or {})
    results = _records(benchmark, points, plan, coming or {}, workers := workers or Workers(plan))
    names = [point["name"] for point in chosen]
    run_reasons = _failure_reasons(failure) + [f"{text}: is not a point of the plan" for text in unknown]
    search = searching.record(plan, results)
    reasons = run_reasons + outcome.reasons_against(results, search)
    passed = [one["name"] for one in results if one["state"] == PASSED]
    told = provenance.build(plan)
    more = [*workers.notes(), *repeats.notes(results), *_of_its_making(plan, told, results)]
    rollup = {
        "schema_version": ROLLUP_SCHEMA_VERSION,
        "job_id": str(plan["job_id"]),
        "job_name": plan.get("name") or spec.get("name"),
        "generated_at": now,
        "timezone": "UTC",
        "valid": not reasons and not passed,
        "passed": not reasons and bool(passed),
        "invalid_reasons": reasons,
        "run_reasons": run_reasons,
        "failure": dict(failure) if failure else None,
        "left_out": [one["label"] for one in results if not outcome.succeeded(one) and one["name"] not in names],
        **_job_facts(plan, points),
        "benchmark_type": benchmark.type,
        **benchmark.facts(spec, points),
        "results": results,
        "repeats": repeats.summary(results, benchmark),
        "search": search,
        **metrics.best(parts.counting(results)),
        "started_at": min((record["started_at"] for record in results if record["started_at"]), default=None),
        "ended_at": max((record["ended_at"] for record in results if record["ended_at"]), default=None),
        "nodes_summary": workers.summary(),
        "environment_config": _environment_config(plan, spec, spec.get("backend") or {}),
        "benchmark_command": _benchmark_command(points, benchmark.type),
        "digests": plan.get("digests"),
        "inputs": plan.get("inputs") or {},
        **completeness.entries(completeness.missing(plan, results, search, workers.summary())),
        "provenance": told,
        "notes": _notes(plan, points, benchmark, more),
        "tags": _tags(plan),
    }
    return cast("Rollup", cleaned(rollup))


def _notes(plan: Plan, points: Sequence[PlanPoint], benchmark: Benchmark, more: Sequence[str]) -> list[str]:
    """Return the notes of the plan, that there is nothing to measure, and *more* notes."""
    nothing = f"Nothing was measured: benchmark type {benchmark.type} has no points."
    return [shown(note) for note in [*(plan.get("notes") or ()), *([] if points else [nothing]), *more]]


def _of_its_making(plan: Plan, told: JsonObject, results: Sequence[PointRecord]) -> list[str]:
    """Return notes on errors of the hardware, and on versions that neither the job nor the lock it came with named."""
    unlike = recipe_lock.differences(recipe_lock.earlier(plan), recipe_lock.facts(plan, told, results))
    return [*provenance.errors_meanwhile(told), *expected_versions.notes(plan["spec"], told["engines"]), *unlike]


def _records(
    benchmark: Benchmark, points: Sequence[PlanPoint], plan: Plan, coming: Mapping[str, Found], workers: Workers
) -> list[PointRecord]:
    """Return the entries of ``results[]``, with what *workers* read in the window of each."""
    found = [point_record(benchmark, point, plan, coming.get(point["name"])) for point in points]
    if benchmark_repeats.redeploys(plan["spec"].get("benchmark") or {}):
        deployments.keep_apart(found)
    workers.read(found)
    cache_hits.add(found, plan)
    return found


def _tags(plan: Plan) -> list[str]:
    """Return the tags that were stored with the run when its job was submitted, in ``<job id>.json``."""
    try:
        with open(os.path.join(plan["run_dir"], f"{plan['job_id']}.json"), encoding="utf-8") as stream:
            return [str(tag) for tag in json.load(stream).get("tags") or ()]
    except (OSError, ValueError, AttributeError):
        return []


def _failure_reasons(failure: Mapping[str, str] | None) -> list[str]:
    """Return the reason, as a list, of a stage that failed."""
    if not failure or not failure.get("msg"):
        return []
    return [shown(f"{failure.get('task') or failure.get('stage') or 'a stage'}: {failure['msg']}")]


def _job_facts(plan: Plan, points: Sequence[PlanPoint]) -> JsonObject:
    """Return the job's model, engine and sizes."""
    spec = plan["spec"]
    model, resources = spec.get("model") or {}, spec.get("resources") or {}
    return {
        "model_path": model.get("path"),
        "model_name": model_name(spec, points),
        "precision": model.get("precision"),
        "gpu_type": resources.get("gpu_type"),
        "gpus_per_node": resources.get("gpus_per_node"),
        "backend_type": (spec.get("backend") or {}).get("type"),
        "frontend_type": (spec.get("frontend") or {}).get("type"),
        "is_disaggregated": any(endpoint["mode"] != "agg" for endpoint in plan.get("endpoints") or ()),
        **_sizes(plan),
    }


def point_record(benchmark: Benchmark, point: PlanPoint, plan: Plan, earlier: Found | None = None) -> PointRecord:
    """Return the entry of ``results[]`` for one planned point, measured or not.

    :param earlier: what is used instead of its current result (Found).
    """
    if earlier:
        found = Standing(earlier.verdict, [], VALID if earlier.verdict["valid"] else PASSED)
    else:
        found = standing(point, os.path.join(plan["run_dir"], point["result"]))
    verdict: JsonObject = {**(found.verdict or {})}
    record: PointRecord = {**point["key"], **dict.fromkeys(benchmark.metrics)}
    record.update(verdict.get("metrics") or {}, **point["key"])
    gpus = gpu_counts(plan["endpoints"])
    share = metrics.derived(record, gpus)
    record.update({name: value for name, value in share.items() if name in benchmark.metrics})
    record.update(
        name=point["name"],
        label=point["label"],
        valid=found.state == VALID,
        state=found.state,
        invalid_reasons=found.reasons,
        digest=point["digest"],
        path=point["result"],
        origin=present(found.verdict) if found.verdict else None,
        started_at=record.get("started_at") or verdict.get("started_at"),
        ended_at=record.get("ended_at") or verdict.get("ended_at"),
    )
    if verdict.get("service_gaps"):  # allowed by the job's faults
        record["service_gaps"] = verdict["service_gaps"]
    record.update({key: verdict[key] for key in ("deployment", "searched") if verdict.get(key)})
    if verdict.get("profiled"):
        record.update(profiled=verdict["profiled"], profiles=verdict.get("profiles") or [])
    if found.state == PASSED:
        record["doubts"] = verdict["doubts"]
    if verdict.get("parts"):
        record["parts"] = parts.records(record, verdict["parts"], benchmark, gpus)
    return record


def _sizes(plan: Plan) -> dict[str, int]:
    """Return nodes, workers and GPUs as in the plan, not as requested in the job."""
    endpoints, gpus = plan["endpoints"], gpu_counts(plan["endpoints"])
    allocated = max(sum(node["gpus"] for node in plan["nodes"]), gpus["all"])
    sizes = {"total_nodes": len(plan["nodes"]), "total_gpus": gpus["all"], "allocated_gpus": allocated}
    sizes["idle_gpus"] = allocated - gpus["all"]
    for mode in MODES:
        own = [endpoint for endpoint in endpoints if endpoint["mode"] == mode]
        sizes[f"{mode}_nodes"] = len({node for endpoint in own for node in endpoint["nodes"]})
        sizes[f"{mode}_workers"] = len(own)
        sizes[f"{mode}_gpus"] = gpus[mode]
    return sizes


def model_name(spec: JsonObject, points: Sequence[PlanPoint]) -> str | None:
    """Return the name under which the service answers, else that of the model's directory."""
    for point in points:
        name: str | None = (point.get("parameters") or {}).get("model")
        if name:
            return name
    model = spec.get("model") or {}
    name = model.get("served_name")
    return name or os.path.basename((model.get("path") or "").rstrip("/")) or None


def _engine_configs(plan: Plan, backend: JsonObject) -> JsonObject:
    """Return {mode: options}: the plan's engine configuration, or else the job's."""
    engine = BACKENDS[backend["type"]]
    said = backend.get(engine.config_key) or {}
    try:
        import yaml
    except ImportError:  # a submit host without PyYAML
        return said
    contents = {one["path"]: one["content"] for one in plan.get("files") or ()}
    found = {}
    for mode, long_mode in LONG_MODE.items():
        written = yaml.safe_load(contents.get(engine.config_file(mode), "")) or {}
        if written:
            found[long_mode] = written if engine.config_per_mode else written.get(long_mode)
    return found or said


def _environment_config(plan: Plan, spec: JsonObject, backend: JsonObject) -> Json:
    """Return environment and engine configuration per mode, without secrets."""
    engine = _engine_configs(plan, backend)
    config = {f"{mode}_environment": dict(backend.get(f"{mode}_environment") or {}) for mode in LONG_MODE.values()}
    config.update({f"{mode}_engine_config": engine.get(mode) or {} for mode in LONG_MODE.values()})
    config["environment"] = dict(spec.get("environment") or {})
    config["backend_options"] = {
        key: value for key, value in backend.items() if value is not None and not isinstance(value, (dict, list))
    }
    return redact(config)


def _benchmark_command(points: Sequence[PlanPoint], benchmark_type: str) -> JsonObject | None:
    return commands.benchmark_command(points[0]["step"]["argv"], benchmark_type) if points else None
