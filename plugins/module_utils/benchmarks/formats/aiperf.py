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
from . import aiperf_files
from .base import Recognised, names, number, request_faults, scaled, without_samples

PROGRAM = "aiperf"
# {metric: (its unit, AIPerf's names of it)}. Its inter-token latency is one figure per request, (latency - TTFT) /
# (tokens - 1), which is what TPOT means here; its inter-chunk latency is ITL.
TOTALS = {
    "output_tps": ("tokens/s", ("output_token_throughput",)),
    "total_tps": ("tokens/s", ("total_token_throughput",)),
    "request_throughput": ("requests/s", ("request_throughput",)),
    "request_goodput": ("requests/s", ("goodput",)),
    "completed": ("requests", ("request_count",)),
    "failed": ("requests", ("error_request_count",)),
    "total_input_tokens": ("tokens", ("total_isl", "total_input_sequence_length")),
    "total_output_tokens": ("tokens", ("total_osl", "total_output_tokens", "total_output_sequence_length")),
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
# A result without any of these is of something else. The first is missing if no request completed.
MARKS = ("request_latency", "error_request_count", "benchmark_duration")


def parse(raw: JsonObject) -> Recognised | None:
    """Return what a result of AIPerf says; see :data:`base.Parser`."""
    nested = raw.get("records")
    records: JsonObject = nested if isinstance(nested, dict) else raw
    if "input_config" not in raw or not any(_is_metric(records.get(mark)) for mark in MARKS):
        return None
    figures: Figures = {name: _total(records, names, unit) for name, (unit, names) in TOTALS.items()}
    figures["duration"] = _in_units(records.get("benchmark_duration"), "avg", SECONDS)
    for name, source in TIMES.items():
        for statistic, key in STATISTIC_KEYS.items():
            figures[f"{statistic}_{name}_ms"] = _in_units(records.get(source), key, MILLISECONDS)
    # AIPerf leaves a count out that is 0.
    figures.update({name: figures[name] or 0 for name in ("completed", "failed")})
    for name, source in AVERAGES.items():  # older versions have no totals
        if figures[name] is None and _is_metric(records.get(source)):
            each = number(records[source]["avg"])
            figures[name] = None if each is None else scaled(figures["completed"], each)
    figures["num_prompts"] = _sum(figures["completed"], figures["failed"])
    figures["concurrency"] = _asked(raw["input_config"], "concurrency")
    figures["request_rate"] = _asked(raw["input_config"], "request_rate", "rate", kind=float)
    faults = ["the measurement was cancelled"] if raw.get("was_cancelled") else []
    faults += ["the measurement is not complete"] if raw.get("is_complete") is False else []
    late = _lateness(_in_units(records.get(LATENESS), "avg", MILLISECONDS), figures["mean_e2el_ms"])
    faults += request_faults(figures, _planned(raw["input_config"]))
    return Recognised(PROGRAM, without_samples(figures), faults, [], late, _models(raw["input_config"]))


def _models(config: Json) -> list[str]:
    """Return the models that were asked; older versions name them with the endpoint."""
    items, older = _value(_value(config, "models"), "items"), _value(_value(config, "endpoint"), "model_names")
    found = [_value(one, "name") for one in items] if isinstance(items, list) else []
    return names(*found, *(older if isinstance(older, list) else ()))


def of_run(found: Recognised, run: str) -> Recognised:
    """Return the result *found* as that of *run*, see :func:`aiperf_files.run_of`.

    What its directories say of the load must be what its configuration says.
    """
    values, level = aiperf_files.values_of(run), found.figures.get("concurrency")
    said = values.get("concurrency")
    if said is None or found.program != PROGRAM:
        return found._replace(run=run)
    if level is None:
        return found._replace(run=run, figures={**found.figures, "concurrency": int(said)})
    if level == said:
        return found._replace(run=run)
    doubt = f"its directory is that of concurrency {said:g}, but it says that {level} was asked for"
    return found._replace(run=run, doubts=[*found.doubts, doubt])


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


def _total(records: JsonObject, names: tuple[str, ...], unit: str) -> float | None:
    """Return the first of the metrics *names* that is there; ValueError if it has another unit."""
    found = next((records[name] for name in names if _is_metric(records.get(name))), None)
    if found is None or found["avg"] is None:
        return None
    if str(found["unit"]).replace("/sec", "/s") != unit:
        raise ValueError(f"the unit {ascii(found['unit'])[:40]} of {names[0]} is not {unit}")
    return number(found["avg"])


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


def _asked(config: Json, *names_: str, kind: type[int] | type[float] = int) -> float | None:
    """Return what was asked for, such as the concurrency, if it is one number."""
    asked = (phase.get(name) for phase in _phases(config) for name in names_)
    numbers = (one for one in asked if isinstance(one, (int, kind)) and not isinstance(one, bool))
    known: set[float] = {one for one in numbers if one > 0}
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
    return Recognised(f"{PROGRAM} (mean of {len(runs)} runs)", figures, faults, [], late, models)
