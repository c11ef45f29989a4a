# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of the benchmark clients of one family: vLLM's, sa-bench's, which came from it, and SGLang's.

Their keys are the same but for a few names. Failed requests are counted in different ways, and by some not at all.
Single requests are in seconds, all other times in milliseconds.
"""

from __future__ import annotations

import datetime
import statistics

from ...json_types import JsonObject
from ...metrics import LATENCIES, STATISTICS
from ..base import Figures
from ..own_client.client_health import disturbances
from ..own_client.evaluate import own_faults
from .base import Recognised, names, number, request_faults, unsaid, without_samples

# A result has one of the first, one of the second, and a latency.
NEEDED = (("output_throughput",), ("completed", "duration", "max_concurrency"))
# {metric: names of its key, the first one that is there counts}
KEYS = {
    "output_tps": ("output_throughput",),
    "total_tps": ("total_token_throughput", "total_throughput"),
    "request_throughput": ("request_throughput",),
    "request_goodput": ("request_goodput", "request_goodput:"),  # as vLLM wrote it once
    "peak_output_tps": ("peak_output_tokens_per_s",),
    "peak_output_tps_1s": ("max_output_tokens_per_s",),
    "total_input_tokens": ("total_input_tokens", "total_input"),
    "total_output_tokens": ("total_output_tokens", "total_output"),
    "duration": ("duration",),
    "completed": ("completed",),
    "num_prompts": ("num_prompts",),
    **{f"{one}_{name}_ms": (f"{one}_{name}_ms",) for name in LATENCIES for one in STATISTICS},
}
OURS = "the load client of srt.slurm"
SGLANG_E2EL = "e2e_latency"  # SGLang's name of E2EL
# Keys that only sa-bench has, or had: the family's first ones.
SA_BENCH = ("peak_output_tokens_per_s", "reuse_http_connections", "total_input", *(f"percentiles_{one}_ms" for one in
            LATENCIES))  # fmt: skip
LAST_S = 1e11  # seconds since 1970: later ones are milliseconds


def parse(raw: JsonObject) -> Recognised | None:
    """Return what a result of this family says; see :data:`base.Parser`."""
    if not all(any(key in raw for key in keys) for keys in NEEDED) or not _statistics(raw):
        return None
    figures: Figures = {}
    for name, keys in KEYS.items():
        known = keys
        if name.endswith("_e2el_ms"):
            known = (*keys, name.replace("e2el", SGLANG_E2EL))
        figures[name] = number(next((raw[key] for key in known if raw.get(key) is not None), None))
    for name, value in _percentile_pairs(raw).items():
        figures[name] = value if figures.get(name) is None else figures[name]
    if figures["total_tps"] is None:
        figures["total_tps"] = _total(figures)
    figures["concurrency"] = _level(raw)
    rate = raw.get("request_rate")
    figures["request_rate"] = "inf" if rate == "inf" or _infinite(rate) else number(rate)
    figures["failed"] = _failed(raw, figures)
    figures.update(_times(raw))
    program, doubts = _program(raw), unsaid(figures)
    faults = request_faults(figures, number(raw.get("num_prompts")))
    models = names(raw.get("model_id"))
    if program != OURS:
        figures = without_samples(figures)
        doubts += _other_unit(raw, figures)
        return Recognised(program, figures, faults, doubts, models=models)
    if faults:
        return Recognised(program, without_samples(figures), faults, doubts, models=models)
    faults = own_faults(raw)
    return Recognised(program, figures, faults, doubts, [] if faults else disturbances(raw), models)


def _statistics(raw: JsonObject) -> bool:
    return any(f"{one}_{name}_ms" in raw for one in ("mean", "median") for name in (*LATENCIES, SGLANG_E2EL))


def _program(raw: JsonObject) -> str:
    if "total_output_tokens_retokenized" in raw:
        return "sglang.bench_serving"
    if "client_health" in raw:
        return OURS
    return "sa-bench" if any(key in raw for key in SA_BENCH) else "vllm bench serve"


def _times(raw: JsonObject) -> Figures:
    """Return when the measurement began and ended, in UTC, if *raw* says so: its ``date`` has no time zone."""
    found: Figures = {}
    for name, word in (("started_at", "start"), ("ended_at", "end")):
        seconds = number(raw.get(f"benchmark_{word}_time_unix"))
        if seconds is not None and seconds < LAST_S:
            when = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
            found[name] = when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return found


def _other_unit(raw: JsonObject, figures: Figures) -> list[str]:
    """Return the doubt, as a list, about a mean TTFT that is not that of the single requests, which are in seconds."""
    single, mean = raw.get("ttfts"), figures.get("mean_ttft_ms")
    known = [one for one in single if isinstance(one, (int, float)) and one > 0] if isinstance(single, list) else []
    if not known or not isinstance(mean, (int, float)):
        return []
    expected = 1000 * statistics.fmean(known)
    if expected / 10 < mean < expected * 10:
        return []
    return [f"its mean TTFT is {mean:g} ms, but that of its single requests is {expected:g} ms"]


def _infinite(value: object) -> bool:
    return isinstance(value, float) and value == float("inf")


def _level(raw: JsonObject) -> int | None:
    """Return the requests in flight that were asked for; some write no limit as null or 0."""
    level = number(raw.get("max_concurrency"))
    return int(level) if level and level == int(level) else None


def _failed(raw: JsonObject, figures: Figures) -> float | None:
    """Return how many requests failed; None if the file does not tell.

    A client may keep no text of an error, so that those that did not complete count as well.
    """
    said, errors = number(raw.get("failed")), raw.get("errors")
    if said is not None:
        return said
    found: list[float] = []
    if isinstance(errors, list) and errors:
        found.append(sum(1 for error in errors if error))
    planned, completed = figures["num_prompts"], figures["completed"]
    if isinstance(planned, (int, float)) and isinstance(completed, (int, float)):
        found.append(max(0, planned - completed))
    return max(found, default=None)


def _total(figures: Figures) -> float | None:
    tokens = [figures["total_input_tokens"], figures["total_output_tokens"]]
    seconds, amounts = figures["duration"], [one for one in tokens if isinstance(one, (int, float))]
    return sum(amounts) / seconds if len(amounts) == 2 and isinstance(seconds, (int, float)) and seconds else None


def _percentile_pairs(raw: JsonObject) -> Figures:
    """Return the percentiles of old files, ``percentiles_ttft_ms: [[99, 12.5], ...]``."""
    found: Figures = {}
    for name in LATENCIES:
        pairs = raw.get(f"percentiles_{name}_ms") or []
        for pair in pairs if isinstance(pairs, list) else [pairs]:
            if not isinstance(pair, list) or len(pair) != 2:
                raise ValueError(f"percentiles_{name}_ms has {ascii(pair)[:60]}")
            percent = number(pair[0])
            if percent is not None and f"p{percent:g}" in STATISTICS:
                found[f"p{percent:g}_{name}_ms"] = number(pair[1])
    return found
