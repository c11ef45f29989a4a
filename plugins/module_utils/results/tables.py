# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""rollup.csv and the table that a run ends with."""

from __future__ import annotations

import csv
import io

from ..benchmarks.sa_bench.result import METRICS, STATISTICS
from .document import chosen_reasons
from .verdict import NOT_MEASURED

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
    "isl",
    "osl",
)
POINT_COLUMNS = (
    "concurrency",
    "valid",
    "invalid_reasons",
    "request_rate",
    "request_throughput",
    "request_goodput",
    "output_tps",
    "total_tps",
    "peak_output_tps",
    "output_tps_per_gpu",
    "total_tps_per_gpu",
    "output_tps_per_user",
    *(f"{statistic}_{metric}_ms" for metric in METRICS for statistic in STATISTICS),
    "total_input_tokens",
    "total_output_tokens",
    "duration",
    "completed",
    "failed",
    "num_prompts",
    "usage_source",
    "started_at",
    "ended_at",
    "origin",
    "losses",
)
TABLE = (
    ("concurrency", "concurrency", "d"),
    ("req/s", "request_throughput", ".2f"),
    ("out tok/s", "output_tps", ",.1f"),
    ("tok/s/GPU", "total_tps_per_gpu", ",.1f"),
    ("TTFT mean", "mean_ttft_ms", ",.1f"),
    ("p99 ms", "p99_ttft_ms", ",.1f"),
    ("TPOT ms", "mean_tpot_ms", ",.2f"),
    ("E2EL ms", "mean_e2el_ms", ",.1f"),
)


def rows(rollup):
    """Return one flat dict for each point, with the columns of the CSV in order."""
    job = dict(rollup, topology=topology(rollup))
    flat = []
    for record in rollup["results"]:
        row = {column: job.get(column) for column in JOB_COLUMNS}
        row.update({column: record.get(column) for column in POINT_COLUMNS})
        row["invalid_reasons"] = "; ".join(record["invalid_reasons"])
        row["origin"] = (record.get("origin") or {}).get("job_id")
        row["losses"] = "; ".join(record.get("losses") or ())
        flat.append(row)
    return flat


def topology(rollup):
    """Return the short name of the workers: 2P/4D, or 3A."""
    if rollup["is_disaggregated"]:
        return f"{rollup['prefill_workers']}P/{rollup['decode_workers']}D"
    return f"{rollup['agg_workers']}A"


def csv_text(rollup):
    """Return the content of rollup.csv."""
    flat, columns = rows(rollup), [*JOB_COLUMNS, *POINT_COLUMNS]
    try:
        import pandas
    except ImportError:
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(flat)
        return stream.getvalue()
    # Objects, so that a column of whole numbers with a gap does not turn into fractions.
    return pandas.DataFrame(flat, columns=columns, dtype=object).to_csv(index=False, lineterminator="\n")


def table_text(rollup, dry=False, coming=None):
    """Return the points as a table, the verdict, and why it is what it is.

    :param dry: of a dry run: points without a result are no fault, they would be measured.
    :param coming: ``{concurrency: earlier.Found}`` of points that would be kept although another result is the current
        one, or taken over from earlier runs.
    """
    if not rollup:
        return ""
    missing = unmeasured(rollup) if dry else []
    lines = [[title for title, _key, _format in TABLE] + ["valid"]]
    for record in rollup["results"]:
        cells = ["-" if record.get(key) is None else format(record[key], style) for _title, key, style in TABLE]
        mark = "to be measured" if record in missing else "yes" if record["valid"] else "NO"
        if record["concurrency"] in (rollup.get("left_out") or ()):
            mark = "left out" if record["invalid_reasons"] == [NOT_MEASURED] else "NO (left out)"
        found = (coming or {}).get(record["concurrency"])
        if found:
            mark = f"to be kept (attempt {found.attempt})" if found.attempt else "to be taken over"
        if record.get("failed"):
            mark += f" ({record['failed']} failed)"
        if record.get("losses"):
            mark += " (with losses)"
        if record.get("origin"):
            mark += f" (from job {record['origin'].get('job_id')})"
        lines.append([*cells, mark])
    widths = [max(len(line[column]) for line in lines) for column in range(len(TABLE))]
    text = ["  ".join([*(cell.rjust(width) for cell, width in zip(line, widths)), line[-1]]).rstrip() for line in lines]
    if not rollup["results"]:
        text = ["No points were planned."]
    if missing:
        return "\n".join(text)
    text += verdict_lines(rollup)
    lost = losses(rollup)
    if lost:
        text.append("Not all of the service was there, which the job allows (faults: critical: false):")
        text += [f"  {line}" for line in lost]
    return "\n".join(text)


def verdict_lines(rollup):
    """Return whether the results are valid, and why not, as lines."""
    left_out = ", ".join(f"c={concurrency}" for concurrency in rollup.get("left_out") or ())
    reasons = chosen_reasons(rollup)
    if rollup["valid"]:
        return ["The results are valid."]
    if left_out and not reasons:
        return [f"The chosen points are valid; left out: {left_out}."]
    left = [f"  left out: {left_out}"] if left_out else []
    return ["The results are NOT valid:", *(f"  {reason}" for reason in reasons), *left]


def losses(rollup):
    """Return what was missing or lost while points were measured and the job can do without, one line each."""
    return [f"c={record['concurrency']}: {loss}" for record in rollup["results"] for loss in record.get("losses") or ()]


def unmeasured(rollup):
    """Return the records of the points that nobody has measured yet, without those that are left out."""
    left_out = rollup.get("left_out") or ()
    missing = [record for record in rollup["results"] if record["invalid_reasons"] == [NOT_MEASURED]]
    return [record for record in missing if record["concurrency"] not in left_out]
