# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of the benchmark clients of one family: vLLM's, sa-bench's, which came from it, and SGLang's.

Their keys are the same but for a few names. Failed requests are counted in different ways, and by some not at all.
"""

from __future__ import annotations

from ...json_types import JsonObject
from ...metrics import LATENCIES, STATISTICS
from ..base import Figures
from ..own_client.client_health import disturbances
from ..own_client.evaluate import own_faults
from .base import Recognised, names, number, request_faults, without_samples

NEEDED = ("completed", "duration", "request_throughput", "output_throughput")
# {metric: names of its key, the first one that is there counts}
KEYS = {
    "output_tps": ("output_throughput",),
    "total_tps": ("total_token_throughput", "total_throughput"),
    "request_throughput": ("request_throughput",),
    "request_goodput": ("request_goodput",),
    "peak_output_tps": ("peak_output_tokens_per_s", "max_output_tokens_per_s"),
    "total_input_tokens": ("total_input_tokens", "total_input"),
    "total_output_tokens": ("total_output_tokens", "total_output"),
    "duration": ("duration",),
    "completed": ("completed",),
    "num_prompts": ("num_prompts",),
    **{f"{one}_{name}_ms": (f"{one}_{name}_ms",) for name in LATENCIES for one in STATISTICS},
}
OURS = "the load client of srt.slurm"
SGLANG_E2EL = "e2e_latency"  # SGLang's name of E2EL


def parse(raw: JsonObject) -> Recognised | None:
    """Return what a result of this family says; see :data:`base.Parser`."""
    if any(key not in raw for key in NEEDED) or not _statistics(raw):
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
    failed = _failed(raw, figures)
    figures["failed"] = failed
    doubts = [] if failed is not None else ["its result does not say how many requests failed"]
    program, faults = _program(raw), request_faults(figures, number(raw.get("num_prompts")))
    models = names(raw.get("model_id"))
    if program != OURS or faults:
        return Recognised(program, without_samples(figures), faults, doubts, models=models)
    faults = own_faults(raw)
    return Recognised(program, figures, faults, doubts, [] if faults else disturbances(raw), models=models)


def _statistics(raw: JsonObject) -> bool:
    return any(f"mean_{name}_ms" in raw for name in (*LATENCIES, SGLANG_E2EL))


def _program(raw: JsonObject) -> str:
    if "total_output_tokens_retokenized" in raw:
        return "sglang.bench_serving"
    if "client_health" in raw:
        return OURS
    return "sa-bench" if "peak_output_tokens_per_s" in raw else "vllm bench serve"


def _infinite(value: object) -> bool:
    return isinstance(value, float) and value == float("inf")


def _level(raw: JsonObject) -> int | None:
    """Return the requests in flight that were asked for; some write no limit as null or 0."""
    level = number(raw.get("max_concurrency"))
    return int(level) if level and level == int(level) else None


def _failed(raw: JsonObject, figures: Figures) -> float | None:
    """Return how many requests failed; None if the file does not tell."""
    said, errors = number(raw.get("failed")), raw.get("errors")
    if said is not None:
        return said
    if isinstance(errors, list) and errors:
        return sum(1 for error in errors if error)
    planned, completed = figures["num_prompts"], figures["completed"]
    if isinstance(planned, (int, float)) and isinstance(completed, (int, float)):
        return max(0, planned - completed)
    return None


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
