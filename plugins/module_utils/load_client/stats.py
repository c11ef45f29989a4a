# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From samples to the figures of a result file. Pure: no clock, no files.

Keys and units are those of sa-bench (times of single requests in seconds, statistics in
milliseconds), with these differences: a figure without enough samples is null, never 0, and so is the TTFT
of a failed request; E2EL and TPOT reach to the chunk with the finish reason. As there, ITL is the time between
two chunks, also when a chunk holds several tokens.
"""

from __future__ import annotations

import math
from argparse import Namespace
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from .quantiles import samples_needed, summary
from .request import Record
from .samples import NO_COUNT, Samples
from .turns import cut_prompts, session_figures, spans

RESULT_SCHEMA_VERSION = 1
TURNS = ("session", "turn")  # of requests that are turns
FULL = 0.9  # of the most requests (or sessions) in flight: from here on the load is full
PEAK_BUCKETS = 10  # the peak is the best mean of ten seconds, in buckets of one second
MOST_LISTED, MOST_GAPS_LISTED = 100_000, 1_000_000  # requests, and gaps between chunks, that are listed in a result
MOST_ERRORS = 20  # texts of errors that are counted in a result
PROMPT_TOLERANCE = 0.02  # of the prompt tokens sent ...
PROMPT_TOLERANCE_TOKENS = 8  # ... or this many tokens per request, whichever is more


def build_result(
    options: Namespace, records: Samples | Sequence[Record], duration_s: float, **facts: Any
) -> dict[str, Any]:
    """Return the content of a result file.

    :param records: :class:`~.samples.Samples` or :class:`~.request.Record` of the measured requests.
    :param duration_s: from the first request to the end of the last.
    :param facts: further keys (client_health, started_at, ended_at, interrupted, ...).
    """
    samples = records if isinstance(records, Samples) else Samples.of(records, options.save_texts)
    begin = min((moment for moment in samples.start if not math.isnan(moment)), default=0.0)
    good = samples.good
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
        "failed": len(samples) - len(good),
        **_tokens(samples, good),
        "answering_models": sorted(samples.models),
        "usage_source": _usage_source(samples, good),
        "token_mismatches": sum(samples.mismatch[one] for one in good),
        "short_outputs": sum(samples.tokens_out[one] < samples.max_tokens[one] for one in good),
        "error_counts": dict(Counter(samples.errors[one] for one in samples.error if one).most_common(MOST_ERRORS)),
        **_rates(samples, good, begin, duration_s, options.goodput),
    }
    needed: dict[str, int] = {}
    for name, values in _latencies(samples, good).items():
        figures, lacking = summary(name, values, options.percentiles)
        result.update(figures)
        needed.update(lacking)
    result["samples_needed"] = needed
    if "num_sessions" in facts:
        ttfts = [ttft(samples, one) for one in good]
        result.update(session_figures(samples, good, ttfts, options.percentiles, facts["num_sessions"]))
    result["steady_state"] = steady_state(samples, good, begin, options.percentiles)
    result.update(_single_requests(samples, begin))
    return result


def _settings(options: Namespace) -> dict[str, Any]:
    """Return the settings of the load, in the order of a result."""
    return {
        "request_rate": "inf" if math.isinf(options.request_rate) else options.request_rate,
        "burstiness": "inf" if math.isinf(options.burstiness) else options.burstiness,
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
        "goodput": dict(options.goodput) or None,
        "cool_down_s": options.cool_down,
    }


def _rates(
    samples: Samples, good: Sequence[int], begin: float, duration_s: float, limits: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    def per_second(value: float) -> float | None:
        return round(value / duration_s, 6) if duration_s > 0 and good else None

    tokens_in = sum(samples.prompt_tokens[one] for one in good)
    tokens_out = sum(samples.tokens_out[one] for one in good)
    return {
        "request_throughput": per_second(len(good)),
        "request_goodput": per_second(_goodput(samples, good, limits)) if limits else None,
        "output_throughput": per_second(tokens_out),
        "peak_output_tokens_per_s": peak_rate(samples, begin, duration_s),
        "total_token_throughput": per_second(tokens_in + tokens_out),
    }


def ttft(samples: Samples, one: int) -> float | None:
    """Return the time to the first token in seconds, or None if none was seen to arrive."""
    first = samples.first[one]
    return None if math.isnan(first) else first - samples.start[one]


def tpot(samples: Samples, one: int) -> float | None:
    """Return the seconds per output token after the first, or None: of one token, or if all came in one read."""
    first, last, tokens = samples.first[one], samples.last[one], samples.tokens_out[one]
    return (last - first) / (tokens - 1) if tokens >= 2 and last > first else None  # False if there is no first


def e2el(samples: Samples, one: int) -> float:
    """Return the seconds from sending to the end of the answer."""
    return samples.last[one] - samples.start[one]


def _latencies(samples: Samples, good: Sequence[int]) -> dict[str, array[float]]:
    found = {"ttft": array("d"), "tpot": array("d"), "itl": samples.itl, "e2el": array("d")}
    for one in good:
        for name, value in (("ttft", ttft(samples, one)), ("tpot", tpot(samples, one)), ("e2el", e2el(samples, one))):
            if value is not None:
                found[name].append(value)
    return found


def peak_rate(records: Samples | Sequence[Record], begin: float, duration_s: float) -> float | None:
    """Return the most output tokens per second over ten seconds (or over the whole run if that is shorter)."""
    samples = records if isinstance(records, Samples) else Samples.of(records)
    good = samples.good
    if not good or duration_s <= 0:
        return None
    buckets = [0.0] * (int(duration_s) + 1)
    ends, gaps = samples.gap_ends(), samples.itl
    for one in good:
        count, first = samples.gap_count[one], samples.first[one]
        per_chunk = samples.tokens_out[one] / (count + 1)
        when = (samples.last[one] if math.isnan(first) else first) - begin
        buckets[min(int(when), len(buckets) - 1)] += per_chunk
        for place in range(ends[one] - count, ends[one]):
            when += gaps[place]
            buckets[min(int(when), len(buckets) - 1)] += per_chunk
    if duration_s < PEAK_BUCKETS:
        return round(sum(buckets) / duration_s, 6)
    window = sum(buckets[:PEAK_BUCKETS])
    best = window
    for index in range(PEAK_BUCKETS, len(buckets)):
        window += buckets[index] - buckets[index - PEAK_BUCKETS]
        best = max(best, window)
    return round(best / PEAK_BUCKETS, 6)


def steady_state(
    samples: Samples, good: Sequence[int], begin: float, percentiles: Sequence[float]
) -> dict[str, Any] | None:
    """Return figures of the window in which the load was full; None if there is none, or it has too few requests.

    It reaches from the first to the last moment with FULL of the most requests in flight. Throughput counts the tokens
    of chunks that came within it, latencies the requests that were sent and answered within it.
    """
    window = _full_load(samples)
    if window is None:
        return None
    left, right = window
    inside = [one for one in good if samples.start[one] >= left and samples.last[one] <= right]
    if len(inside) < samples_needed(50):
        return None
    tokens = _tokens_within(samples, good, left, right)
    found: dict[str, Any] = {
        "begin_s": round(left - begin, 6),
        "duration": round(right - left, 6),
        "completed": len(inside),
        "request_throughput": round(sum(left <= samples.last[one] <= right for one in good) / (right - left), 6),
        "output_throughput": round(tokens / (right - left), 6),
    }
    ends, gaps = samples.gap_ends(), array("f")
    for one in inside:
        gaps.extend(samples.itl[ends[one] - samples.gap_count[one] : ends[one]])
    for name, values in {**_latencies(samples, inside), "itl": gaps}.items():
        found.update(summary(name, values, percentiles)[0])
    return found


def _full_load(samples: Samples) -> tuple[float, float] | None:
    """Return (begin, end) of the window with the full load, None if it has no length."""
    if samples.session:
        begins, lasts = spans(samples)
    else:
        known = [one for one in range(len(samples)) if samples.start[one] == samples.start[one]]
        begins = [samples.start[one] for one in known]
        lasts = [max(samples.start[one], samples.last[one]) for one in known]
    starts, ends = array("d", sorted(begins)), array("d", sorted(lasts))
    least = FULL * max((count for _when, count in _in_flight(starts, ends)), default=0)
    left: float | None = None
    right, full = 0.0, False
    for when, count in _in_flight(starts, ends):
        right = when if full else right
        full = count >= least
        left = when if full and left is None else left
    return (left, right) if left is not None and right > left else None


def _in_flight(starts: Sequence[float], ends: Sequence[float]) -> Iterator[tuple[float, int]]:
    """Yield (moment, requests in flight from then on); *starts* and *ends* are in order, an end comes first."""
    place = 0
    for number, start in enumerate(starts):
        while ends[place] <= start and place < number:
            place += 1
            yield ends[place - 1], number - place
        yield start, number + 1 - place
    while place < len(ends):
        place += 1
        yield ends[place - 1], len(ends) - place


def _tokens_within(samples: Samples, good: Sequence[int], left: float, right: float) -> float:
    total, ends = 0.0, samples.gap_ends()
    for one in good:
        count, first = samples.gap_count[one], samples.first[one]
        when = samples.last[one] if math.isnan(first) else first
        if when > right or samples.last[one] < left:
            continue
        seen = int(left <= when <= right)
        for place in range(ends[one] - count, ends[one]):
            when += samples.itl[place]
            seen += left <= when <= right
        total += seen * samples.tokens_out[one] / (count + 1)
    return total


def _goodput(samples: Samples, good: Sequence[int], limits: Sequence[tuple[str, float]]) -> int:
    """Return how many requests keep all limits; an answer of one token has a TPOT of 0, what is unknown keeps none."""

    def value(name: str, one: int) -> float | None:
        if name == "tpot":
            return 0.0 if samples.tokens_out[one] == 1 else tpot(samples, one)
        return ttft(samples, one) if name == "ttft" else e2el(samples, one)

    def kept(name: str, one: int, limit: float) -> bool:
        seconds = value(name, one)
        return seconds is not None and seconds * 1000 <= limit

    return sum(all(kept(name, one, limit) for name, limit in limits) for one in good)


def _usage_source(samples: Samples, good: Sequence[int]) -> str | None:
    counted = {bool(samples.counted[one]) for one in good}
    if not counted:
        return None
    return "mixed" if len(counted) == 2 else ("chunks" if True in counted else "server")


def _tokens(samples: Samples, good: Sequence[int]) -> dict[str, int | None]:
    """Return how many tokens there were, and how the server's prompt tokens compare with ours; null without them."""
    sent, seen = samples.prompt_tokens, samples.tokens_in
    known = [one for one in good if seen[one] != NO_COUNT]
    differences = array("q", (seen[one] - sent[one] for one in known))
    if samples.session:
        outliers = cut_prompts(samples, known, differ)
    else:
        outliers = sum(differ(seen[one], sent[one]) for one in known)
    return {
        "total_input_tokens": sum(sent[one] for one in good),
        "total_output_tokens": sum(samples.tokens_out[one] for one in good),
        "server_input_tokens": sum(seen[one] for one in known) if known else None,
        "input_token_mismatches": sum(map(bool, differences)) if known else None,
        "input_token_outliers": outliers if known else None,
        "min_input_token_difference": min(differences, default=None),
        "max_input_token_difference": max(differences, default=None),
    }


