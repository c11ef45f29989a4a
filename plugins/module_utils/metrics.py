# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one table of metrics: the meaning and format of the figures in rollup.json, rollup.csv and the tables.

``Benchmark.metrics`` lists the metrics of a benchmark. Their names are keys of ``results[]`` in
rollup.json and columns of rollup.csv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .json_types import Json

HIGHER, LOWER = "higher", "lower"
# What a metric may be divided by: GPUs of workers. Those of nodes that no worker uses (``idle_gpus`` in rollup.json)
# count nowhere. Without prefill and decode workers there is no metric of theirs.
GPUS = {"all": "GPU", "prefill": "prefill GPU", "decode": "decode GPU"}


class Metric(NamedTuple):
    """One metric.

    :ivar title: what is measured, for labels; "" if the unit says it.
    :ivar unit: without the GPUs that the metric is divided by.
    :ivar formula: how it is computed, in words.
    :ivar better: HIGHER, LOWER, or None where neither is.
    :ivar digits: digits after the point for display; None: not a number.
    :ivar source: name of the metric that it follows from: divided by *gpus*, or without them 1000 / source, so that
        milliseconds for one become a number for each second.
    :ivar gpus: which GPUs it is divided by: a key of GPUS, or None.
    """

    name: str
    title: str
    unit: str
    formula: str
    better: str | None = None
    digits: int | None = 1
    source: str | None = None
    gpus: str | None = None

    @property
    def label(self) -> str:
        """Return the heading of a column or an axis, such as ``TTFT mean ms`` or ``out tok/s/GPU``."""
        return " ".join(filter(None, (self.title, self.full_unit)))

    @property
    def full_unit(self) -> str:
        """Return the unit with the GPUs that the metric is divided by, such as ``tok/s/GPU``."""
        return f"{self.unit}/{GPUS[self.gpus]}" if self.gpus else self.unit

    def text(self, value: Json) -> str:
        """Return *value* for a cell, without its unit; ``-`` for None."""
        if value is None:
            return "-"
        return str(value) if self.digits is None or isinstance(value, str) else format(value, f",.{self.digits}f")

    def phrase(self, value: Json) -> str:
        """Return *value* for a sentence, such as ``TTFT mean 16.0 ms``."""
        return " ".join(filter(None, (self.title, self.text(value), self.label[len(self.title) :].strip())))


STATISTICS = ("mean", "median", "std", "p90", "p95", "p99")
# Latencies of completed requests: {name: (title, digits, formula)}.
LATENCIES = {
    "ttft": ("TTFT", 1, "time from sending a request to its first token"),
    "tpot": ("TPOT", 2, "(time of the last token - time of the first) / (output tokens - 1), per request"),
    "itl": ("ITL", 2, "time between two consecutive tokens"),
    "e2el": ("E2EL", 1, "time from sending a request to its last token"),
}

