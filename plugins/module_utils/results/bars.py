# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A picture of throughput and latency for a terminal: one bar a point, in the order of the table."""

from __future__ import annotations

from collections.abc import Sequence

from ..benchmarks.base import Benchmark
from ..metrics import HIGHER, LOWER, METRICS
from .rollup_file import PointRecord

HEIGHTS = "▁▂▃▄▅▆▇█"
NOT_VALID, UNKNOWN = "×", "·"
THROUGHPUT = ("output_tps_per_gpu", "total_tps_per_gpu", "output_tps")
LATENCY = ("mean_e2el_ms", "mean_ttft_ms")
MOST = 80  # points in a line


def lines(records: Sequence[PointRecord], benchmark: Benchmark) -> list[str]:
    """Return a line for the throughput and one for the latency of several points, such as ``out tok/s/GPU  ▃▅█``.

    The bars begin at 0. A point that is not valid has none, and with fewer than two bars there is no line.
    """
    names = [_first(records, benchmark, one) for one in (THROUGHPUT, LATENCY)]
    shown = [METRICS[name] for name in names if name]
    if len(records) > MOST or not shown:
        return []
    width = max(len(one.label) for one in shown)
    found = []
    for one in shown:
        values = [record[one.name] for record in records if record["valid"] and record.get(one.name) is not None]
        most = max(values)
        bars = "".join(_bar(record, one.name, most) for record in records)
        best = {HIGHER: max, LOWER: min}[one.better or HIGHER](values)
        found.append(f"{one.label.ljust(width)}  {bars}  best {one.text(best)}")
    return found


def _first(records: Sequence[PointRecord], benchmark: Benchmark, names: Sequence[str]) -> str | None:
    """Return the first of *names* that is in the table and has a value of a valid point."""
    for name in names:
        if name in benchmark.columns and sum(bool(one["valid"] and one.get(name)) for one in records) > 1:
            return name
    return None


def _bar(record: PointRecord, name: str, most: float) -> str:
    value = record.get(name)
    if value is None:
        return UNKNOWN
    if not record["valid"]:
        return NOT_VALID
    return HEIGHTS[min(len(HEIGHTS) - 1, int(value / most * len(HEIGHTS)))]
