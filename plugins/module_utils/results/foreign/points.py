# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The points of a run of srtctl, as in ``results[]`` of a rollup: passed, not valid, or not measured."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from ... import metrics
from ...benchmarks.base import Benchmark
from ...benchmarks.formats.base import contradictions, too_few
from ...failures import Error
from ...json_types import JsonObject
from ...plain_text import shown
from ..rollup_file import PointRecord
from ..verdict import INVALID, MIN_COMPLETED, NOT_MEASURED, PASSED
from .measured import Measured

DOUBT = (
    "measured by srtctl: nothing proves that the service was whole meanwhile, that its requests were those that were "
    "planned, and that its load client ran well"
)
SCORERS = ("lm-eval", "sgl-eval")
WORKLOADS = re.compile(r"(?:.*_)?(mooncake|conversation|synthetic|toolagent)(?:_.*)?")


def of(benchmark: Benchmark, found: Iterable[Measured]) -> tuple[list[Measured], list[Measured]]:
    """Return (those of the results that are points of *benchmark*, the others): a score is no load."""
    scores = benchmark.summary[:1] == ("score",)
    mine: list[Measured] = []
    others: list[Measured] = []
    for one in found:
        scored = one.result is not None and one.result.program in SCORERS
        (mine if scored == scores or benchmark.type == "custom" else others).append(one)
    return mine, others


def records(
    benchmark: Benchmark,
    found: Sequence[Measured],
    planned: Sequence[int],
    sizes: Mapping[str, int],
    unfinished: Mapping[int, str],
) -> list[PointRecord]:
    """Return a record for each result, by concurrency, and for each planned one without a result.

    :param planned: the concurrencies that the recipe asks for, empty if nothing says so.
    :param unfinished: ``{concurrency: why}`` of measurements that did not complete.
    """
    there = {one.level for one in found}
    missing = [level for level in planned if level not in there] if "concurrency" in benchmark.key_fields else []
    made = [_record(benchmark, one, planned, sizes, unfinished) for one in found]
    for level in missing:
        why = [unfinished[level]] if level in unfinished else []
        made.append(_unmeasured(benchmark, level, ["was not measured", *why]))
    return sorted(made, key=lambda one: (one.get("concurrency") is None, one.get("concurrency") or 0, one["label"]))


def _named(benchmark: Benchmark, level: int | None, path: str, run: str) -> JsonObject:
    """Return the fields that identify a point, its ``name`` and its ``label``."""
    key: JsonObject = {}
    label = benchmark.type
    if "concurrency" in benchmark.key_fields and level is not None:
        key, label = {"concurrency": level}, f"c={level}"
    elif "workload" in benchmark.key_fields:
        parts = [WORKLOADS.fullmatch(part) for part in path.split("/")]
        workload = next((part.group(1) for part in parts if part), None)
        key, label = {"workload": workload}, workload or label
    words = [word for part in run.split("/") for word in part.split("__")]
    own = [word for word in words if word and word != "profile_runs" and not word.startswith("concurrency_")]
    label = " ".join([label, *own])
    return {**key, "name": "bench_" + re.sub(r"[^a-z0-9]+", "_", label.replace("=", "")).strip("_"), "label": label}


def _record(
    benchmark: Benchmark, one: Measured, planned: Sequence[int], sizes: Mapping[str, int], unfinished: Mapping[int, str]
) -> PointRecord:
    """Return the record of the result *one*."""
    result = one.result
    figures = result.figures if result else {}
    reasons = [why for level, why in unfinished.items() if level == one.level]
    doubts = [DOUBT]
    if result:
        reasons += [*result.faults, *result.disturbances, *too_few(figures, MIN_COMPLETED)]
        doubts += [*result.doubts, *contradictions(figures)]
    else:
        reasons.append(f"its result file cannot be read: {one.why}")
    if one.named not in (None, one.level):
        doubts.append(f"its name says concurrency {one.named}, but it says {one.level}")
    if planned and one.level is not None and one.level not in planned:
        doubts.append(f"its recipe does not ask for concurrency {one.level}")
    said = {name: value for name, value in figures.items() if name in benchmark.metrics}
    if "measured_by" in benchmark.metrics and result:
        said["measured_by"] = result.program
    known = {**dict.fromkeys(benchmark.metrics), **said}
    gpus = {"all": sizes["total_gpus"], **{mode: sizes[f"{mode}_gpus"] for mode in ("prefill", "decode")}}
    known.update({key: value for key, value in metrics.derived(known, gpus).items() if key in benchmark.metrics})
    record: PointRecord = {
        **known,
        **_named(benchmark, one.level, one.path, result.run if result else ""),
        "valid": False,
        "state": INVALID if reasons else PASSED,
        "invalid_reasons": [shown(reason) for reason in dict.fromkeys(reasons)],
        "digest": None,
        "path": one.path,
        "origin": None,
        "started_at": figures.get("started_at"),
        "ended_at": figures.get("ended_at"),
    }
    return record if reasons else {**record, "doubts": [shown(doubt) for doubt in dict.fromkeys(doubts)]}


def _unmeasured(benchmark: Benchmark, level: int, reasons: list[str]) -> PointRecord:
    return {
        **dict.fromkeys(benchmark.metrics),
        **_named(benchmark, level, "", ""),
        "valid": False,
        "state": NOT_MEASURED,
        "invalid_reasons": reasons,
        "digest": None,
        "path": None,
        "origin": None,
        "started_at": None,
        "ended_at": None,
    }


def check_distinct(root: str, made: Iterable[PointRecord]) -> None:
    """Raise Error if two results are of the same point: one of them is of another run."""
    seen: dict[str, PointRecord] = {}
    for one in made:
        known = seen.setdefault(one["label"], one)
        if known is not one:
            raise Error(
                f"{root} has two results of {one['label']}, {known['path']} and {one['path']}, and one run has one. "
                "Put the files of each run into a directory of its own."
            )
