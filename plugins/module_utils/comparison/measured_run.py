# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run as evidence. What counts is what its result files and verdicts say now, not what was said of them once."""

from __future__ import annotations

import datetime
import json
import os
from collections.abc import Mapping
from typing import NamedTuple

from ..benchmarks import of_plan
from ..benchmarks.base import Benchmark
from ..benchmarks.repeats import REPEAT
from ..failures import Error
from ..files import read_object
from ..json_types import Json, JsonObject
from ..plan_file import PLAN, Plan, load_plan
from ..results import deployments, foreign, searching
from ..results.document import model_name, point_record
from ..results.outcome import in_words
from ..results.rollup_file import PointRecord, Rollup, read_rollup
from ..results.verdict import MIN_COMPLETED, NOT_MEASURED, VALID

ROLLUP = "rollup.json"
# Keys of the benchmark section that do not say what load the service gets: how often it is measured, how long that may
# take, where the client runs. The options that select points are in the key of each point.
NOT_LOAD = frozenset((
    "repeats", "repeat_order", "repeat_seed", "seed", "search", "point_timeout_s", "stall_timeout_s", "stream_output",
    "client_placement", "client_dedicated_node", "colocate_with_frontend", "container_image", "env", "clients",
    "export_node_metrics", "sweep", "save_requests", "min_score",
))  # fmt: skip
CLOCK_S = 60.0  # how much the clocks of Slurm and of the nodes may differ


class Repeat(NamedTuple):
    """One measurement of one point.

    :ivar run: the run that it is of, for people; ``label`` is that of the point in it.
    :ivar reasons: why it is not valid; ``measured`` is False if nothing was measured at all.
    :ivar allocation: what identifies the allocation in which it was measured, None if that is not certain.
    :ivar deployment: the start of the service that measured it, in words; None if it is unknown.
    """

    run: str
    label: str
    valid: bool
    measured: bool
    reasons: list[str]
    figures: Mapping[str, Json]
    started_at: str | None
    ended_at: str | None
    allocation: tuple[str, ...] | None
    deployment: str | None = None


class MeasuredRun(NamedTuple):
    """One run: what was measured (``repeats``, each with the JSON text of its point's key), and under what load.

    :ivar load: what the service was asked to do, ``{key: value}``; ``core`` is the part that every rollup has.
    :ivar serving: the digest of the service, None if unknown.
    :ivar parameters: those of the job in its sweep.
    :ivar facts: what is compared as configuration, see differences.py.
    """

    name: str
    path: str
    job_id: str
    job_name: str
    benchmark: Benchmark
    load: JsonObject | None
    core: JsonObject
    serving: str | None
    parameters: JsonObject
    repeats: list[tuple[str, Repeat]]
    facts: JsonObject
    warnings: list[str]


def read_run(path: str, parameters: JsonObject | None = None) -> MeasuredRun:
    """Return the run in the directory *path*, ours or one of srtctl, or in a rollup.json alone; Error if it is none."""
    folder = os.path.dirname(path) if os.path.basename(path) == ROLLUP else path
    if os.path.isfile(os.path.join(folder, PLAN)):
        return _of_plan(folder, parameters or {})
    file = os.path.join(path, ROLLUP) if os.path.isdir(path) else path
    rollup = read_rollup(file)
    if rollup is None and not os.path.isdir(path):
        raise Error(f"{path} is not a rollup.json. Name a run directory, a rollup.json or the directory of a sweep.")
    if rollup is None:
        try:
            rollup = foreign.read(path)
        except Error as error:
            raise Error(f"{path} has neither plan.json nor rollup.json, and is no run of srtctl: {error.msg}") from None
    return _of_rollup(file, rollup, parameters or {})


