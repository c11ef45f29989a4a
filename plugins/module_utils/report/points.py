# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The points of one or several runs: their comparison group, their figures, and which of them may count. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..benchmarks import BENCHMARKS
from ..benchmarks.repeats import REPEAT
from ..json_types import Json, JsonObject, is_number
from ..metrics import LOWER, METRICS, derived
from ..results.rollup_file import PointRecord, Rollup
from ..results.verdict import MIN_COMPLETED, NOT_MEASURED, PASSED, VALID

LOADS = ("req_rate", "concurrency")  # fields of a key that say how much load there is, the most exact one first
SESSIONS = {"req_rate": "session_rate", "concurrency": "sessions"}  # what these count where the load is sessions
MISSES = "misses"  # the state of a valid point that does not keep the latency limits of its job
WORDS = {
    VALID: "valid",
    MISSES: "misses its limits",
    PASSED: "passed, not proven",
    NOT_MEASURED: "not measured",
}
NOT_VALID = "NOT valid"

INTERACTIVITY, INPUT = "interactivity", "input_tps_per_gpu"


class Point(NamedTuple):
    """A point as pages show it.

    :ivar run: what tells its run from the others on a page.
    :ivar group: the points that it may be compared with: model, GPU, precision, lengths, and the like.
    :ivar state: one of verdict.py, or MISSES.
    :ivar figures: {metric: value} of those that are numbers.
    :ivar load: the requests (or sessions) per second or in flight, None without either; *load_field* is which.
    """

    run: str
    name: str
    label: str
    group: str
    state: str
    reasons: list[str]
    figures: dict[str, float]
    load: float | None
    load_field: str

    @property
    def counts(self) -> bool:
        """Return whether it may be the best of something."""
        return self.state == VALID

    @property
    def word(self) -> str:
        """Return its state for people."""
        return WORDS.get(self.state, NOT_VALID)


def of_rollup(rollup: Rollup, run: str) -> list[Point]:
    """Return the points of a run, which is called *run* on its page."""
    return [_point(record, rollup, run) for record in rollup["results"]]


def _point(record: PointRecord, rollup: Rollup, run: str) -> Point:
    figures = {name: float(record[name]) for name in METRICS if is_number(record.get(name))}
    facts: JsonObject = {**rollup}
    gpus = {"all": rollup["total_gpus"], **{mode: facts.get(f"{mode}_gpus") or 0 for mode in ("prefill", "decode")}}
    more = derived(figures, gpus)  # rollups of earlier versions lack some of them
    figures = {**{name: value for name, value in more.items() if value is not None}, **figures}
    state, reasons = record["state"], [*record["invalid_reasons"], *(record.get("doubts") or ())]
    missed = limits_missed(figures, rollup.get("search")) if record["valid"] else []
    if missed:
        state, reasons = MISSES, [*reasons, *missed]
    field = next((one for one in LOADS if is_number(record.get(one))), "")
    load = float(record[field]) if field else None
    field = SESSIONS.get(field, field) if record.get("concurrency_of") else field
    return Point(run, record["name"], record["label"], group_of(record, rollup), state, reasons, figures, load, field)


def limits_missed(figures: Mapping[str, float], search: Json) -> list[str]:
    """Return why a valid point does not keep the latency limits of its job, nothing if it does or there are none.

    They are those of its goodput, for as many requests as have to complete, and the objectives of a search.
    """
    found, good, every = [], figures.get("request_goodput"), figures.get("request_throughput")
    if good is not None and every and good < MIN_COMPLETED * every:
        share = 100 * good / every
        found.append(
            f"{share:.1f} % of its requests kept the latency limits (goodput), {100 * MIN_COMPLETED:g} % count"
        )
    objectives = search.get("objectives") if isinstance(search, dict) else None
    for name, limit in (objectives if isinstance(objectives, dict) else {}).items():
        metric, value = METRICS.get(name), figures.get(name)
        if metric and is_number(limit) and (value is None or _beyond(value, limit, metric.better)):
            found.append(f"{metric.phrase(value)}, the objective is {metric.text(limit)}")
    return found


def _beyond(value: float, limit: float, better: str | None) -> bool:
    return value > limit if better == LOWER else value < limit


def group_of(record: PointRecord, rollup: Rollup) -> str:
    """Return the comparison group of a point in words, such as ``tiny, h100, fp8, isl 1024, osl 128``."""
    facts: JsonObject = {**rollup}
    words = [str(facts[key]) for key in ("model_name", "gpu_type", "precision") if facts.get(key)]
    words += [f"{key} {facts[key]}" for key in ("isl", "osl", "turns", "think_time_s") if facts.get(key) is not None]
    words += ["sessions"] if record.get("concurrency_of") else []
    benchmark = BENCHMARKS[rollup["benchmark_type"]]
    more = [key for key in benchmark.key_fields if key not in (*LOADS, REPEAT) and record.get(key) is not None]
    words += [f"{key} {record[key]}" for key in more]
    if facts.get("isl") is None:  # a workload of its own
        words.insert(0, benchmark.type)
    return ", ".join(words)


def label_of(name: str) -> str:
    """Return the label of a metric."""
    return METRICS[name].label


def text_of(name: str, value: float | None) -> str:
    """Return a figure for a cell."""
    return METRICS[name].text(value)


def about(point: Point, names: Iterable[str], with_run: bool) -> str:
    """Return a point in a line: its label, its figures by *names*, its state."""
    parts = [f"{label_of(name)} {text_of(name, point.figures[name])}" for name in names if name in point.figures]
    state = point.word + (f": {point.reasons[0]}" if point.reasons else "")
    return ", ".join([f"{point.run} {point.label}" if with_run else point.label, *parts, state])


def runs_of(points: Sequence[Point]) -> list[str]:
    """Return the names of the runs of *points*, in their order."""
    return list(dict.fromkeys(point.run for point in points))


def groups_of(points: Sequence[Point]) -> list[str]:
    """Return the comparison groups of *points*, in their order."""
    return list(dict.fromkeys(point.group for point in points))
