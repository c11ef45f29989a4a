# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of AIPerf, ``profile_export_aiperf.json``: one mapping for each metric, at the top or under ``records``."""

from __future__ import annotations

from collections.abc import Sequence

from ...json_types import Json, JsonObject
from ...metrics import STATISTICS
from ..base import Figures
from ..own_client.client_health import LATENESS_MS, LATENESS_SHARE
from .base import Recognised, names, number, request_faults, scaled, without_samples

PROGRAM = "aiperf"
# {metric: AIPerf's name of it}. Its inter-token latency is one figure per request, (latency - TTFT) / (tokens - 1),
# which is what TPOT means here; its inter-chunk latency is ITL.
TOTALS = {
    "output_tps": ("output_token_throughput",),
    "total_tps": ("total_token_throughput",),
    "request_throughput": ("request_throughput",),
    "request_goodput": ("goodput",),
    "completed": ("request_count",),
    "failed": ("error_request_count",),
    "duration": ("benchmark_duration",),
    "total_input_tokens": ("total_isl", "total_input_sequence_length"),
    "total_output_tokens": ("total_osl", "total_output_tokens", "total_output_sequence_length"),
}
TIMES = {
    "ttft": "time_to_first_token",
    "tpot": "inter_token_latency",
    "itl": "inter_chunk_latency",
    "e2el": "request_latency",
}
# Between the moment at which a request was due and the one at which it was sent.
LATENESS = "credit_to_start_latency"
AVERAGES = {"total_input_tokens": "input_sequence_length", "total_output_tokens": "output_sequence_length"}
ADDED = ("completed", "failed", "num_prompts", "duration", "total_input_tokens", "total_output_tokens")
STATISTIC_KEYS = {"mean": "avg", "median": "p50", **{one: one for one in STATISTICS if one not in ("mean", "median")}}
SECONDS = {"ms": 0.001, "sec": 1.0, "s": 1.0, "seconds": 1.0}
MILLISECONDS = {unit: 1000 * factor for unit, factor in SECONDS.items()}


def parse(raw: JsonObject) -> Recognised | None:
    """Return what a result of AIPerf says; see :data:`base.Parser`."""
    records = raw.get("records") if isinstance(raw.get("records"), dict) else raw
    if not isinstance(records, dict) or not _is_metric(records.get("request_latency")) or "input_config" not in raw:
        return None
    figures: Figures = {name: _first(records, keys, "avg") for name, keys in TOTALS.items()}
    figures["duration"] = _in_units(records.get("benchmark_duration"), "avg", SECONDS)
    for name, source in TIMES.items():
        for statistic, key in STATISTIC_KEYS.items():
            figures[f"{statistic}_{name}_ms"] = _in_units(records.get(source), key, MILLISECONDS)
    for name, source in AVERAGES.items():  # older versions have no totals
        if figures[name] is None and isinstance(figures["completed"], (int, float)):
            figures[name] = scaled(_value(records.get(source), "avg"), figures["completed"])
    # AIPerf leaves the count out when no request failed.
    figures["failed"] = figures["failed"] or 0
    figures["num_prompts"] = _sum(figures["completed"], figures["failed"])
    figures["concurrency"] = _concurrency(raw["input_config"])
    faults = ["the measurement was cancelled"] if raw.get("was_cancelled") else []
    faults += ["the measurement is not complete"] if raw.get("is_complete") is False else []
    late = _lateness(_in_units(records.get(LATENESS), "avg", MILLISECONDS), figures["mean_e2el_ms"])
    faults += request_faults(figures, _planned(raw["input_config"]))
    return Recognised(PROGRAM, without_samples(figures), faults, [], late, models=_models(raw["input_config"]))


def _models(config: Json) -> list[str]:
    """Return the models that were asked; older versions name them with the endpoint."""
    items, older = _value(_value(config, "models"), "items"), _value(_value(config, "endpoint"), "model_names")
    found = [_value(one, "name") for one in items] if isinstance(items, list) else []
    return names(*found, *(older if isinstance(older, list) else ()))


