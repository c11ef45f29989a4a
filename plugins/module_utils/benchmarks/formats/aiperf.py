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
from .base import Recognised, number, request_faults, scaled, without_samples

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
    figures["concurrency"] = _asked(raw["input_config"], "concurrency", int)
    figures["request_rate"] = _asked(raw["input_config"], "request_rate", float) or _asked(
        raw["input_config"], "rate", float
    )
    faults = ["the measurement was cancelled"] if raw.get("was_cancelled") else []
    faults += ["the measurement is not complete"] if raw.get("is_complete") is False else []
    late = _lateness(_in_units(records.get(LATENESS), "avg", MILLISECONDS), figures["mean_e2el_ms"])
    figures = without_samples(figures)
    return Recognised(PROGRAM, figures, faults + request_faults(figures), [], late, about=_about(raw))


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


def _asked(config: Json, name: str, kind: type[int] | type[float]) -> float | None:
    """Return what was asked for: by its only phase, in older versions by its load generator; None if that is unknown.

    :param name: concurrency, for example.
    """
    phases = _value(config, "phases")
    sections = phases if isinstance(phases, list) else [_value(config, "loadgen"), _value(config, "load_generator")]
    asked = [_value(section, name) for section in sections if _value(section, "kind") in (None, "profiling")]
    known: set[float] = {one for one in asked if type(one) in (int, kind) and one > 0}
    return known.pop() if len(known) == 1 else None


def _about(raw: JsonObject) -> JsonObject:
    """Return what else *raw* says: the version that wrote it, and the names of the model."""
    config = raw["input_config"]
    names = _value(_value(config, "endpoint"), "model_names")
    items = _value(_value(config, "models"), "items")
    found = [_value(one, "name") for one in items] if isinstance(items, list) else names
    models = [one for one in found if isinstance(one, str)] if isinstance(found, list) else []
    return {"model": models[0] if len(models) == 1 else None, "version": raw.get("aiperf_version")}


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
    return Recognised(f"{PROGRAM} (mean of {len(runs)} runs)", figures, faults, [], late)
