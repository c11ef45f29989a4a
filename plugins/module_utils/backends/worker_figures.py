# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of one worker, filled line by line by a parser, and the summary over all workers.

A parser reads all figures of a line before it adds the first one: a line with an impossible one is lost as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Callable, TypeVar

from ..json_types import JsonObject
from ..topology.modes import MODES
from .flags import SIZES

_Number = TypeVar("_Number", int, float)
MOST, LONGEST = 1e15, 32  # no engine counts further, nor writes longer numbers


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

    def __init__(self) -> None:
        self.count = 0
        self.total: float = 0
        self.largest: float | None = None

    def add(self, value: float | None, keep_zero: bool = True) -> None:
        """Add a number. None is skipped, and so is 0 (an idle interval) without *keep_zero*."""
        if value is None or not (value or keep_zero):
            return
        self.count += 1
        self.total += value
        self.largest = value if self.largest is None else max(self.largest, value)

    def mean(self) -> float | None:
        """Return the mean, or None without numbers."""
        return round(self.total / self.count, 3) if self.count else None


class Metrics:
    """The figures in a worker's log. Throughputs are tokens per second, as the engine logs them (per rank)."""

    def __init__(self) -> None:
        self.sizes: dict[str, int | None] = dict.fromkeys(SIZES)
        self.avail_mem_gb: float | None = None
        self.mem_usage_gb: float | None = None
        self.kv_cache_gb: float | None = None
        self.kv_tokens: int | None = None
        self.batches = self.prefill_batches = self.decode_batches = 0
        self.new_tokens = self.cached_tokens = 0
        self.hit_rate: float | None = None  # percent, from engines that log no token counts
        self.input_throughput, self.gen_throughput, self.running = Mean(), Mean(), Mean()
        self.queue, self.inflight, self.transfer = Mean(), Mean(), Mean()
        self.lost_lines = 0  # that could not be read

    def prefill(
        self,
        new: int = 0,
        cached: int = 0,
        throughput: float | None = None,
        running: float | None = None,
        queue: float | None = None,
        inflight: float | None = None,
    ) -> None:
        """Add a prefill batch."""
        self.prefill_batches += 1
        self.new_tokens += new
        self.cached_tokens += cached
        self.input_throughput.add(throughput, keep_zero=False)
        self._requests(running, queue)
        self.inflight.add(inflight)

    def decode(
        self,
        throughput: float | None = None,
        running: float | None = None,
        queue: float | None = None,
        transfer: float | None = None,
    ) -> None:
        """Add a decode batch, or the interval that a line about decoding covers."""
        self.decode_batches += 1
        self.gen_throughput.add(throughput, keep_zero=False)
        self._requests(running, queue)
        self.transfer.add(transfer)

    def _requests(self, running: float | None, queue: float | None) -> None:
        self.running.add(running)
        self.queue.add(queue)

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

    def cache_hit_rate(self) -> float | None:
        """Return the share of prompt tokens found in the cache, in percent, or None."""
        seen = self.new_tokens + self.cached_tokens
        return round(100.0 * self.cached_tokens / seen, 3) if seen else self.hit_rate

    def record(self) -> JsonObject:
        """Return the figures with the keys of ``nodes[]`` in rollup.json."""
        return {
            **self.sizes,
            "avail_mem_gb": self.avail_mem_gb,
            "mem_usage_gb": self.mem_usage_gb,
            "kv_cache_gb": self.kv_cache_gb,
            "kv_tokens": self.kv_tokens,
            "total_batches": self.batches or self.prefill_batches + self.decode_batches,
            "total_prefill_batches": self.prefill_batches,
            "total_decode_batches": self.decode_batches,
            "total_new_tokens": self.new_tokens,
            "total_cached_tokens": self.cached_tokens,
            "cache_hit_rate": self.cache_hit_rate(),
            "avg_input_throughput": self.input_throughput.mean(),
            "max_input_throughput": self.input_throughput.largest,
            "avg_running_requests": self.running.mean(),
            "max_running_requests": self.running.largest,
            "avg_gen_throughput": self.gen_throughput.mean(),
            "max_gen_throughput": self.gen_throughput.largest,
            "max_queue_requests": self.queue.largest,
            "max_inflight_requests": self.inflight.largest,
            "max_transfer_requests": self.transfer.largest,
            "lost_lines": self.lost_lines,
        }


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