def _lateness(late_ms: float | None, mean_ms: Json) -> list[str]:
    """Return the reason, as a list, why requests that were sent *late_ms* late on average are another load."""
    if (
        late_ms is None
        or not isinstance(mean_ms, (int, float))
        or late_ms <= max(LATENESS_MS, LATENESS_SHARE * mean_ms)
    ):
        return []
    return [
        f"AIPerf sent its requests {late_ms:.1f} ms late on average, and an answer took {mean_ms:.1f} ms: its node is "
        "overloaded"
    ]


def _is_metric(value: Json) -> bool:
    return isinstance(value, dict) and "unit" in value and "avg" in value


def _value(record: Json, key: str) -> Json:
    return record.get(key) if isinstance(record, dict) else None


def _first(records: JsonObject, keys: tuple[str, ...], key: str) -> float | None:
    return number(next((records[one].get(key) for one in keys if _is_metric(records.get(one))), None))


def _in_units(record: Json, key: str, factors: dict[str, float]) -> float | None:
    """Return a time of *record*, whose unit is one of *factors*; ValueError for another unit."""
    if not isinstance(record, dict) or record.get(key) is None:
        return None
    if record.get("unit") not in factors:
        raise ValueError(f"the unit {ascii(record.get('unit'))[:40]} of a time is not known")
    return scaled(record[key], factors[record["unit"]])


def _sum(one: Json, other: Json) -> float | None:
    return None if one is None or other is None else one + other


def _phases(config: Json) -> list[JsonObject]:
    """Return the phases that are measured; in older versions there is one, the load generator."""
    phases = _value(config, "phases")
    sections = phases if isinstance(phases, list) else [_value(config, "loadgen"), _value(config, "load_generator")]
    return [one for one in sections if isinstance(one, dict) and one.get("kind") in (None, "profiling")]


def _concurrency(config: Json) -> int | None:
    """Return the requests in flight that were asked for, if it is one number."""
    levels = [phase.get("concurrency") for phase in _phases(config)]
    known = {level for level in levels if isinstance(level, int) and not isinstance(level, bool) and level > 0}
    return known.pop() if len(known) == 1 else None


def _planned(config: Json) -> float | None:
    """Return how many requests were to be sent, None if it is not said or a time ends the load."""
    phases = _phases(config)
    timed = [phase for phase in phases if phase.get("duration") or phase.get("benchmark_duration")]
    counts = [number(phase.get("requests", phase.get("request_count"))) for phase in phases if phase not in timed]
    known = [count for count in counts if count]
    return sum(known) if known and len(known) == len(phases) else None


def together(runs: Sequence[Recognised]) -> Recognised:
    """Return several runs of one point as one: sums of what is counted, and the means of all other figures.

    A mean of percentiles is no percentile of all requests; ``measured_by`` tells that it is a mean.
    """
    figures: Figures = {}
    for name in runs[0].figures:
        values = [one.figures.get(name) for one in runs]
        known = [value for value in values if isinstance(value, (int, float))]
        if name in ADDED:
            figures[name] = sum(known)
        elif len(known) == len(runs):
            figures[name] = sum(known) / len(runs)
        else:
            texts = {value for value in values if isinstance(value, str)}
            figures[name] = texts.pop() if len(texts) == 1 and not known else None
    figures["concurrency"] = runs[0].figures.get("concurrency")
    faults = [f"run {number}: {fault}" for number, one in enumerate(runs, 1) for fault in one.faults]
    late = [f"run {number}: {why}" for number, one in enumerate(runs, 1) for why in one.disturbances]
    models = names(*(model for one in runs for model in one.models))
    return Recognised(f"{PROGRAM} (mean of {len(runs)} runs)", figures, faults, [], late, models=models)