_TABLE = (
    Metric(
        "request_rate",
        "rate",
        "req/s",
        "requests, or sessions, sent per second, as configured; inf: all at once",
        None,
        2,
    ),
    Metric("request_throughput", "", "req/s", "completed requests / duration", HIGHER, 2),
    Metric("request_goodput", "good", "req/s", "completed requests within the latency limits / duration", HIGHER, 2),
    Metric("input_tps", "in", "tok/s", "input tokens / duration", HIGHER),
    Metric("output_tps", "out", "tok/s", "output tokens / duration", HIGHER),
    Metric("total_tps", "total", "tok/s", "(input + output tokens) / duration", HIGHER),
    Metric("peak_output_tps", "peak out", "tok/s", "most output tokens per second over ten seconds", HIGHER),
    Metric("peak_output_tps_1s", "peak out in 1 s", "tok/s", "most output tokens in one second", HIGHER),
    *(
        Metric(
            f"{what}_tps_per_gpu",
            title,
            "tok/s",
            f"{what}_tps / all GPUs of the workers",
            HIGHER,
            1,
            f"{what}_tps",
            "all",
        )
        for what, title in (("input", "in"), ("output", "out"), ("total", "total"))
    ),
    *(
        Metric(
            f"{what}_tps_per_{mode}_gpu",
            title,
            "tok/s",
            f"{what}_tps / GPUs of the {mode} workers",
            HIGHER,
            1,
            f"{what}_tps",
            mode,
        )
        for what, title, mode in (("input", "in", "prefill"), ("output", "out", "decode"))
    ),
    Metric("interactivity", "interactivity", "tok/s/user", "1000 / median_itl_ms", HIGHER, 1, "median_itl_ms"),
    Metric("output_tps_per_user", "out", "tok/s/user", "1000 / median_tpot_ms", HIGHER, 1, "median_tpot_ms"),
    *(
        Metric(f"{statistic}_{name}_ms", f"{title} {statistic}", "ms", formula, LOWER, digits)
        for name, (title, digits, formula) in LATENCIES.items()
        for statistic in STATISTICS
    ),
    Metric("total_input_tokens", "input", "tokens", "input tokens of completed requests", None, 0),
    Metric("total_output_tokens", "output", "tokens", "output tokens of completed requests", None, 0),
    Metric("duration", "duration", "s", "from the first request sent to the last one ended", None),
    Metric("completed", "", "completed", "requests that completed", HIGHER, 0),
    Metric("failed", "", "failed", "requests that failed", LOWER, 0),
    Metric("num_prompts", "", "planned", "requests that were planned", None, 0),
    Metric("concurrency_of", "in flight", "", "what is in flight and arrives, if it is not requests", None, None),
    Metric("num_sessions", "", "sessions planned", "sessions that were planned", None, 0),
    Metric("completed_sessions", "", "sessions completed", "sessions all of whose turns completed", HIGHER, 0),
    Metric("failed_sessions", "", "sessions failed", "sessions that a failed turn ended", LOWER, 0),
    *(
        Metric(f"{statistic}_{name}_ttft_ms", f"TTFT {words} {statistic}", "ms", f"TTFT of the {formula}", LOWER)
        for name, words, formula in (
            ("first_turn", "first turn", "first turns of sessions"),
            ("later_turns", "later turns", "second and later turns of sessions"),
        )
        for statistic in ("mean", "median")
    ),
    Metric("mean_think_time_s", "think time mean", "s", "pause between an answer and the next turn, as drawn", None, 2),
    Metric(
        "cache_hit_rate", "cache hits", "%", "prompt tokens in the prefix caches of workers / prompt tokens", HIGHER, 1
    ),
    Metric("cache_source", "cache hits from", "", "the counter, or why there is no rate", None, None),
    Metric(
        "logged_cache_hit_rate",
        "cache hits (logs)",
        "%",
        "the same, from the log lines of workers in the window of the point",
        HIGHER,
        1,
    ),
    Metric("logged_cache_source", "logged by", "", "the words of the log, or why there is no rate", None, None),
    Metric("score", "score", "", "share of the checked answers that are right, 0 to 1", HIGHER, 4),
    Metric("score_stderr", "standard error", "", "of the score, over the samples", LOWER, 4),
    Metric("samples", "", "checked", "answers that were checked", None, 0),
    Metric("harness", "harness", "", "the program that asked and checked, with its version", None, None),
    Metric("task_version", "task version", "", "the version of the task, as its file says", None, None),
    Metric("shots", "", "shots", "examples in each prompt", None, 0),
    Metric("prompt_form", "prompt", "", "how questions are put, and whose chat template applies", None, None),
    Metric("scored_by", "scored by", "", "the task and the metric that the score is of", None, None),
    Metric("measured_by", "measured by", "", "the program whose result file has the figures", None, None),
    Metric(
        "usage_source", "tokens counted by", "", "who counted the output tokens: the server or the client", None, None
    ),
)
METRICS = {one.name: one for one in _TABLE}
# Those that only enough samples tell: a table has no column of dashes for them.
PERCENTILES = tuple(f"{statistic}_{name}_ms" for name in LATENCIES for statistic in STATISTICS if statistic[0] == "p")

# What only benchmarks have that send prompts with common beginnings.
CACHES = ("cache_hit_rate", "cache_source", "logged_cache_hit_rate", "logged_cache_source")

# What only loads of sessions have.
SESSIONS = (
    *("concurrency_of", "num_sessions", "completed_sessions", "failed_sessions"),
    *("mean_first_turn_ttft_ms", "median_first_turn_ttft_ms", "mean_later_turns_ttft_ms", "median_later_turns_ttft_ms"),
    "mean_think_time_s",
)

# The best figures of a run, as min_<name> or max_<name> in rollup.json.
BEST = ("output_tps", "total_tps", "mean_ttft_ms", "mean_itl_ms")


def derived(figures: Mapping[str, Json], gpus: Mapping[str, int]) -> dict[str, float | None]:
    """Return the metrics that follow from other *figures*: input_tps, those per GPU and per user; None without these.

    :param figures: ``{name of a metric: value}``.
    :param gpus: ``{key of GPUS: number of GPUs}``.
    """
    found = {"input_tps": _share(figures.get("total_input_tokens"), figures.get("duration"))}
    known = {**figures, **found}
    for one in METRICS.values():
        if one.source and one.gpus:
            found[one.name] = _share(known.get(one.source), gpus.get(one.gpus))
        elif one.source:
            found[one.name] = _share(1000.0, known.get(one.source))
    return found


def best(records: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Return ``{max_<name> or min_<name>: value}`` of the metrics in BEST over *records*; None where none has one."""
    found = {}
    for name in BEST:
        least = METRICS[name].better == LOWER
        values = (record[name] for record in records if record.get(name) is not None)
        found[f"{'min' if least else 'max'}_{name}"] = (min if least else max)(values, default=None)
    return found


def _share(value: float | None, parts: float | None) -> float | None:
    return round(value / parts, 6) if value is not None and parts else None
