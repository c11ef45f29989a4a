# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of sa-bench: from our load client, srtctl's, and older versions of both."""

from __future__ import annotations

import json

from ...failures import Error
from ...json_types import Json, JsonObject
from ...metrics import LATENCIES, STATISTICS
from ..base import Figures

ALIASES = {
    "total_input_tokens": ("total_input",),
    "total_output_tokens": ("total_output",),
    "max_concurrency": ("concurrency",),
    "output_throughput": ("output_tps",),
    "total_token_throughput": ("total_tps",),
}


def load_result(path: str) -> JsonObject:
    """Return the content of a result file as a dict; Error if it is missing, truncated or not a result."""
    try:
        with open(path, encoding="utf-8") as stream:
            raw = json.load(stream)
    except FileNotFoundError:
        raise Error(f"the result file {path} does not exist") from None
    except (ValueError, OSError) as error:
        raise Error(f"the result file {path} cannot be read: {error}") from None
    if not isinstance(raw, dict) or get(raw, "max_concurrency") is None:
        raise Error(f"{path} is not a result of sa-bench: max_concurrency is missing")
    return raw


def load_partial(path: str) -> JsonObject | None:
    """Return the content of the file about a run that did not complete, or None."""
    try:
        with open(path, encoding="utf-8") as stream:
            raw = json.load(stream)
    except (OSError, ValueError):
        return None
    return raw if isinstance(raw, dict) else None


def get(raw: JsonObject, key: str) -> Json:
    """Return *key* of a result, under its present or an older name; None when it is absent."""
    for name in (key, *ALIASES.get(key, ())):
        if raw.get(name) is not None:
            return raw[name]
    return None


def figures(raw: JsonObject) -> Figures:
    """Return the metrics of a result, ``concurrency``, and its times.

    A figure without a sample is None; srtctl's client writes 0 there.
    """
    completed = get(raw, "completed") or 0
    figure: Figures = {
        "concurrency": get(raw, "max_concurrency"),
        "output_tps": _measured(raw, "output_throughput", completed),
        "total_tps": _measured(raw, "total_token_throughput", completed),
        "request_throughput": _measured(raw, "request_throughput", completed),
        "request_goodput": raw.get("request_goodput"),
        "request_rate": _rate(raw.get("request_rate")),
        "peak_output_tps": _measured(raw, "peak_output_tokens_per_s", completed),
    }
    for metric in LATENCIES:
        for statistic in STATISTICS:
            figure[f"{statistic}_{metric}_ms"] = _statistic(raw, statistic, metric, completed)
    figure.update(
        total_input_tokens=get(raw, "total_input_tokens"),
        total_output_tokens=get(raw, "total_output_tokens"),
        duration=raw.get("duration"),
        completed=completed,
        failed=failed(raw),
        num_prompts=raw.get("num_prompts"),
        usage_source=raw.get("usage_source"),
        started_at=raw.get("started_at"),
        ended_at=raw.get("ended_at"),
    )
    return figure


def failed(raw: JsonObject) -> int | None:
    """Return how many requests failed, or None if the file does not have it."""
    count: int | None = raw.get("failed")
    if count is not None:
        return count
    if isinstance(raw.get("errors"), list):
        return sum(bool(error) for error in raw["errors"])
    if raw.get("num_prompts") is not None and raw.get("completed") is not None:
        count = raw["num_prompts"] - raw["completed"]
    return count


def _measured(raw: JsonObject, key: str, completed: int) -> float | None:
    value = get(raw, key)
    return value if completed and isinstance(value, (int, float)) else None


def _statistic(raw: JsonObject, statistic: str, metric: str, completed: int) -> float | None:
    if not completed:
        return None
    value = raw.get(f"{statistic}_{metric}_ms")
    if value is None and statistic.startswith("p"):
        pairs = raw.get(f"percentiles_{metric}_ms") or ()
        value = next((entry[1] for entry in pairs if entry[0] == float(statistic[1:])), None)
    return value


def _rate(value: Json) -> float | str | None:
    """Return a request rate as number or "inf": older files hold the JSON extension Infinity."""
    return "inf" if value in ("inf", float("inf"), "Infinity") else value
