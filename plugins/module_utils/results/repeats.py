# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Means over the repeats of a point, with their 95 % confidence interval. The unit of evidence is one repeat."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import TypedDict

from ..benchmarks.base import Benchmark
from ..benchmarks.repeats import REPEAT
from ..json_types import Json, JsonObject, is_number
from ..metrics import METRICS
from . import deployments

# Quantiles of Student's t, two-sided 95 %, by degrees of freedom; between two entries the smaller one counts.
T_95 = {
    **dict(enumerate((
        12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
        2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
    ), 1)),
    40: 2.021, 60: 2.000, 100: 1.984,
}  # fmt: skip


class Mean(TypedDict):
    """A metric over repeats: the interval ``low`` to ``high`` is None for a single one; ``std`` is of the sample."""

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
    half = None if spread is None else t_95(len(known) - 1) * spread / math.sqrt(len(known))
    return {
        "n": len(known),
        "mean": centre,
        "low": None if half is None else centre - half,
        "high": None if half is None else centre + half,
        "std": spread,
        "min": min(known),
        "max": max(known),
    }


def t_95(freedom: int) -> float:
    """Return the quantile of Student's t that a two-sided 95 % interval needs, never too small a one."""
    return T_95[max(one for one in T_95 if one <= freedom)]


def summary(records: Iterable[JsonObject], benchmark: Benchmark) -> list[JsonObject]:
    """Return one entry for each point that was repeated: its key, counts, and the Mean of each metric.

    Only valid repeats count. The counts are ``planned``, ``valid``, and ``deployments``: how many of these measured
    them, as far as they are known.
    """
    groups: dict[str, list[JsonObject]] = {}
    for record in records:
        if REPEAT in record:
            groups.setdefault(str(record["label"]).rpartition(" #")[0], []).append(record)
    return [_entry(label, group, benchmark) for label, group in groups.items()]


def _entry(label: str, group: list[JsonObject], benchmark: Benchmark) -> JsonObject:
    valid = [record for record in group if record["valid"]]
    means: dict[str, Json] = {}
    for name in benchmark.metrics:
        values = [record[name] for record in valid if is_number(record.get(name))]
        found = mean_of(values) if METRICS[name].digits is not None else None
        means.update({name: found} if found else {})
    key = {field: group[0].get(field) for field in benchmark.key_fields if field in group[0]}
    counts = {"planned": len(group), "valid": len(valid), "deployments": deployments.number(valid)}
    return {"label": label, **key, **counts, "metrics": means}


def are_entries(found: Json) -> bool:
    """Return whether *found* has the shape of what :func:`summary` returns."""
    return isinstance(found, list) and all(isinstance(one, dict) and _is_entry(one) for one in found)


def _is_entry(entry: JsonObject) -> bool:
    counts, means = (entry.get("planned"), entry.get("valid"), entry.get("deployments", 0)), entry.get("metrics")
    return (
        isinstance(entry.get("label"), str)
        and all(isinstance(count, int) and not isinstance(count, bool) for count in counts)
        and isinstance(means, dict)
        and all(name in METRICS and isinstance(mean, dict) for name, mean in means.items())
        and all(is_number(mean.get(key)) for mean in means.values() for key in ("mean", "max", "min"))
        and all(mean.get("high") is None or is_number(mean["high"]) for mean in means.values())
    )


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
        number = entry.get("deployments") or 0
        several = f" by {number} deployments" if number > 1 else ""
        counts = f"{entry['valid']} of {entry['planned']} valid{several}"
        lines.append(f"  {entry['label']}: {counts}, {', '.join(parts) or '-'}")
    return lines


def _with_interval(name: str, found: Mean) -> str:
    text = METRICS[name].text(found["mean"])
    if found["high"] is None or not found["mean"]:
        return text
    half = found["high"] - found["mean"]
    return f"{text} +-{METRICS[name].text(half)} ({100 * half / found['mean']:.1f} %)"