def differ(counted: int, sent: int) -> bool:
    """Return whether the server *counted* another prompt than was *sent*, give or take some special tokens."""
    return abs(counted - sent) > max(PROMPT_TOLERANCE * sent, PROMPT_TOLERANCE_TOKENS)


def _single_requests(samples: Samples, begin: float) -> dict[str, Any]:
    """Return a list for each key of single requests, in the order of sending; empty if there are too many of them."""
    listed = len(samples) <= MOST_LISTED
    gaps_listed = listed and len(samples.itl) <= MOST_GAPS_LISTED
    order = samples.in_order() if listed else []
    error, start, ends = samples.error, samples.start, samples.gap_ends()

    def seconds(values: Sequence[float], since: Sequence[float]) -> list[float | None]:
        return [None if error[one] else _seconds(values[one], since[one]) for one in order]

    def gaps(one: int) -> list[float]:
        return [round(gap, 6) for gap in samples.itl[ends[one] - samples.gap_count[one] : ends[one]]]

    return {
        "requests_listed": listed,
        "itls_listed": gaps_listed,
        **({name: [getattr(samples, name)[one] for one in order] for name in TURNS} if samples.session else {}),
        "input_lens": [samples.prompt_tokens[one] for one in order],
        "server_input_lens": [_count(samples.tokens_in[one], error[one]) for one in order],
        "output_lens": [samples.tokens_out[one] for one in order],
        "start_times": [_seconds(start[one], begin) for one in order],
        "ttfts": seconds(samples.first, start),
        "latencies": seconds(samples.last, start),
        "itls": [gaps(one) for one in order] if gaps_listed else [],
        "errors": [samples.errors[error[one]] for one in order],
        # The key is part of the format; the texts are large and rarely needed.
        "generated_texts": [samples.texts[one] for one in order] if samples.texts is not None else [],
    }


def _count(value: int, error: int) -> int | None:
    return None if error or value == NO_COUNT else value


def _seconds(moment: float, begin: float) -> float | None:
    found = round(moment - begin, 6)
    return None if math.isnan(found) else found
