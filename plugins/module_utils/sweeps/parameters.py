# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the jobs of a sweep differ in: the parameters that are columns of its tables. Pure."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence

from ..benchmarks import BENCHMARKS
from ..json_types import Json, JsonObject

OF_THE_NAME = ("name",)  # the job is a column itself


def of_jobs(jobs: Sequence[JsonObject]) -> list[JsonObject]:
    """Return ``{parameter: value}`` of each of *jobs*, which have ``parameters`` and ``spec`` as job_spec returns them.

    The parameters of a ``sweep`` have its names. What overrides, or several files, change beside them are the dotted
    keys in which such jobs differ.
    """
    alike: dict[str, list[dict[str, Json]]] = {}
    flat = [dict(_flat(job["spec"], _points(job["spec"]))) for job in jobs]
    for job, values in zip(jobs, flat):
        alike.setdefault(json.dumps(job.get("parameters") or {}, sort_keys=True), []).append(values)
    differing = [key for rows in alike.values() for key in _differing(rows)]
    keys = list(dict.fromkeys(differing))
    return [
        {**(job.get("parameters") or {}), **{key: values.get(key) for key in keys}} for job, values in zip(jobs, flat)
    ]


def names(parameters: Sequence[JsonObject]) -> list[str]:
    """Return the names of all *parameters* of jobs, in their order."""
    return list(dict.fromkeys(name for one in parameters for name in one))


def _differing(rows: Sequence[dict[str, Json]]) -> Iterator[str]:
    keys = dict.fromkeys(key for row in rows for key in row)
    for key in keys:
        if any(row.get(key) != rows[0].get(key) for row in rows[1:]):
            yield key


def _points(spec: JsonObject) -> set[str]:
    """Return the dotted keys that list the points, which are columns of their own."""
    benchmark = BENCHMARKS[spec["benchmark"]["type"]]
    return {f"benchmark.{option}" for option in benchmark.chosen_by}


def _flat(value: Json, left_out: Collection[str], path: str = "") -> Iterator[tuple[str, Json]]:
    """Yield (dotted key, value) of all values below *value* that are no mappings; a list is one value."""
    if isinstance(value, dict):
        for key, item in value.items():
            below = f"{path}.{key}" if path else str(key)
            if below not in OF_THE_NAME and below not in left_out:
                yield from _flat(item, left_out, below)
    else:
        yield path, value
