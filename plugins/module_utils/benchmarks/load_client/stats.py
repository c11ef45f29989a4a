# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records to the figures of a result file. Pure: no clock, no files.

Keys and units are those of sa-bench (times of single requests in seconds, statistics in
milliseconds), with these differences: a figure without a sample is null, never 0, and so is the TTFT
of a failed request; E2EL and TPOT reach to the chunk with the finish reason. As there, ITL is the time between
two chunks, also when a chunk holds several tokens.
"""

from __future__ import annotations

import math
from argparse import Namespace
from collections.abc import Iterable, Sequence
from typing import Any

from .request import Record

RESULT_SCHEMA_VERSION = 1
PEAK_BUCKETS = 10  # the peak is the best mean of ten seconds, in buckets of one second


def build_result(options: Namespace, records: Sequence[Record], duration_s: float, **facts: Any) -> dict[str, Any]:
    """Return the content of a result file.

    :param records: :class:`~.request.Record` of the measured requests.
    :param duration_s: from the first request to the end of the last.
    :param facts: further keys (client_health, started_at, ended_at, interrupted, ...).
    """
    begin = min((record.start for record in records if record.start is not None), default=0.0)
    good = [record for record in records if record.error is None]
    tokens_in = sum(record.request.prompt_tokens for record in good)
    tokens_out = sum(record.tokens_out for record in good)

    def per_second(value: float) -> float | None:
        return round(value / duration_s, 6) if duration_s > 0 and good else None

    result = {
        "schema_version": RESULT_SCHEMA_VERSION,
        "date": facts.pop("date", None),
        "backend": options.backend,
        "model_id": options.model,
        "tokenizer_id": options.tokenizer,
        "best_of": 1,
        "num_prompts": options.num_prompts,
        **dict(options.metadata),
        **_settings(options),
        **facts,
        "duration": round(duration_s, 6),
        "completed": len(good),
        "failed": len(records) - len(good),
        "total_input_tokens": tokens_in,
        "total_output_tokens": tokens_out,
        "answering_models": sorted({record.model for record in good if record.model is not None}),
        "usage_source": _usage_source(good),
        **_prompt_counts(good),
        "token_mismatches": sum(record.mismatch for record in good),
        "short_outputs": sum(record.tokens_out < record.request.max_tokens for record in good),
        "request_throughput": per_second(len(good)),
        "request_goodput": per_second(_goodput(good, options.goodput)) if options.goodput else None,
        "output_throughput": per_second(tokens_out),
        "peak_output_tokens_per_s": peak_rate(good, begin, duration_s),
        "total_token_throughput": per_second(tokens_in + tokens_out),
    }
    for name, values in _samples(good).items():
        result.update(summary(name, values, options.percentiles))
    result.update(_single_requests(records, begin, options.save_texts))
    return result


def _settings(options: Namespace) -> dict[str, Any]:
    """Return the settings of the load, in the order of a result."""
    return {
        "request_rate": "inf" if math.isinf(options.request_rate) else options.request_rate,
        "burstiness": options.burstiness,
        "max_concurrency": options.concurrency,
        "reuse_http_connections": options.reuse_connections,
        "quick_ack": options.quick_ack,
        "endpoint": options.endpoint,
        "isl": options.isl,
        "osl": options.osl,
        "random_range_ratio": options.random_range_ratio,
        "ignore_eos": options.ignore_eos,
        "num_warmup": options.num_warmup,
        "seed": options.seed,
        "repeat": options.repeat,
        "attempt": options.attempt,
        "gpus": options.gpus,
        "prefill_gpus": options.prefill_gpus,
        "decode_gpus": options.decode_gpus,
    }


def ttft(record: Record) -> float | None:
    """Return the time to the first token in seconds, or None if none was seen to arrive."""
    return None if record.first is None else record.first - record.start


def tpot(record: Record) -> float | None:
    """Return the seconds per output token after the first, or None: of one token, or if all came in one read."""
    if record.tokens_out < 2 or record.first is None or record.last <= record.first:
        return None
    return (record.last - record.first) / (record.tokens_out - 1)


def e2el(record: Record) -> float:
    """Return the seconds from sending to the end of the answer."""
    return record.last - record.start


def summary(name: str, values: Iterable[float], percentiles: Iterable[float]) -> dict[str, float | None]:
    """Return the statistics of *values* (seconds) as ``mean_<name>_ms`` and so on; None without values."""
    values = sorted(values)
    words = ["mean", "median", "std", *(f"p{number}" for number in percentiles)]
    figures: Sequence[float | None] = [None] * len(words)
    if values:
        mean = math.fsum(values) / len(values)
        deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / len(values))
        seconds = [mean, percentile(values, 50), deviation, *(percentile(values, number) for number in percentiles)]
        figures = [round(value * 1000, 6) for value in seconds]
    return {f"{word}_{name}_ms": figure for word, figure in zip(words, figures)}


def percentile(ordered: Sequence[float], number: float) -> float:
    """Return the percentile of an *ordered*, non-empty list, interpolated between neighbours as numpy does."""
    place = (len(ordered) - 1) * number / 100
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def peak_rate(good: Sequence[Record], begin: float, duration_s: float) -> float | None:
    """Return the most output tokens per second over ten seconds (or over the whole run if that is shorter)."""
    if not good or duration_s <= 0:
        return None
    buckets = [0.0] * (int(duration_s) + 1)
    for record in good:
        per_chunk = record.tokens_out / (len(record.itl) + 1)
        when = (record.last if record.first is None else record.first) - begin
        buckets[min(int(when), len(buckets) - 1)] += per_chunk
        for gap in record.itl:
            when += gap
            buckets[min(int(when), len(buckets) - 1)] += per_chunk
    if duration_s < PEAK_BUCKETS:
        return round(sum(buckets) / duration_s, 6)
    window = sum(buckets[:PEAK_BUCKETS])
    best = window
    for index in range(PEAK_BUCKETS, len(buckets)):
        window += buckets[index] - buckets[index - PEAK_BUCKETS]
        best = max(best, window)
    return round(best / PEAK_BUCKETS, 6)


def _samples(good: Sequence[Record]) -> dict[str, list[float]]:
    return {
        "ttft": [value for value in map(ttft, good) if value is not None],
        "tpot": [value for value in map(tpot, good) if value is not None],
        "itl": [gap for record in good for gap in record.itl],
        "e2el": [e2el(record) for record in good],
    }


def _goodput(good: Sequence[Record], limits: Sequence[tuple[str, float]]) -> int:
    """Return how many requests keep all limits; an answer of one token has a TPOT of 0, what is unknown keeps none."""
    figures = {"ttft": ttft, "tpot": lambda record: 0.0 if record.tokens_out == 1 else tpot(record), "e2el": e2el}

    def kept(value: float | None, limit: float) -> bool:
        return value is not None and value * 1000 <= limit

    return sum(all(kept(figures[name](record), limit) for name, limit in limits) for record in good)


def _usage_source(good: Sequence[Record]) -> str | None:
    counted = {record.counted for record in good}
    if not counted:
        return None
    return "mixed" if len(counted) == 2 else ("chunks" if True in counted else "server")


def _prompt_counts(good: Sequence[Record]) -> dict[str, int | None]:
    """Return how the server's prompt tokens compare with ours; null if it does not report them."""
    differences = [record.tokens_in - record.request.prompt_tokens for record in good if record.tokens_in is not None]
    return {
        "server_input_tokens": sum(record.tokens_in for record in good if record.tokens_in is not None)
        if differences
        else None,
        "input_token_mismatches": sum(map(bool, differences)) if differences else None,
        "min_input_token_difference": min(differences, default=None),
        "max_input_token_difference": max(differences, default=None),
    }


def _single_requests(records: Sequence[Record], begin: float, texts: bool) -> dict[str, list[Any]]:
    lists: dict[str, list[Any]] = {
        "input_lens": [record.request.prompt_tokens for record in records],
        "server_input_lens": [record.tokens_in if record.error is None else None for record in records],
        "output_lens": [record.tokens_out if record.error is None else 0 for record in records],
        "start_times": [_seconds(record.start, begin) for record in records],
        "ttfts": [_seconds(record.first, record.start) if record.error is None else None for record in records],
        "latencies": [_seconds(record.last, record.start) if record.error is None else None for record in records],
        "itls": [[round(gap, 6) for gap in record.itl] if record.error is None else [] for record in records],
        "errors": [record.error or "" for record in records],
    }
    # The key is part of the format; the texts are large and rarely needed.
    lists["generated_texts"] = ["".join(record.texts or ()) for record in records] if texts else []
    return lists


def _seconds(moment: float | None, begin: float | None) -> float | None:
    return None if moment is None or begin is None else round(moment - begin, 6)
