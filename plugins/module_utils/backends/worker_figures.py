# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of one worker: over its whole log, over the window of each point, and over time.

A column has one figure for each of several lines:

========  =========================================================================
new       prompt tokens read
cached    prompt tokens found in the prefix cache
input     prompt tokens per second, as the engine logs them (per rank)
gen       tokens generated per second, as the engine logs them (per rank)
running   requests in the batch, or running in the interval
queue     requests that wait
inflight  requests whose KV cache is on its way from a prefill worker
transfer  requests whose KV cache is on its way to a decode worker
kv        share of the KV cache in use, 0 to 1
hit       share of prompt tokens found in the cache, 0 to 1, of engines that log no token counts
========  =========================================================================
"""

from __future__ import annotations

import calendar
import datetime
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Callable, NamedTuple, TypeVar, Union

from ..json_types import JsonObject
from ..topology.modes import MODES
from .flags import SIZES
from .worker_series import SERIES, Series

_Number = TypeVar("_Number", int, float)
Column = Sequence[Union[int, float]]
MOST, LONGEST = 1e15, 32  # no engine counts further, nor writes longer numbers
FIRST_YEAR, LAST_YEAR = 2000, 2100
PREFILL, DECODE, INTERVAL = "prefill", "decode", "interval"
KEPT = frozenset(("new", "cached", "input", "gen", "running", "queue", "inflight", "transfer", "kv", "hit"))
RATES = ("input", "gen")  # 0 is an idle interval, and no sample
# Columns of whole numbers; also those that only a split reads.
COUNTS = frozenset(("new", "cached", "running", "queue", "inflight", "transfer", "made", "rank"))


class Batch(NamedTuple):
    """Several lines: *size* of them, their columns and their times (UTC seconds; None: unknown).

    ``again``: another batch of the same lines counts them.
    """

    kind: str
    size: int
    columns: Mapping[str, Column]
    times: Sequence[float] | None
    again: bool = False

    def only(self, rows: Sequence[int], kind: str, again: bool, columns: Mapping[str, Column]) -> Batch:
        """Return the lines at *rows* as a batch of their own, with the *columns*."""
        times = None if self.times is None else [self.times[row] for row in rows]
        chosen = {name: [values[row] for row in rows] for name, values in columns.items()}
        return Batch(kind, len(rows), chosen, times, again)


def figures_of(name: str, texts: Sequence[bytes]) -> Column:
    """Return the column *name*; ValueError if a text is no figure that an engine can mean."""
    values: Column = [*map(int, texts)] if name in COUNTS else [*map(float, texts)]
    if not max(values) <= MOST:  # without signs none is negative
        raise ValueError("The figure is impossible.")
    return values


def seconds_of(minute: Sequence[bytes], year: int | None) -> float:
    """Return the UTC seconds of (year, month, day, hour, minute) in text; ValueError if there is no such minute."""
    known, month, day, hours, minutes = (int(text) for text in (minute[0] or b"%d" % (year or 0), *minute[1:]))
    if not FIRST_YEAR <= known <= LAST_YEAR:
        raise ValueError(f"The year {known} is impossible.")
    return float(calendar.timegm(datetime.datetime(known, month, day, hours, minutes).timetuple()))


def number(text: str, kind: Callable[[str], _Number]) -> _Number:
    """Return the figure that *text* says; ValueError if no engine can mean it."""
    if len(text) > LONGEST:
        raise ValueError("The number is too long.")
    return possible(kind(text))


def possible(value: _Number) -> _Number:
    """Return the figure *value*; ValueError if it is not one from 0 to MOST."""
    if not 0 <= value <= MOST:
        raise ValueError(f"The figure {value} is impossible.")
    return value


def whole(pattern: re.Pattern[str], line: str) -> int | None:
    """Return the whole number in the first group of *pattern* in *line*, None if the line has none."""
    found = pattern.search(line)
    return number(found.group(1), int) if found else None


def decimal(pattern: re.Pattern[str], line: str) -> float | None:
    """Return the number in the first group of *pattern* in *line*, None if the line has none."""
    found = pattern.search(line)
    return number(found.group(1), float) if found else None


def sizes_in(line: str, patterns: Mapping[str, re.Pattern[str]]) -> dict[str, int]:
    """Return the parallel sizes in *line*, by the first group with text of their *patterns*."""
    found = {name: pattern.search(line) for name, pattern in patterns.items()}
    return {name: number(next(filter(None, one.groups())), int) for name, one in found.items() if one}


class Mean:
    """Running mean and maximum."""

    def __init__(self, kept: Sequence[float | None] = (0, 0, None)) -> None:
        self.count, self.total, self.largest = kept

    def add(self, values: Column) -> None:
        """Add a column, which may be empty."""
        if values:
            largest = max(values)
            self.count = (self.count or 0) + len(values)
            self.total = (self.total or 0) + sum(values)
            self.largest = largest if self.largest is None else max(self.largest, largest)

    def mean(self) -> float | None:
        """Return the mean, or None without numbers."""
        return round((self.total or 0) / self.count, 3) if self.count else None

    def kept(self) -> list[float | None]:
        """Return what makes an equal one."""
        return [self.count, self.total, self.largest]


class Totals:
    """The figures of batches in some time.

    :ivar running: how often each number of running requests was logged, without batches that only read prompts.
    :ivar hit: the last share of the prefix cache that was logged, and its time if that is known.
    """

    def __init__(self, kept: JsonObject | None = None) -> None:
        kept = kept or {}
        self.counts: dict[str, int] = dict(kept.get("counts") or {"all": 0, PREFILL: 0, DECODE: 0, INTERVAL: 0})
        self.means = {name: Mean(values) for name, values in (kept.get("means") or {}).items()}
        hit = kept.get("hit") or (None, None)
        self.hit: tuple[float | None, float | None] = (hit[0], hit[1])
        self.running = Counter({int(number): count for number, count in (kept.get("running") or {}).items()})

    def add(self, batch: Batch) -> None:
        """Add the lines of *batch*."""
        self.counts[batch.kind] += batch.size
        self.counts["all"] += 0 if batch.again or batch.kind == INTERVAL else batch.size
        for name, values in batch.columns.items():
            if name not in self.means:
                self.means[name] = Mean()
            self.means[name].add([one for one in values if one] if name in RATES and 0 in values else values)
        if batch.columns.get("hit"):
            self.add_hit(batch.columns["hit"][-1], batch.times[-1] if batch.times else None)
        if batch.kind != PREFILL:
            self.running.update(map(int, batch.columns.get("running") or ()))

    def add_hit(self, share: float, time: float | None) -> None:
        """Add a share of the prefix cache; one that is older than the last does not take its place."""
        if time is None or self.hit[1] is None or time >= self.hit[1]:
            self.hit = (share, time)

    def kept(self) -> JsonObject:
        """Return what makes an equal one."""
        means = {name: one.kept() for name, one in self.means.items()}
        running = {str(one): count for one, count in self.running.items()}
        return {"counts": self.counts, "means": means, "running": running, "hit": list(self.hit)}

    def _of(self, name: str) -> Mean:
        return self.means.get(name) or Mean()

    def record(self) -> JsonObject:
        """Return the figures with the keys of ``nodes[]`` in rollup.json."""
        new, cached = (int(self._of(name).total or 0) for name in ("new", "cached"))
        last, seen = self.hit[0], new + cached
        rate = 100.0 * cached / seen if seen else None if last is None else 100.0 * last
        kv = self._of("kv")
        return {
            "total_batches": self.counts["all"],
            "total_prefill_batches": self.counts[PREFILL],
            "total_decode_batches": self.counts[DECODE],
            "total_new_tokens": new,
            "total_cached_tokens": cached,
            "cache_hit_rate": None if rate is None else round(rate, 3),
            "avg_input_throughput": self._of("input").mean(),
            "max_input_throughput": self._of("input").largest,
            "avg_running_requests": self._of("running").mean(),
            "max_running_requests": self._of("running").largest,
            "avg_gen_throughput": self._of("gen").mean(),
            "max_gen_throughput": self._of("gen").largest,
            "max_queue_requests": self._of("queue").largest,
            "max_inflight_requests": self._of("inflight").largest,
            "max_transfer_requests": self._of("transfer").largest,
            "avg_kv_usage": None if kv.mean() is None else round((kv.total or 0) / (kv.count or 1), 5),
            "max_kv_usage": kv.largest,
        }


Window = tuple[float, float]


class Metrics:
    """The figures in a worker's log. Throughputs are tokens per second, as the engine logs them (per rank).

    :param windows: times of the points, in UTC seconds.
    :param kept: what :meth:`kept` of an earlier one returned.
    :param lasts_s: of the log, as far as known.
    """

    def __init__(self, windows: Iterable[Window] = (), kept: JsonObject | None = None, lasts_s: float = 0) -> None:
        kept = kept or {}
        self.sizes: dict[str, int | None] = {**dict.fromkeys(SIZES), **(kept.get("sizes") or {})}
        self.avail_mem_gb: float | None = kept.get("avail_mem_gb")
        self.mem_usage_gb: float | None = kept.get("mem_usage_gb")
        self.kv_cache_gb: float | None = kept.get("kv_cache_gb")
        self.kv_tokens: int | None = kept.get("kv_tokens")
        self.lost_lines: int = kept.get("lost_lines") or 0  # that could not be read
        self.unknown_lines: int = kept.get("unknown_lines") or 0  # of batches, but in no form that is known
        self.undated_lines: int = kept.get("undated_lines") or 0
        self.example: str | None = kept.get("example")  # of an unknown line
        self.last_time: float | None = kept.get("last_time")
        self.totals, self.series = Totals(kept.get("totals")), Series(kept.get("series"), lasts_s)
        known = {(begin, end): totals for begin, end, totals in kept.get("windows") or ()}
        self.windows = {window: Totals(known.get(window)) for window in windows}

    def add(self, batch: Batch) -> None:
        """Add the lines of *batch*."""
        if not batch.size:
            return
        self.totals.add(batch)
        if batch.times is None:
            self.undated_lines += 0 if batch.again else batch.size
            return
        batch = _in_order(batch)
        times: Sequence[float] = batch.times or ()
        self.last_time = max(times[-1], self.last_time or times[-1])
        self.series.add(times, _shown(batch.columns))
        for (begin, end), totals in self.windows.items():
            if begin <= times[-1] and end >= times[0]:
                first, behind = bisect_left(times, begin), bisect_right(times, end)
                part = {name: values[first:behind] for name, values in batch.columns.items()}
                totals.add(batch._replace(size=behind - first, columns=part, times=times[first:behind]))

    def unknown(self, count: int, line: bytes) -> None:
        """Count lines about batches that say nothing in a form that is known; *line* is one of them."""
        self.unknown_lines += count
        self.example = self.example or line.decode("utf-8", "replace")

    def hit_rate(self, percent: float) -> None:
        """Add a hit rate of the prefix cache that no line about batches has; ValueError if it is impossible."""
        if percent > 100:
            raise ValueError("The share is impossible.")
        self.totals.means.setdefault("hit", Mean()).add([percent / 100])
        self.totals.add_hit(percent / 100, None)

    def knows(self, name: str) -> bool:
        """Return whether the parallel size or the attribute *name* is known."""
        return (self.sizes[name] if name in self.sizes else getattr(self, name)) is not None

    def memory(
        self,
        avail_gb: float | None = None,
        usage_gb: float | None = None,
        kv_gb: float | None = None,
        kv_tokens: int | None = None,
    ) -> None:
        """Add memory figures: the first value of the first two counts, the largest of the last two."""
        if self.avail_mem_gb is None:
            self.avail_mem_gb = avail_gb
        if self.mem_usage_gb is None:
            self.mem_usage_gb = usage_gb
        self.kv_cache_gb = _larger(self.kv_cache_gb, kv_gb)
        self.kv_tokens = _larger(self.kv_tokens, kv_tokens)

    def set_sizes(self, sizes: Mapping[str, int]) -> None:
        """Record parallel sizes; the first one of each counts."""
        for name, value in sizes.items():
            if self.sizes[name] is None:
                self.sizes[name] = value

    def record(self) -> JsonObject:
        """Return the figures with the keys of ``nodes[]`` in rollup.json."""
        return {
            **self.sizes,
            "avail_mem_gb": self.avail_mem_gb,
            "mem_usage_gb": self.mem_usage_gb,
            "kv_cache_gb": self.kv_cache_gb,
            "kv_tokens": self.kv_tokens,
            **self.totals.record(),
            "lost_lines": self.lost_lines,
            "unknown_lines": self.unknown_lines,
        }

    def kept(self) -> JsonObject:
        """Return what makes an equal one, for JSON."""
        plain = ("sizes", "avail_mem_gb", "mem_usage_gb", "kv_cache_gb", "kv_tokens", "lost_lines", "unknown_lines",
                 "undated_lines", "example", "last_time")  # fmt: skip
        return {
            **{name: getattr(self, name) for name in plain},
            "totals": self.totals.kept(),
            "series": self.series.kept(),
            "windows": [[begin, end, totals.kept()] for (begin, end), totals in self.windows.items()],
        }


def _in_order(batch: Batch) -> Batch:
    """Return *batch* with its lines in the order of their times."""
    times: Sequence[float] = batch.times or ()
    if times == sorted(times):
        return batch
    return batch.only(sorted(range(batch.size), key=times.__getitem__), batch.kind, batch.again, batch.columns)


def _shown(columns: Mapping[str, Column]) -> dict[str, Sequence[float | None]]:
    """Return the columns that are shown over time."""
    shown: dict[str, Sequence[float | None]] = {name: columns[name] for name in SERIES if name in columns}
    if "new" in columns and "cached" in columns:
        pairs = zip(columns["new"], columns["cached"])
        shown["hit"] = [cached / (new + cached) if new or cached else None for new, cached in pairs]
    return shown


def summarise(nodes: Sequence[JsonObject]) -> JsonObject:
    """Return ``nodes_summary`` over the records of workers (``nodes[]``); missing figures are None."""

    def of(worker_type: str, key: str) -> list[float]:
        return [node[key] for node in nodes if node["worker_type"] == worker_type and node[key]]

    input_means, input_peaks = of("prefill", "avg_input_throughput"), of("prefill", "max_input_throughput")
    gen_means, gen_peaks = of("decode", "avg_gen_throughput"), of("decode", "max_gen_throughput")
    new = sum(node["total_new_tokens"] or 0 for node in nodes)
    cached = sum(node["total_cached_tokens"] or 0 for node in nodes)
    caches = [node["kv_cache_gb"] for node in nodes if node["kv_cache_gb"] is not None]
    return {
        **{
            f"total_{worker_type}_nodes": sum(node["worker_type"] == worker_type for node in nodes)
            for worker_type in MODES
        },
        "total_prefill_tokens": new,
        "total_cached_tokens": cached,
        "overall_cache_hit_rate": round(100.0 * cached / (new + cached), 3) if new + cached else None,
        "avg_prefill_input_throughput": _mean(input_means),
        "max_prefill_input_throughput": max(input_peaks, default=None),
        "avg_decode_gen_throughput": _mean(gen_means),
        "max_decode_gen_throughput": max(gen_peaks, default=None),
        "total_kv_cache_gb": round(sum(caches), 3) if caches else None,
        "nodes": nodes,
    }


def _mean(values: Sequence[float]) -> float | None:
    return round(sum(values) / len(values), 3) if values else None


def _larger(old: _Number | None, new: _Number | None) -> _Number | None:
    return new if old is None or (new is not None and new > old) else old
