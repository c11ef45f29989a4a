# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures of a worker from its metrics page, for workers whose logs have none.

Gauges are sampled as often as the page was read in the window, and rates are those between its first and last reading
there. So a point that is shorter than the interval of the scraper may have none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ..backends.worker_figures import Window
from ..json_types import JsonObject
from .scraped import Page

# What the metrics of dynamo's workers, vLLM and SGLang are called. Those of several ranks or workers in a process are
# added, shares averaged.
GAUGES = {
    "running": r'dynamo_component_inflight_requests\{(?=.*dynamo_endpoint="generate")|vllm:num_requests_running\{|'
    r"sglang:num_running_reqs\{",
    "queue": r"vllm:num_requests_waiting\{|sglang:num_queue_reqs\{",
    "kv": r"dynamo_component_gpu_cache_usage_percent\{|vllm:(?:gpu|kv)_cache_usage_perc\{|sglang:token_usage\{",
}
COUNTERS = {
    "requests": r'dynamo_component_requests_total\{(?=.*dynamo_endpoint="generate")|vllm:request_success_total\{|'
    r"sglang:num_requests_total\{",
    "input": r"vllm:prompt_tokens_total\{|sglang:prompt_tokens_total\{",
    "gen": r"vllm:generation_tokens_total\{|sglang:generation_tokens_total\{",
}
_PATTERNS = {name: re.compile(pattern) for name, pattern in {**GAUGES, **COUNTERS}.items()}
_SHARES = ("kv",)


def figures(pages: Iterable[tuple[Page, Window]]) -> JsonObject:
    """Return the figures of one worker in all these windows, with the keys of ``nodes[]``; {} if there are none."""
    samples: dict[str, list[float]] = {name: [] for name in GAUGES}
    grown: dict[str, list[tuple[float, float]]] = {name: [] for name in COUNTERS}
    for page, (begin, end) in pages:
        times = [one for one in page.times if begin <= one <= end]
        for name in GAUGES:
            samples[name] += _gauge(page, name, times)
        for name in COUNTERS if len(times) > 1 else ():
            grown[name] += [(one, times[-1] - times[0]) for one in _growth(page, name, times[0], times[-1])]
    found: JsonObject = {}
    for name, key in (("running", "running_requests"), ("queue", "queue_requests"), ("kv", "kv_usage")):
        if samples[name]:
            mean = sum(samples[name]) / len(samples[name])
            found.update({f"avg_{key}": round(mean, 5), f"max_{key}": max(samples[name])})
    for name, key in (("requests", "request_rate"), ("input", "input_throughput"), ("gen", "gen_throughput")):
        if grown[name]:
            found[f"avg_{key}"] = round(
                sum(one for one, _time in grown[name]) / sum(time for _one, time in grown[name]), 3
            )
    return found


def running(page: Page, during: Window) -> list[float]:
    """Return the running requests of a worker as often as its *page* was read in a window."""
    return _gauge(page, "running", [one for one in page.times if during[0] <= one <= during[1]])


def _series(page: Page, name: str) -> list[str]:
    return [one for one in page.values if _PATTERNS[name].match(one)]


def _gauge(page: Page, name: str, times: Sequence[float]) -> list[float]:
    """Return the value of a gauge at *times*."""
    columns = [_held(page.values[one], times) for one in _series(page, name)]
    rows = ([value for value in row if value is not None] for row in zip(*columns))
    return [sum(row) / (len(row) if name in _SHARES else 1) for row in rows if row]


def _held(samples: Sequence[tuple[float, float]], times: Iterable[float]) -> list[float | None]:
    """Return the number that held at each of *times*, which are in order; None before the first sample."""
    found: list[float | None] = []
    place, last = 0, None
    for time in times:
        while place < len(samples) and samples[place][0] <= time:
            last = samples[place][1]
            place += 1
        found.append(last)
    return found


def _growth(page: Page, name: str, begin: float, end: float) -> list[float]:
    """Return by how much the counters grew in all between two readings, as a list; [] if it has none of them.

    One that is new began at 0. Without one that went back, because its worker was started anew, nothing is known.
    """
    total, found = 0.0, False
    for one in _series(page, name):
        first, last = page.at(one, begin) or 0.0, page.at(one, end)
        if last is not None and last < first:
            return []
        total, found = total + (last or 0.0) - first, found or last is not None
    return [total] if found else []
