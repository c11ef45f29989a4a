# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of the load client (``load_client/stats.py``), which may be of something else, or truncated."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ...json_types import Json, JsonObject, is_number
from ...metrics import LATENCIES, SESSIONS, STATISTICS
from ..base import Figures

# {metric: its key in a result file}
KEYS = {
    "output_tps": "output_throughput",
    "total_tps": "total_token_throughput",
    "request_throughput": "request_throughput",
    "request_goodput": "request_goodput",
    "request_rate": "request_rate",
    "peak_output_tps": "peak_output_tokens_per_s",
    **{f"{one}_{name}_ms": f"{one}_{name}_ms" for name in LATENCIES for one in STATISTICS},
    "total_input_tokens": "total_input_tokens",
    "total_output_tokens": "total_output_tokens",
    "duration": "duration",
    "completed": "completed",
    "failed": "failed",
    "num_prompts": "num_prompts",
    "usage_source": "usage_source",
}
ONLY_SOME = ("cache_hit_rate", *SESSIONS)  # metrics, and keys, of results that have them
CACHE_TEXTS = ("cache_source", "cache_note")

# The types of all keys that are read; each value may also be missing or null. A number may be negative where it is a
# difference.
TEXTS = (
    *(*CACHE_TEXTS, "usage_source", "started_at", "ended_at", "endpoint", "reason", "dataset"),
    *("concurrency_of", "session_header"),
)
FLAGS = ("interrupted", "ignore_eos", "requests_listed")
DIFFERENCES = ("min_input_token_difference", "max_input_token_difference")
COUNTS = (
    *("max_concurrency", "server_input_tokens", "token_mismatches", "inexact_prompts", "short_outputs"),
    *("isl", "osl", "num_warmup", "failed_warmup", "input_token_outliers", "with_messages", "prefix_ratio", "prefixes"),
    *("late_requests", "most_late_s"),
    *("turns", "turn_isl", "turn_osl", "think_time_s", "num_warmup_sessions", "unfinished_sessions"),
    "unanswered_turns",
)
AMOUNTS = (
    *(key for key in ONLY_SOME if key not in TEXTS),
    *(key for key in KEYS.values() if key not in (*TEXTS, "request_rate")),
    *COUNTS,
)
# In client_health: numbers, and those that may be null.
HEALTH = ("cpu_share", "gaps", "gaps_s", "max_gap_s", "suspended_s")
MAYBE = (
    *("wait_share", "max_gap_at_s", "mean_lag_ms", "p99_lag_ms"),
    *("mean_send_lateness_ms", "p99_send_lateness_ms"),
)
LARGEST = 1e18


def problem(raw: JsonObject) -> str | None:
    """Return what in *raw* is not of a result of the load client, None if it can be one."""
    rate = raw.get("request_rate")
    each = raw.get("clients_health")
    found = [
        *_wrong(raw, AMOUNTS, _is_amount, "a number"),
        *_wrong(raw, DIFFERENCES, _is_number, "a number"),
        *_wrong(raw, TEXTS, lambda value: isinstance(value, str), "text"),
        *_wrong(raw, FLAGS, lambda value: isinstance(value, bool), "true or false"),
        *_wrong({"request_rate": None if rate == "inf" else rate}, ["request_rate"], _is_amount, "a number or inf"),
        *_wrong(raw, ["errors"], lambda value: _is_list(value, str, type(None)), "a list of text"),
        *_wrong(
            raw,
            ["error_counts"],
            lambda value: isinstance(value, dict) and all(map(_is_amount, value.values())),
            "counts",
        ),
        *_wrong(raw, ["answering_models"], lambda value: _is_list(value, str), "a list of text"),
        *_wrong(raw, ["input_lens", "output_lens"], lambda value: _is_list(value, int), "a list of whole numbers"),
        *_wrong(raw, ["server_input_lens"], lambda value: _is_list(value, int, type(None)), "a list of whole numbers"),
        *_wrong(raw, ["client_health"], lambda value: isinstance(value, dict), "a mapping"),
    ]
    nodes = raw.get("client_nodes")
    if nodes is not None and not (isinstance(nodes, list) and all(map(_is_node, nodes))):
        found.append("client_nodes is not a list of nodes with their clocks")
    if (
        not found
        and each is not None
        and not (isinstance(each, list) and all(isinstance(one, (dict, type(None))) for one in each))
    ):
        found.append("clients_health is not a list of mappings")
    for health in [] if found else [raw.get("client_health"), *(each or ())]:
        if health is not None:
            found += [f"client_health.{key} is missing" for key in HEALTH if health.get(key) is None]
            found += _wrong(health, (*HEALTH, *MAYBE), _is_amount, "a number", "client_health.")
    return found[0] if found else None


def amount(value: Json) -> Any:
    """Return *value* if it is a number, 0 or more, else None."""
    return value if _is_amount(value) else None


def _wrong(raw: JsonObject, keys: Iterable[str], fits: Any, what: str, prefix: str = "") -> list[str]:
    bad = [key for key in keys if raw.get(key) is not None and not fits(raw[key])]
    return [f"{prefix}{key} is {ascii(raw[key])[:60]}, not {what}" for key in bad]


def _is_number(value: Json) -> bool:
    return is_number(value) and abs(value) <= LARGEST


def _is_amount(value: Json) -> bool:
    return _is_number(value) and value >= 0


def _is_list(value: Json, *kinds: type) -> bool:
    return isinstance(value, list) and all(type(item) in kinds for item in value)


def _is_node(value: Json) -> bool:
    return (
        isinstance(value, dict) and isinstance(value.get("node"), str) and _is_amount(value.get("clock_uncertainty_s"))
    )


def _cache_source(raw: JsonObject) -> Figures:
    """Return where the hit rate is from, or why there is none."""
    found = [raw[key] for key in CACHE_TEXTS if raw.get(key)]
    return {"cache_source": found[0]} if found else {}


def figures(raw: JsonObject) -> Figures:
    """Return the metrics of a result, its ``concurrency`` and its times."""
    return {
        "concurrency": raw.get("max_concurrency"),
        **{name: raw.get(key) for name, key in KEYS.items()},
        **{name: raw[name] for name in ONLY_SOME if name in raw},
        **_cache_source(raw),
        "started_at": raw.get("started_at"),
        "ended_at": raw.get("ended_at"),
    }
