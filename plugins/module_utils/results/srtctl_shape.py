# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""benchmark-rollup.json and benchmark-rollup.csv, in the shape of srtctl's, for tools that read these.

They have no place for doubts: only points that are valid, or have passed, are in them.
"""

from __future__ import annotations

import csv
import io
import json

from ..json_types import Json, JsonObject
from . import decode_running
from .outcome import succeeded
from .rollup_file import PointRecord, Rollup

NAME = "benchmark-rollup"
# {key of runs[]: metric}.
RUNS = {
    "concurrency": "concurrency",
    "throughput_toks": "output_tps",
    "request_throughput": "request_throughput",
    **{f"{name}_{one}_ms": f"{one}_{name}_ms" for name in ("ttft", "tpot", "itl") for one in ("mean", "p99")},
    "e2el_mean_ms": "mean_e2el_ms",
    "completed_requests": "completed",
    "total_input_tokens": "total_input_tokens",
    "total_output_tokens": "total_output_tokens",
}
# {column: key of the rollup, then of a point}; GPUs are those of the workers, as ``Working`` says.
JOB_COLUMNS = {
    "Config": "job_name",
    "Total GPU Count": "allocated_gpus",
    "Decode GPU Count": "decode_gpus",
    "Total Working GPU Count": "total_gpus",
    "Decode Working GPU Count": "decode_gpus",
    "Prefill Working GPU Count": "prefill_gpus",
}
POINT_COLUMNS = {
    "Concurrency": "concurrency",
    "Total Token Throughput": "total_tps",
    "Output Token Throughput": "output_tps",
    "Median TTFT": "median_ttft_ms",
    "Median TPOT": "median_tpot_ms",
    "Median ITL": "median_itl_ms",
    "P90 Decode Running Requests": decode_running.KEY,
    "Output Token Throughput per User": "output_tps_per_user",
    "Total Token Throughput per GPU": "total_tps_per_gpu",
}


def points(rollup: Rollup) -> list[PointRecord]:
    """Return the points that the files have: those with a concurrency that are valid or have passed, in its order."""
    found = [one for one in rollup["results"] if one.get("concurrency") is not None and succeeded(one)]
    return sorted(found, key=lambda one: one["concurrency"])


def json_text(rollup: Rollup) -> str:
    """Return the content of benchmark-rollup.json."""
    about: JsonObject = {**rollup}
    made = {
        "benchmark_type": rollup["benchmark_type"],
        "timestamp": rollup["generated_at"],
        "config": {"model": rollup["model_name"], "isl": about.get("isl"), "osl": about.get("osl")},
        "runs": [{key: one.get(name) for key, name in RUNS.items()} for one in points(rollup)],
    }
    return json.dumps(made, indent=2) + "\n"


def csv_text(rollup: Rollup) -> str:
    """Return the content of benchmark-rollup.csv: at most three decimals, what is not known is empty."""
    about: JsonObject = {**rollup}
    job = {column: _cell(about.get(key) or None) for column, key in JOB_COLUMNS.items()}
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*JOB_COLUMNS, *POINT_COLUMNS], lineterminator="\n")
    writer.writeheader()
    for one in points(rollup):
        writer.writerow({**job, **{column: _cell(one.get(name)) for column, name in POINT_COLUMNS.items()}})
    return stream.getvalue()


def _cell(value: Json) -> str:
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    return "" if value is None else str(value)
