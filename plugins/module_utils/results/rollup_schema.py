# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schema of rollup.json: its keys from the type :class:`Rollup`, the figures from the table of metrics."""

from __future__ import annotations

import json

from ..json_types import JsonObject
from ..metrics import METRICS
from . import decode_running, verdict
from .rollup_file import ROLLUP_SCHEMA_VERSION, Rollup

NAME = "rollup.schema.json"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
TEXT, OBJECT, TEXTS = {"type": "string"}, {"type": "object"}, {"type": "array", "items": {"type": "string"}}
# {a type as it is written in Rollup: its schema}.
TYPES: dict[str, JsonObject] = {
    "str": TEXT,
    "int": {"type": "integer"},
    "bool": {"type": "boolean"},
    "None": {"type": "null"},
    "Json": {},
    "JsonObject": OBJECT,
    "PlanDigests": OBJECT,
    "dict[str, PlanInput]": OBJECT,
    "list[str]": TEXTS,
    "list[JsonObject]": {"type": "array", "items": OBJECT},
    "list[PointRecord]": {"type": "array", "items": {"$ref": "#/$defs/point"}},
}
STATES = (
    *(verdict.VALID, verdict.PASSED, verdict.INVALID, verdict.NOT_MEASURED),
    *(verdict.NOT_EVALUATED, verdict.OUTDATED, verdict.CHANGED),
)
DESCRIBED = {
    "schema_version": "Of this file. It changes when a key is renamed, removed, or gets another meaning.",
    "job_id": "Of Slurm.",
    "generated_at": "When this content was made, UTC.",
    "valid": "Every point is valid, and no stage failed.",
    "passed": "Nothing speaks against the run, but points have only passed: see doubts of the points.",
    "invalid_reasons": "Why the run is not valid, one a line.",
    "run_reasons": "Those of invalid_reasons that are not about a point.",
    "failure": "The stage that failed, {task, msg}, or null.",
    "left_out": "Labels of points that the run was not to measure, and that are not valid.",
    "total_gpus": "GPUs of all workers: what figures per GPU are divided by.",
    "allocated_gpus": "GPUs of all nodes of the job.",
    "idle_gpus": "GPUs of the job that no worker uses. No figure counts them.",
    "results": "One record for each point, measured or not.",
    "repeats": "Points that were measured several times: means over the valid ones, with 95 % confidence.",
    "search": "The answer of a search and what it rests on, or null.",
    "nodes_summary": "Figures of the engines' logs: sums, and nodes[] with one record for each worker log.",
    "environment_config": "Environment and engine configuration per mode, without secrets.",
    "benchmark_command": "The command line of the load client, without secrets.",
    "digests": "Digests of the allocation request and of the service; null if another program measured.",
    "inputs": "Files that the results depend on, with their fingerprints.",
    "complete": "False if anything of the run is not in this file.",
    "incomplete": "What is not, one a line.",
    "provenance": "Versions, images, nodes and their hardware, Slurm, mounted sources. Null is what nobody saw.",
    "source": "There if another program measured: {program, path, benchmark_type, files}.",
    "notes": "What the plan decided, and what was seen, for people.",
}
PROVENANCE: dict[str, JsonObject] = {
    "collection": {"type": ["string", "null"], "description": "The version of this collection that measured."},
    "engines": {"type": "object", "additionalProperties": TEXTS, "description": "Versions that logs say, by program."},
    "container": {
        "type": ["object", "string", "null"],
        "description": "The image of the workers: {image, fingerprint}.",
    },
    "nodes": TEXTS,
    "facts": {
        "type": "object",
        "additionalProperties": OBJECT,
        "description": "{node: {before, after}}: system, GPUs, NVLink errors, Xids and network, before models load and "
        "after the last measurement (only where nvidia-smi is).",
    },
    "slurm": {"type": ["object", "null"], "description": "Version, cluster, partition, account, time of submission."},
    "mounts": {
        "type": "array",
        "items": {"type": "object", "required": ["path", "commit", "changed"]},
        "description": "Mounted directories in a git work tree: {path, commit, changed: files that differ from it}.",
    },
}


def schema() -> JsonObject:
    """Return the JSON Schema of rollup.json."""
    properties = {name: _typed(str(annotation)) for name, annotation in _annotations().items()}
    for name, text in DESCRIBED.items():
        properties[name] = {**properties[name], "description": text}
    properties["schema_version"]["const"] = ROLLUP_SCHEMA_VERSION
    properties["provenance"].update(properties=PROVENANCE, required=list(PROVENANCE))
    nodes = {"type": "object", "required": ["nodes"], "properties": {"nodes": {"type": "array", "items": OBJECT}}}
    properties["nodes_summary"].update(nodes)
    return {
        "$schema": DIALECT,
        "title": "rollup.json of srt.slurm",
        "description": "Times are UTC, ISO 8601. Units are those of docs/metrics.md. Unknown is null, never 0.",
        "type": "object",
        "properties": properties,
        "required": sorted(Rollup.__required_keys__),
        "$defs": {"point": _point()},
    }


def _annotations() -> dict[str, str]:
    """Return the types of the keys of Rollup as they are written there."""
    return {name: str(getattr(one, "__forward_arg__", one)) for name, one in Rollup.__annotations__.items()}


def _typed(text: str) -> JsonObject:
    """Return the schema of a type as it is written, such as ``str | None``."""
    kinds = [TYPES[part.strip()] for part in text.split(" | ")]
    if len(kinds) == 1:
        return dict(kinds[0])
    return (
        {"type": [kind["type"] for kind in kinds]} if all(set(kind) == {"type"} for kind in kinds) else {"anyOf": kinds}
    )


def _point() -> JsonObject:
    """Return the schema of a record in results[]."""
    figures = {
        one.name: {
            "type": ["string", "null"] if one.digits is None else ["number", "string", "null"]
            if one.name == "request_rate" else ["number", "null"],
            "description": f"{one.label}: {one.formula}" + (f" ({one.better} is better)" if one.better else ""),
        }
        for one in METRICS.values()
    }  # fmt: skip
    own: JsonObject = {
        "name": TEXT,
        "label": TEXT,
        "valid": {"type": "boolean"},
        "state": {"enum": list(STATES)},
        "invalid_reasons": TEXTS,
        "doubts": TEXTS,
        "service_gaps": TEXTS,
        "digest": {"type": ["string", "null"], "description": "Over parameters, service and hardware; equal points."},
        "path": {"type": ["string", "null"], "description": "Of the result file, in the run directory."},
        "origin": {"type": ["object", "null"], "description": "The run that measured it, if it was taken over."},
        "started_at": {"type": ["string", "null"]},
        "ended_at": {"type": ["string", "null"]},
        decode_running.KEY: {
            "type": ["number", "null"],
            "description": "Running requests of decode workers in the window of the point: nine in ten samples are at "
            "most this. Null if not all of them have samples.",
        },
    }
    needed = [name for name in own if name not in ("doubts", "service_gaps", decode_running.KEY)]
    return {"type": "object", "properties": {**own, **figures}, "required": needed}


def documents() -> dict[str, str]:
    """Return ``{file name: text}`` of the generated documents."""
    return {NAME: json.dumps(schema(), indent=2) + "\n"}