def _of_plan(folder: str, parameters: JsonObject) -> MeasuredRun:
    plan: Plan = {**load_plan(os.path.join(folder, PLAN)), "run_dir": folder}  # it may have been copied
    spec, benchmark, job_id = plan["spec"], of_plan(plan), str(plan["job_id"])
    rollup = read_rollup(os.path.join(folder, ROLLUP))
    about = read_object(os.path.join(folder, f"{job_id}.json")) or {}
    points, repeats = searching.measured(plan), []
    said = {record["name"]: record for record in rollup["results"]} if rollup else {}
    name = _name(folder, job_id)
    notes = _warnings(name, rollup)
    for point in points:
        record = point_record(benchmark, point, plan)
        _check_against(record, said.get(point["name"]))
        notes += _disturbed(record, name)
        repeats.append((_key(point["key"]), _repeat(record, benchmark, name, job_id, about)))
    core = {"type": benchmark.type, "model": model_name(spec, points), **benchmark.description(spec)}
    containers = [step.get("container") for step in plan["steps"]]
    facts = {
        "spec": {key: value for key, value in spec.items() if key not in ("name", "inputs", "chat_template")},
        "inputs": plan.get("inputs") or spec.get("inputs") or {},
        "images": sorted({str(one["image"]) for one in containers if one}),
        "nodes": [node["name"] for node in plan["nodes"]],
        "versions": _versions(rollup),
    }
    serving = (plan.get("digests") or {}).get("serving")
    return MeasuredRun(
        name, folder, job_id, str(plan["name"]), benchmark, load_of(spec), core, serving, parameters, repeats, facts,
        notes,
    )  # fmt: skip


def load_of(spec: JsonObject) -> JsonObject:
    """Return what the service of the job *spec* is asked to do, by the keys that its benchmark reads."""
    benchmark, chosen = of_plan(spec), spec.get("benchmark") or {}
    keys = [key for key in benchmark.reads if key not in NOT_LOAD and key not in benchmark.chosen_by]
    load = {key: chosen[key] for key in keys if chosen.get(key) is not None}
    return {"type": benchmark.type, **load}


def _of_rollup(file: str, rollup: Rollup, parameters: JsonObject) -> MeasuredRun:
    benchmark, job_id = of_plan(rollup), str(rollup.get("job_id") or "")
    name, repeats = _name(file if os.path.isdir(file) else os.path.dirname(file) or ".", job_id), []
    said: JsonObject = {**rollup}
    notes = [f"{name}: without its plan, its result files could not be checked again.", *_warnings(name, rollup)]
    for record in rollup["results"]:
        own = dict(record)
        _check_coherent(own)
        notes += _disturbed(own, name)
        key = {field: own.get(field) for field in benchmark.key_fields}
        repeats.append((_key(key), _repeat(own, benchmark, name, job_id, {})))
    facts = {key: said.get(key) for key in (
        "model_path", "precision", "gpu_type", "gpus_per_node", "backend_type", "frontend_type", "total_nodes",
        "total_gpus", "prefill_workers", "decode_workers", "agg_workers", "environment_config",
    )}  # fmt: skip
    summary = rollup.get("nodes_summary") or {}
    workers = summary.get("nodes") if isinstance(summary, dict) else None
    nodes = sorted({str(one["node_name"]) for one in workers or () if isinstance(one, dict) and one.get("node_name")})
    core = {"type": benchmark.type, "model": rollup.get("model_name")}
    core.update({key: said.get(key) for key in benchmark.described_by})
    return MeasuredRun(
        name, file, job_id, str(rollup.get("job_name") or ""), benchmark, None, core,
        (said.get("digests") or {}).get("serving"), parameters, repeats,
        {"spec": facts, "inputs": rollup.get("inputs") or {}, "images": [], "nodes": nodes,
         "versions": _versions(rollup)},
        notes,
    )  # fmt: skip


def _versions(rollup: Rollup | None) -> JsonObject:
    """Return ``{program: its versions}`` as logs said them when *rollup* was made."""
    told: Json = rollup.get("provenance") if rollup else None
    engines = told.get("engines") if isinstance(told, dict) else None
    found = engines if isinstance(engines, dict) else {}
    return {str(name): ", ".join(map(str, one)) for name, one in found.items() if isinstance(one, list)}


def _name(folder: str, job_id: str) -> str:
    """Return a short name of the run in *folder*: its job id, or where it is in a sweep."""
    parts = os.path.abspath(folder).split(os.sep)
    if parts[-1].partition(".")[0] == job_id:
        return parts[-1]
    return "/".join(parts[-3:]) if len(parts) > 3 and parts[-2] == "variants" else parts[-1]


