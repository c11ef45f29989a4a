# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The single requests of a point, from its result file: distributions, and the TTFT against the input length."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..files import read_object
from ..json_types import Json, JsonObject, is_number
from ..metrics import LATENCIES
from ..results.rollup_file import PointRecord
from ..results.verdict import NOT_MEASURED
from .downsample import quantiles, thinned

MOST_BYTES = 1 << 26  # of a result file; a larger one has more than 100,000 requests
MOST_GAPS = 200_000  # times between chunks of a point; they are those of some of its requests if there are more
MOST_PAIRS = 300  # dots of a point in the chart of TTFT against input length


class Requests(NamedTuple):
    """What a result file says of single requests that completed.

    :ivar curves: {latency, a key of LATENCIES: [(milliseconds, share of the requests at or below it)]}.
    :ivar pairs: [(input tokens, TTFT in ms)]; of many, those that keep the extremes.
    :ivar completed: how many requests completed.
    :ivar every: the ITLs are those of every n-th request; 1: of all.
    """

    curves: dict[str, list[tuple[float, float]]]
    pairs: list[tuple[float, float]]
    completed: int
    every: int


def of_points(records: Iterable[PointRecord], run_dir: str) -> tuple[dict[str, Requests], list[str]]:
    """Return ({name of a point: its Requests}, notes on files that were left out)."""
    found, notes = {}, []
    for record in records:
        path = os.path.join(run_dir, str(record.get("path") or ""))
        if record["state"] == NOT_MEASURED or not os.path.isfile(path):
            continue
        size = os.path.getsize(path)
        if size > MOST_BYTES:
            notes.append(f"{record['label']}: its single requests are not shown, as its result has {size:,} bytes.")
            continue
        one = of_result(read_object(path) or {})
        found.update({record["name"]: one} if one.curves else {})
    return found, notes


def of_result(raw: JsonObject) -> Requests:
    """Return the Requests of the content of a result file, in the form of sa-bench; without lists there are none."""
    ttfts, latencies, gaps = _lists(raw, "ttfts"), _lists(raw, "latencies"), raw.get("itls")
    gaps = gaps if isinstance(gaps, list) else []
    lengths, made, errors = _lists(raw, "input_lens"), _lists(raw, "output_lens"), raw.get("errors")
    errors = errors if isinstance(errors, list) else []
    samples: dict[str, list[float]] = {name: [] for name in LATENCIES}
    between: list[list[float]] = []
    pairs, count = [], 0
    for index, ttft in enumerate(ttfts):
        tokens = _at(made, index)
        if (index < len(errors) and errors[index]) or (tokens is not None and tokens <= 0):
            continue
        count += 1
        own: list[float] = gaps[index] if _is_list(gaps, index) else []
        between.append(own)
        total = _at(latencies, index)
        if total is None and ttft is not None and _is_list(gaps, index):  # results of srtctl
            total = ttft + sum(gap for gap in own if _is_time(gap))
        if total is not None:
            samples["e2el"].append(1e3 * total)
        if ttft is None:
            continue
        samples["ttft"].append(1e3 * ttft)
        length = _at(lengths, index)
        if length is not None:
            pairs.append((length, 1e3 * ttft))
        if total is not None and tokens is not None and tokens > 1 and total > ttft:
            samples["tpot"].append(1e3 * (total - ttft) / (tokens - 1))
    every = max(1, round(sum(map(len, between)) / MOST_GAPS))
    samples["itl"] = _flat(between[::every])
    curves = {name: quantiles(values) for name, values in samples.items() if values}
    return Requests(curves, thinned(sorted(pairs), MOST_PAIRS), count, every)


def _lists(raw: JsonObject, key: str) -> list[float | None]:
    value = raw.get(key)
    return [one if _is_time(one) else None for one in value] if isinstance(value, list) else []


def _flat(between: Sequence[Sequence[float]]) -> list[float]:
    """Return all times between chunks in milliseconds; there may be millions, so that one by one would take long."""
    try:
        found = [1e3 * gap for own in between for gap in own if isinstance(gap, (int, float))]
    except OverflowError:  # a whole number beyond any float
        return []
    return found if not found or min(found) >= 0 and max(found) < float("inf") else []


def _at(values: Sequence[float | None], index: int) -> float | None:
    return values[index] if index < len(values) else None


def _is_list(values: Sequence[Json], index: int) -> bool:
    return index < len(values) and isinstance(values[index], list)


def _is_time(value: Json) -> bool:
    return is_number(value) and value >= 0
