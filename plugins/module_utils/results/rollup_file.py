# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of rollup.json, and reading it. All times are UTC in ISO 8601."""

from __future__ import annotations

from typing import TypedDict, cast

from ..benchmarks import BENCHMARKS
from ..files import read_object
from ..json_types import Json, JsonObject
from ..metrics import METRICS
from ..plan_file import PlanDigests, PlanInput
from . import repeats, searching
from .verdict import are_profiles, is_deployment

ROLLUP_SCHEMA_VERSION = 1
# One entry of ``results[]``, a point of the plan: ``name``, ``label``, the fields of its key, the metrics of its
# benchmark by name (None without a result), ``valid``, ``state`` (see verdict.py), ``invalid_reasons``, ``digest``,
# ``path``, ``origin``, ``workers``, their figures in its window, ``energy`` if power was read (see power.py),
# ``started_at``, ``ended_at``; if there is one, what its verdict (see verdict.py) says of ``deployment``, ``searched``,
# ``service_gaps``, ``doubts``, and of a profiled one ``profiled`` and ``profiles``. One with several results has
# ``parts``, an entry for each (see parts.py).
PointRecord = JsonObject


class _Sometimes(TypedDict, total=False):
    source: JsonObject


class Rollup(_Sometimes):
    """What is always in rollup.json. ``Benchmark.facts`` and ``metrics.best`` add to it.

    ``search`` has the answer of a search and the points that it rests on; ``results`` has only those then.
    ``repeats`` has the means of points that were measured several times, see repeats.py.
    ``passed``: nothing speaks against the run, but points have only passed, so that it is not valid.
    ``run_reasons`` are those of ``invalid_reasons`` that are not about a point; ``failure`` is the stage that failed,
    ``{task, msg}``, or None. ``left_out`` has the labels of points
    that this run was not to measure and that are not valid. Numbers of nodes, workers and GPUs are those of the plan.
    ``total_gpus`` are those of workers, ``allocated_gpus`` those of all nodes, ``idle_gpus`` those that nobody uses.
    ``benchmark_command`` is None without points. ``complete`` is false if anything of the run is not in it, and
    ``incomplete`` says what. ``provenance`` is what the results come from, see provenance.py. ``source`` is there if
    another program measured: ``{program, path, benchmark_type, files}``, see foreign/.
    """

    schema_version: int
    job_id: str
    job_name: str
    generated_at: str
    timezone: str
    valid: bool
    passed: bool
    invalid_reasons: list[str]
    run_reasons: list[str]
    failure: JsonObject | None
    left_out: list[str]
    model_path: str | None
    model_name: str | None
    precision: str | None
    gpu_type: str | None
    gpus_per_node: int | None
    backend_type: str
    frontend_type: str | None
    is_disaggregated: bool
    total_nodes: int
    total_gpus: int
    allocated_gpus: int
    idle_gpus: int
    prefill_nodes: int
    prefill_workers: int
    prefill_gpus: int
    decode_nodes: int
    decode_workers: int
    decode_gpus: int
    agg_nodes: int
    agg_workers: int
    agg_gpus: int
    benchmark_type: str
    results: list[PointRecord]
    repeats: list[JsonObject]
    search: JsonObject | None
    started_at: str | None
    ended_at: str | None
    nodes_summary: JsonObject
    environment_config: Json
    benchmark_command: JsonObject | None
    digests: PlanDigests | None
    inputs: dict[str, PlanInput]
    complete: bool
    incomplete: list[str]
    provenance: JsonObject
    notes: list[str]
    tags: list[str]


def read_rollup(path: str) -> Rollup | None:
    """Return the rollup stored at *path*; None if there is none, or if the file is of something else."""
    found = read_object(path)
    return cast("Rollup", found) if found and _is_rollup(found) else None


def _is_rollup(found: JsonObject) -> bool:
    records = found.get("results")
    return (
        isinstance(found.get("valid"), bool)
        and isinstance(found.get("passed", False), bool)
        and isinstance(found.get("generated_at"), str)
        and ("benchmark_type" not in found or str(found["benchmark_type"]) in BENCHMARKS)
        and all(_are_text(found.get(key, [])) for key in ("invalid_reasons", "run_reasons", "left_out"))
        and repeats.are_entries(found.get("repeats", []))
        and searching.is_record(found.get("search"))
        and isinstance(records, list)
        and all(isinstance(record, dict) and _is_point(record) for record in records)
    )


def _is_point(record: JsonObject) -> bool:
    figures = (record.get(name) for name in METRICS)
    return (
        all(isinstance(record.get(key), str) for key in ("name", "label", "state"))
        and isinstance(record.get("valid"), bool)
        and _are_text(record.get("invalid_reasons"))
        and _are_text(record.get("service_gaps", []))
        and _are_text(record.get("doubts", []))
        and isinstance(record.get("profiled", ""), str)
        and are_profiles(record.get("profiles", []))
        and isinstance(record.get("origin"), (dict, type(None)))
        and isinstance(record.get("parts", []), list)
        and all(isinstance(one, dict) and _is_part(one) for one in record.get("parts", []))
        and is_deployment(record.get("deployment"))
        and all(isinstance(value, (int, float, str, type(None))) for value in figures)
    )


def _is_part(record: JsonObject) -> bool:
    """Return whether *record* may be one of ``parts``, which have no parts themselves."""
    return "parts" not in record and isinstance(record.get("result_file"), str) and _is_point(record)


def _are_text(values: Json) -> bool:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)