def _warnings(name: str, rollup: Rollup | None) -> list[str]:
    reasons = rollup.get("run_reasons") or () if rollup else ()
    return [f"{name}: the run is {in_words(rollup)}: {reason}" for reason in reasons]


def _disturbed(record: PointRecord, name: str) -> list[str]:
    """Return what may have changed the figures of a valid *record*, as warnings."""
    if not record["valid"]:
        return []
    found = [f"its service was incomplete ({gap})" for gap in record.get("service_gaps") or ()]
    found += [f"the profiler {record['profiled']} ran meanwhile"] if record.get("profiled") else []
    return [f"{record['label']} of {name}: {one}." for one in found]


def _key(key: Mapping[str, Json]) -> str:
    return json.dumps({name: one for name, one in key.items() if name != REPEAT and one is not None}, sort_keys=True)


def _check_against(record: PointRecord, said: PointRecord | None) -> None:
    """Make *record* not valid if the rollup of its run *said* something else of the same measurement."""
    _check_coherent(record)
    if said is None or said.get("digest") != record["digest"] or said.get("ended_at") != record.get("ended_at"):
        return
    if record["valid"] and not (said["valid"] and said["state"] == VALID):
        record["valid"] = False
        record["invalid_reasons"] = [f"{ROLLUP} says: {one}" for one in said["invalid_reasons"]] or [
            f"{ROLLUP} says that it is not valid"
        ]


def _check_coherent(record: PointRecord) -> None:
    """Make *record* not valid if it speaks against itself, or if too many of its requests failed for a comparison.

    A run may allow more of them to fail.
    """
    done: Json = record.get("completed")
    sent: Json = record.get("num_prompts")
    counted = isinstance(done, (int, float)) and isinstance(sent, (int, float))
    if record["valid"] and counted and done < MIN_COMPLETED * sent:
        record["valid"] = False
        record["invalid_reasons"] = [f"{done} of {sent} requests completed, fewer than {100 * MIN_COMPLETED:g} %"]
    if record["valid"] and (record["state"] != VALID or record["invalid_reasons"] or record.get("doubts")):
        record["valid"] = False
        why = [*record["invalid_reasons"], *(record.get("doubts") or ())]
        record["invalid_reasons"] = why or [f"it is called valid, but its state is {record['state']}"]


def _repeat(record: PointRecord, benchmark: Benchmark, run: str, job_id: str, about: JsonObject) -> Repeat:
    reasons = list(record["invalid_reasons"])
    if not record["valid"]:
        reasons = reasons or [str(one) for one in record.get("doubts") or ()] or [f"its state is {record['state']}"]
    return Repeat(
        run=run,
        label=str(record["label"]),
        valid=record["valid"],
        measured=record["state"] != NOT_MEASURED,
        reasons=reasons,
        figures={name: record.get(name) for name in benchmark.metrics},
        started_at=record.get("started_at"),
        ended_at=record.get("ended_at"),
        allocation=_allocation(record, job_id, about),
        deployment=deployments.in_words(record["deployment"]) if record.get("deployment") else None,
    )


def _allocation(record: PointRecord, job_id: str, about: JsonObject) -> tuple[str, ...] | None:
    """Return what identifies the allocation that measured *record*; job ids alone repeat.

    :param about: the record of the submission beside the run.
    """
    began, submitted = seconds(record.get("started_at")), seconds(about.get("submitted_at"))
    if record.get("origin") or began is None or submitted is None or began < submitted - CLOCK_S:
        return None
    return job_id, str(about.get("slurm_cluster")), str(about["submitted_at"])


def seconds(when: Json) -> float | None:
    """Return a time in ISO 8601 as seconds, None if it is none."""
    try:
        found = datetime.datetime.fromisoformat(str(when).replace("Z", "+00:00"))
    except ValueError:
        return None
    return found.replace(tzinfo=found.tzinfo or datetime.timezone.utc).timestamp()
