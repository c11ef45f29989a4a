# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""rollup.csv and the table at the end of a run."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping

from ..benchmarks import of_plan
from ..benchmarks.base import Benchmark
from ..benchmarks.repeats import REPEAT, used
from ..json_types import JsonObject
from ..metrics import METRICS, PERCENTILES
from . import bars, deployments, origins, repeats
from .earlier import Found
from .outcome import verdict_lines
from .rollup_file import PointRecord, Rollup
from .verdict import NOT_MEASURED, PASSED

JOB_COLUMNS = (
    "job_id",
    "job_name",
    "model_name",
    "precision",
    "gpu_type",
    "backend_type",
    "frontend_type",
    "topology",
    "total_nodes",
    "total_gpus",
    "prefill_gpus",
    "decode_gpus",
)
STATE_COLUMNS = ("valid", "invalid_reasons")
ORIGIN_COLUMNS = ("started_at", "ended_at", "origin", "service_gaps")


def point_columns(benchmark: Benchmark, repeated: bool = False, redeployed: bool = False) -> list[str]:
    """Return the columns of the CSV that are about one point.

    :param repeated: points were measured several times.
    :param redeployed: several deployments measured them.
    """
    fields = [*benchmark.key_fields, *([REPEAT] if repeated else [])]
    return [*fields, *STATE_COLUMNS, *benchmark.metrics, *ORIGIN_COLUMNS, *(["deployment"] if redeployed else [])]


def job_columns(benchmark: Benchmark) -> list[str]:
    """Return the columns of the CSV that are the same for all points."""
    return [*JOB_COLUMNS, *benchmark.described_by]


def rows(rollup: Rollup) -> list[JsonObject]:
    """Return one flat dict for each point, with the columns of the CSV in order."""
    job, benchmark, flat = dict(rollup, topology=topology(rollup)), of_plan(rollup), []
    own = _point_columns(rollup, benchmark)
    for record in rollup["results"]:
        row = {column: job.get(column) for column in job_columns(benchmark)}
        row.update({column: record.get(column) for column in own})
        row["invalid_reasons"] = "; ".join(record["invalid_reasons"])
        row["origin"] = origins.directory(record["origin"]) if record.get("origin") else None
        row["service_gaps"] = "; ".join(record.get("service_gaps") or ())
        if row.get("deployment"):
            row["deployment"] = deployments.in_words(record["deployment"])
        flat.append(row)
    return flat


def _point_columns(rollup: Rollup, benchmark: Benchmark) -> list[str]:
    several = any((one.get("deployments") or 0) > 1 for one in rollup.get("repeats") or ())
    return point_columns(benchmark, used(rollup["results"]), several)


def topology(rollup: Rollup) -> str:
    """Return the short name of the workers: 2P/4D, or 3A."""
    if rollup["is_disaggregated"]:
        return f"{rollup['prefill_workers']}P/{rollup['decode_workers']}D"
    return f"{rollup['agg_workers']}A"


def csv_text(rollup: Rollup) -> str:
    """Return the content of rollup.csv."""
    benchmark = of_plan(rollup)
    flat, columns = rows(rollup), [*job_columns(benchmark), *_point_columns(rollup, benchmark)]
    try:
        import pandas
    except ImportError:
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        return stream.getvalue()
    # Objects, so that a column of whole numbers with a gap does not turn into fractions.
    return str(pandas.DataFrame(flat, columns=columns, dtype=object).to_csv(index=False, lineterminator="\n"))


def table_text(rollup: Rollup | None, dry: bool = False, coming: Mapping[str, Found] | None = None) -> str:
    """Return the points as a table, the verdict, and why it is what it is.

    :param dry: in a dry run: points without a result would be measured, and are not a fault.
    :param coming: ``{name of a point: earlier.Found}`` of points that would be restored or taken over from
        earlier runs.
    """
    if not rollup:
        return ""
    search = rollup.get("search")
    none = "No points were measured yet." if search else "No points were planned."
    text = _aligned(rollup, dry, coming or {}) if rollup["results"] else [none]
    if dry and (unmeasured(rollup) or search and not search["answer"]):
        return "\n".join(text)
    text += bars.lines(rollup["results"], of_plan(rollup))
    means = repeats.table(rollup.get("repeats") or (), of_plan(rollup))
    text += ["Means of the valid repeats, with 95 % confidence:", *means] if means else []
    text += [search["text"]] if search else []
    text += verdict_lines(rollup)
    gaps = service_gaps(rollup)
    if gaps:
        text.append("The service was incomplete, which the job allows (faults: critical: false):")
        text += [f"  {line}" for line in gaps]
    return "\n".join(text)


def _aligned(rollup: Rollup, dry: bool, coming: Mapping[str, Found]) -> list[str]:
    """Return the lines of the table: the key of each point, its metrics and its status."""
    benchmark = of_plan(rollup)
    fields, names = _shown_columns(rollup, benchmark)
    columns = [METRICS[name] for name in names]
    lines: list[list[str]] = [[*fields, *(one.label for one in columns), "valid"]]
    for record in rollup["results"]:
        cells = ["-" if record.get(field) is None else str(record[field]) for field in fields]
        cells += [one.text(record.get(one.name)) for one in columns]
        lines.append([*cells, _mark(record, rollup, dry, coming.get(record["name"]))])
    widths = [max(map(len, column)) for column in list(zip(*lines))[:-1]]
    return ["  ".join([*(cell.rjust(width) for cell, width in zip(line, widths)), line[-1]]) for line in lines]


def _shown_columns(rollup: Rollup, benchmark: Benchmark) -> tuple[list[str], list[str]]:
    """Return (fields of the key, metrics) in the table.

    Those without a value are left out if they are optional, or percentiles.
    """
    filled = {name for record in rollup["results"] for name, value in record.items() if value is not None}
    more = [field for field in (*benchmark.key_fields[1:], REPEAT) if field in filled]
    fields = [*benchmark.key_fields[:1], *more]
    optional = (*benchmark.optional_columns, *PERCENTILES)
    return fields, [one for one in benchmark.columns if one in filled or one not in optional]


def _mark(record: PointRecord, rollup: Rollup, dry: bool, found: Found | None) -> str:
    """Return the status of a point for the last column; *found*: what would be used for it (Found), or None."""
    missing = record["state"] == NOT_MEASURED
    if found:
        mark = f"to be kept (attempt {found.attempt})" if found.attempt else "to be taken over"
    elif record["label"] in (rollup.get("left_out") or ()):
        mark = "left out" if missing else "NO (left out)"
    elif dry and missing:
        mark = "to be measured"
    else:
        mark = "yes" if record["valid"] else "passed" if record["state"] == PASSED else "NO"
    if record.get("failed"):
        mark += f" ({record['failed']} failed)"
    if record.get("service_gaps"):
        mark += " (with service gaps)"
    if record.get("origin"):
        mark += f" (from {origins.in_words(record['origin'])})"
    return mark


def service_gaps(rollup: Rollup) -> list[str]:
    """Return the service gaps that the job allows during measurements, one line each."""
    return [f"{one['label']}: {gap}" for one in rollup["results"] for gap in one.get("service_gaps") or ()]


def unmeasured(rollup: Rollup) -> list[PointRecord]:
    """Return the records of the points that are not measured yet, without those that are left out."""
    left_out = rollup.get("left_out") or ()
    return [one for one in rollup["results"] if one["state"] == NOT_MEASURED and one["label"] not in left_out]
