# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Means over the repeats of a point, with their 95 % confidence interval. The unit of evidence is one repeat."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from typing import TypedDict

from ..benchmarks.base import Benchmark
from ..benchmarks.repeats import REPEAT
from ..json_types import Json, JsonObject
from ..metrics import METRICS
from ..statistics import intervals
from .rollup_file import PointRecord


class Mean(TypedDict):
    """A metric over repeats: the interval ``low`` to ``high`` is None for a single one, and without scipy.

    ``std`` is of the sample.
    """

    n: int
    mean: float
    low: float | None
    high: float | None
    std: float | None
    min: float
    max: float


def mean_of(values: Iterable[float]) -> Mean | None:
    """Return the Mean of *values*, None without any."""
    known = list(values)
    if not known:
        return None
    centre = statistics.fmean(known)
    spread = statistics.stdev(known) if len(known) > 1 else None
    half = intervals.half_width(known) if intervals.available() else None
    return {
        "n": len(known),
        "mean": centre,
        "low": None if half is None else centre - half,
        "high": None if half is None else centre + half,
        "std": spread,
        "min": min(known),
        "max": max(known),
    }


def notes(records: Iterable[PointRecord]) -> list[str]:
    """Return the note, as a list, that repeats have no intervals because this Python lacks scipy."""
    if intervals.available() or not any(record.get(REPEAT, 1) > 1 for record in records):
        return []
    return ["The means of repeats have no confidence intervals: this Python has no scipy (pip install scipy)."]


def summary(records: Iterable[PointRecord], benchmark: Benchmark) -> list[JsonObject]:
    """Return one entry for each point that was repeated: its key, ``planned``, ``valid``, and the Mean of each metric.

    Only valid repeats count.
    """
    groups: dict[str, list[PointRecord]] = {}
    for record in records:
        if REPEAT in record:
            groups.setdefault(str(record["label"]).rpartition(" #")[0], []).append(record)
    return [_entry(label, group, benchmark) for label, group in groups.items()]


def _entry(label: str, group: list[PointRecord], benchmark: Benchmark) -> JsonObject:
    valid = [record for record in group if record["valid"]]
    means: dict[str, Json] = {}
    for name in benchmark.metrics:
        values = [record[name] for record in valid if _is_number(record.get(name))]
        found = mean_of(values) if METRICS[name].digits is not None else None
        means.update({name: found} if found else {})
    key = {field: group[0].get(field) for field in benchmark.key_fields if field in group[0]}
    return {"label": label, **key, "planned": len(group), "valid": len(valid), "metrics": means}


def _is_number(value: Json) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def table(entries: Iterable[Mapping[str, Json]], benchmark: Benchmark) -> list[str]:
    """Return the means as lines, such as ``c=4  3 of 3  out tok/s 812.4 +-12.0 (1.5 %)``."""
    lines = []
    for entry in entries:
        if entry["planned"] == 1:  # a search has single ones
            continue
        parts = []
        for name in benchmark.summary:
            found = entry["metrics"].get(name)
            if found and METRICS[name].better and found["max"] and name not in ("completed", "failed"):
                parts.append(f"{METRICS[name].label} {_with_interval(name, found)}")
        lines.append(f"  {entry['label']}: {entry['valid']} of {entry['planned']} valid, {', '.join(parts) or '-'}")
    return lines


def _with_interval(name: str, found: Mean) -> str:
    text = METRICS[name].text(found["mean"])
    if found["high"] is None or not found["mean"]:
        return text
    half = found["high"] - found["mean"]
    return f"{text} +-{METRICS[name].text(half)} ({100 * half / found['mean']:.1f} %)"
