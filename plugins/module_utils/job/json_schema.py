# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The JSON Schemas of job files and cluster files, for editors, from the schema that validation uses.

Anything validation accepts with a note is deprecated here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..benchmarks import BENCHMARKS
from ..benchmarks.base import Benchmark
from ..frontends import FRONTENDS
from ..frontends.base import Frontend
from ..json_types import JsonObject
from ..schema.json_form import mapping, nullable
from . import older_forms
from .cluster import CLUSTER, OLDER
from .layouts.schema import JOB2
from .rules import readers
from .schema import JOB

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def job_file() -> JsonObject:
    """Return the JSON Schema of a job file in all its forms."""
    second = {"anyOf": [{"required": [key]} for key in ("schema", "engine", "roles")]}
    base = {"properties": {"base": second}, "required": ["base"]}
    return {
        "$schema": DIALECT,
        "title": "srt.slurm job file",
        "type": "object",
        "if": {"required": ["job"], "maxProperties": 1},
        "then": {"properties": {"job": {"$ref": "#/$defs/document"}}},
        "else": {"$ref": "#/$defs/document"},
        "$defs": {
            "document": {
                "type": "object",
                "if": {"anyOf": [*second["anyOf"], base]},
                "then": _document("2", _job2(), beside={"schema": JOB2.fields["schema"].schema()}),
                "else": _document("", _job()),
            },
            "job": _job(),
            "complete": JOB.complete(),
            "job2": _job2(),
            "complete2": {**JOB2.complete(), "required": ["name", "model"]},
        },
    }


def _document(layout: str, part: JsonObject, beside: JsonObject | None = None) -> JsonObject:
    """Return the JSON Schema of one job, or of a base with overrides, in the layout whose job is *part*.

    :param layout: what the names of its definitions end in.
    :param beside: further keys beside the base.
    """
    job, complete = {"$ref": f"#/$defs/job{layout}"}, {"$ref": f"#/$defs/complete{layout}"}
    names = [{"enum": list(part["properties"])}, *({"pattern": one} for one in part["patternProperties"])]
    overrides = {
        "properties": {"base": job, "lock": {}, **(beside or {})},
        "patternProperties": {
            "^(x-|_)": {"description": "Holds an anchor for other keys."},
            "^override_.": {**job, "description": "What to change in the base; null deletes."},
            "^zip_override_.": {
                "type": "object",
                "propertyNames": {"anyOf": names},
                "description": "What to change in the base; each list is a row of values, one for each variant.",
            },
        },
        "additionalProperties": False,
    }
    return {"if": {"required": ["base"]}, "then": overrides, "else": {"allOf": [job, complete]}}


def cluster_file() -> JsonObject:
    """Return the JSON Schema of a cluster file, in the current form and the one with everything under ``cluster``."""
    schema = CLUSTER.schema()
    nested = dict(schema["properties"])
    nested.update({old: schema["properties"][new] for old, new in OLDER.items()})
    nested = {**mapping(nested), **_deprecated("Write these keys at the top level.")}
    name = {"type": ["string", "number", "null"], "description": CLUSTER.fields["cluster"].doc}
    schema["properties"] = {**schema["properties"], "cluster": {"if": {"type": "object"}, "then": nested, "else": name}}
    both = {"allOf": [CLUSTER.complete()]} if CLUSTER.complete() else {}
    return {"$schema": DIALECT, "title": "srt.slurm cluster file", **nullable(schema), **both}


SWEEP = {"type": ["object", "null"], "description": "Parameters and their values; one job for each combination."}


def _job2() -> JsonObject:
    """Return the JSON Schema of one job in the second layout that may lack keys."""
    job = JOB2.schema()
    job["properties"]["sweep"] = SWEEP
    job["properties"]["lock"] = _deprecated("Leave it out.")
    return job


def _job() -> JsonObject:
    """Return the JSON Schema of one job in the first layout that may lack keys."""
    job = JOB.schema()
    job["properties"]["sweep"] = SWEEP
    for path, new in [*((old, ".".join(new)) for old, new in older_forms.MOVED), *older_forms.REPLACED.items()]:
        _add_older(job, path, new)
    typed = {"required": ["type"]}
    for section, table in (("frontend", FRONTENDS), ("benchmark", BENCHMARKS)):
        job["properties"][section]["allOf"] = [
            {
                "if": {"properties": {"type": {"enum": [word for word in table if word not in words]}}, **typed},
                "then": {"properties": {key: _deprecated(f"Only {' and '.join(words)} reads it.") for key in keys}},
            }
            for words, keys in sorted(_owned(table).items())
        ]
    kinds = job["properties"]["benchmark"]["properties"]["type"]["anyOf"]
    kinds.extend(
        {"const": old, **_deprecated(f"It is now called {new}.")} for old, new in older_forms.BENCHMARKS.items()
    )
    return job


def _owned(table: Mapping[str, Frontend] | Mapping[str, Benchmark]) -> dict[tuple[str, ...], list[str]]:
    """Return ``{words: keys}``: the keys that only the types *words* of *table* read, and no others."""
    types: dict[str, list[str]] = {}
    for word, one in table.items():
        for key in readers(one):
            types.setdefault(key, []).append(word)
    owned: dict[tuple[str, ...], list[str]] = {}
    for key, words in types.items():
        owned.setdefault(tuple(words), []).append(key)
    return owned


def _add_older(job: JsonObject, path: Sequence[str], new: str | None) -> None:
    for key in path[:-1]:
        job = job["properties"][key]
    text = f"Write {new}." if new else "Leave it out."
    job["properties"][path[-1]] = {**job["properties"].get(path[-1], {}), **_deprecated(text)}
    for branch in job.get("allOf", ()):  # it is moved for every type
        branch["then"]["properties"].pop(path[-1], None)


def _deprecated(text: str) -> JsonObject:
    return {"deprecated": True, "deprecationMessage": text}
