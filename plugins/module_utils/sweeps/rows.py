# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The points of a sweep, one row each, from the rollups of its jobs; how many are done; the best of them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .. import metrics
from ..benchmarks import BENCHMARKS
from ..json_types import Json, JsonObject, is_number
from ..results.verdict import NOT_MEASURED, PASSED, VALID

BEST = (*metrics.BEST, "output_tps_per_gpu", "total_tps_per_gpu", "output_tps_per_user")


class Planned(NamedTuple):
    """A point of a job as it is planned.

    :ivar key: what identifies it in its job, ``{field: value}``.
    """

    name: str
    label: str
    key: JsonObject
    digest: str


class Count(NamedTuple):
    """How many points a sweep has, how many of them are valid, have passed, and are not valid although measured."""

    total: int
    valid: int
    passed: int
    invalid: int

    @property
    def left(self) -> int:
        """How many are not measured."""
        return self.total - self.valid - self.passed - self.invalid


def rows(
    job: JsonObject, points: Iterable[Planned], rollup: Mapping[str, Json] | None, trusted: bool = False
) -> list[JsonObject]:
    """Return one flat row for each of the *points* of a job.

    :param job: ``{name, parameters, benchmark_type, run_dir}``.
    :param rollup: that of the job in this sweep, None without one. A result of another digest does not count.
    :param trusted: whether the rollup is of a run for these very points, whose digests only the nodes could compute.
    """
    benchmark, found = BENCHMARKS[job["benchmark_type"]], []
    records = {record["name"]: record for record in (rollup or {}).get("results") or ()}
    for point in points:
        record = records.get(point.name)
        if record and record.get("digest") != point.digest and not trusted:
            record = None
        if record is None or record["state"] == NOT_MEASURED:
            figures: JsonObject = dict.fromkeys(benchmark.metrics)
            said: JsonObject = {"state": NOT_MEASURED, "valid": False, "invalid_reasons": []}
            record = {**figures, **said, **(record or {}), "invalid_reasons": []}
        row = {"job_name": job["name"], "label": point.label, "point": point.name, "digest": point.digest}
        row.update(parameters=job["parameters"], key=point.key, benchmark_type=benchmark.type)
        row.update({key: record.get(key) for key in ("state", "valid", "invalid_reasons", "started_at", "ended_at")})
        row["metrics"] = {name: record.get(name) for name in benchmark.metrics}
        row.update(service_gaps=record.get("service_gaps") or [], doubts=record.get("doubts") or [])
        measured = row["state"] != NOT_MEASURED
        origin = record.get("origin") or {}
        row["job_id"] = (origin.get("job_id") or (rollup or {}).get("job_id")) if measured else None
        row["run_dir"] = job["run_dir"] if measured else None
        found.append(row)
    return found


def count(found: Sequence[JsonObject]) -> Count:
    """Return the :class:`Count` of the rows *found*."""
    states = [row["state"] for row in found]
    measured = len(states) - states.count(NOT_MEASURED)
    valid, passed = states.count(VALID), states.count(PASSED)
    return Count(len(found), valid, passed, measured - valid - passed)


def is_done(row: JsonObject) -> bool:
    """Return whether nothing is left to measure at the point of *row*."""
    return row["state"] in (VALID, PASSED)


def best(found: Sequence[JsonObject]) -> list[JsonObject]:
    """Return ``{metric, value, job_name, label}`` of the best valid row by each metric in BEST that has a value."""
    records = []
    for name in BEST:
        having = [row for row in found if row["valid"] and is_number(row["metrics"].get(name))]
        if having:
            values = [row["metrics"][name] for row in having]
            row = having[values.index(min(values) if metrics.METRICS[name].better == metrics.LOWER else max(values))]
            about = {key: row[key] for key in ("job_name", "label")}
            records.append({"metric": name, "value": row["metrics"][name], **about})
    return records
