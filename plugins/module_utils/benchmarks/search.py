# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The search for the largest load that keeps objectives, such as a p99 TTFT of at most 2 s.

The plan has a point for each candidate and replicate. Which of them are measured follows from the results so far:
upwards in doublings, then halving the gap, then replicates of the two loads on either side of the edge. A load keeps
the objectives if most of its replicates do.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypedDict, Union

from ..failures import Finding
from ..json_types import Json, JsonObject, is_number
from ..load_client.quantiles import samples_needed
from ..metrics import LOWER, METRICS
from ..schema.section import Field, Section
from ..schema.types import Choice, Float, Int, MapOf
from .repeats import REPEAT

CONCURRENCY, RATE = "concurrency", "req_rate"
MOST = 500  # candidates
PERCENTILE = re.compile(r"(median|p[0-9.]+)_(?:ttft|tpot|itl|e2el)_ms$")
COMPLETED = 0.98  # the share of requests with a sample of each latency, at least

SECTION = Section(
    "search",
    {
        "over": Field(Choice(CONCURRENCY, RATE), CONCURRENCY, "What varies: the requests in flight, or their rate."),
        "from": Field(Float(0.001), 1, "The smallest load."),
        "to": Field(Float(0.001), None, "The largest load.", required=True),
        "objectives": Field(
            MapOf(Float()),
            None,
            "{metric: limit}, such as p99_ttft_ms: 2000. A metric that is better when lower stays at or below it, "
            "another one at or above it.",
            required=True,
        ),
        "resolution": Field(Float(0.005, 1), 0.05, "The distance of two candidates, as a share of the load."),
        "replicates": Field(Int(1, 15), 3, "Measurements of each of the two loads on either side of the edge."),
    },
    doc="Finds the largest load that keeps objectives, instead of measuring all concurrencies.",
)

Level = Union[int, float]


class PlannedSearch(TypedDict):
    """The search in plan.json: ``levels`` are the candidates in order, ``objectives`` is {metric: limit}."""

    over: str
    levels: list[Level]
    objectives: dict[str, float]
    replicates: int


class Outcome(NamedTuple):
    """One measurement of a level: whether it keeps the objectives; ``valid`` is false for one that is no evidence."""

    keeps: bool
    valid: bool = True


class Wanted(NamedTuple):
    """The next measurement: the level, and which of its replicates, from 1."""

    level: Level
    replicate: int


class Answer(TypedDict):
    """The end of a search: ``largest`` keeps the objectives, ``above`` does not; None: no candidate is so.

    ``kept`` says in how many replicates of how many, {"largest": [3, 3], "above": [1, 3]}. ``bracketed``: both exist.
    """

    largest: Level | None
    above: Level | None
    bracketed: bool
    kept: dict[str, list[int]]


def loads(options: JsonObject) -> list[tuple[int, float | None]]:
    """Return the loads of the benchmark section *options*, [(requests in flight, rate; None: the section's own)]."""
    section, given = options["search"], list(dict.fromkeys(options["concurrencies"] or ()))
    if not section:
        return [(level, None) for level in given]
    if section["over"] == CONCURRENCY:
        return [(int(level), None) for level in levels(section)]
    return [(level, rate) for level in given for rate in levels(section)]


def option_problems(options: JsonObject, metrics: Iterable[str], able: Iterable[str]) -> list[Finding]:
    """Return the problems of the search in the benchmark section *options*, and of the keys that it replaces.

    :param able: what a search may vary in this type of benchmark.
    """
    section, given = options["search"], options["concurrencies"]
    if not section:
        return []
    found = problems(section, metrics)
    if section["over"] not in able:
        problem = f"is {section['over']}, which {options['type']} cannot vary."
        found.append((("benchmark", "search", "over"), problem, f"Use {' or '.join(able)}."))
    if section["over"] == CONCURRENCY and given:
        remedy = "Leave one of them out."
        found.append(
            (("benchmark", "concurrencies"), "is there beside search, which chooses them.", remedy, "conflict")
        )
    if section["over"] == RATE and len(set(given or ())) != 1:
        remedy = "Name one, the most requests in flight."
        found.append(
            (("benchmark", "concurrencies"), "must be one number in a search over req_rate.", remedy, "conflict")
        )
    if options["repeats"] != 1:
        remedy = "Use search.replicates."
        found.append((("benchmark", "repeats"), "is there beside search, which has its own.", remedy, "conflict"))
    return found


def problems(section: JsonObject, metrics: Iterable[str]) -> list[Finding]:
    """Return the problems of the *section*; *metrics* are those of the benchmark."""
    found: list[Finding] = []
    path = ("benchmark", "search")
    if section["from"] > section["to"]:
        found.append(((*path, "to"), f"is {section['to']:g}, which is below from ({section['from']:g}).", None))
    elif len(levels(section)) > MOST:
        problem = f"is {section['resolution']:g}, which makes {len(levels(section))} candidates; {MOST} at most."
        found.append(((*path, "resolution"), problem, "Take a larger one, or a smaller range.", "out_of_range"))
    if not section["objectives"]:
        found.append(((*path, "objectives"), "is empty.", "Name a metric and its limit, such as p99_ttft_ms: 2000."))
    known = [name for name in metrics if METRICS[name].better]
    for name in section["objectives"]:
        if name not in known:
            remedy = f"Known: {', '.join(known[:60])}."
            found.append(((*path, "objectives", name), "is not a metric with a direction.", remedy, "unknown_name"))
    return found


def levels(section: JsonObject) -> list[Level]:
    """Return the candidates of the *section*, in ascending order; concurrencies are whole numbers."""
    first, last, step = section["from"], section["to"], 1 + section["resolution"]
    found: list[float] = []
    value = float(first)
    while value < last and len(found) <= 10 * MOST:
        found.append(value)
        value *= step
    found.append(float(last))
    if section["over"] == CONCURRENCY:
        return sorted({max(1, round(one)) for one in found})
    return sorted({float(f"{one:.4g}") for one in found})


def planned(section: JsonObject) -> PlannedSearch:
    """Return the search of the *section* as it stands in the plan."""
    return {
        "over": section["over"],
        "levels": levels(section),
        "objectives": dict(section["objectives"]),
        "replicates": section["replicates"],
    }


def outcome(search: PlannedSearch, valid: bool, figures: Mapping[str, Json]) -> Outcome:
    """Return the outcome of a measurement with the *figures*; a figure that is missing keeps no limit."""
    keeps = valid
    for name, limit in search["objectives"].items():
        value = figures.get(name)
        if value is None or not is_number(value):
            keeps = False
        else:
            keeps = keeps and (value <= limit if METRICS[name].better == LOWER else value >= limit)
    return Outcome(keeps, valid)


def following(search: PlannedSearch, outcomes: Mapping[Level, Sequence[Outcome]]) -> Wanted | Answer:
    """Return what to measure next after the *outcomes* so far, {level: one for each replicate}, or the answer."""
    candidates, most = search["levels"], search["replicates"]
    keeps = {level: _keeps(outcomes[level]) for level in candidates if outcomes.get(level)}
    bad = next((index for index, level in enumerate(candidates) if keeps.get(level) is False), None)
    top = len(candidates) if bad is None else bad
    good = max((index for index in range(top) if keeps.get(candidates[index])), default=None)
    if good is None and bad != 0:
        return Wanted(candidates[0], 1)
    if bad is None and good is not None and good + 1 < len(candidates):
        return Wanted(_doubled(candidates, good), 1)
    if bad is not None and good is not None and bad - good > 1:
        return Wanted(candidates[(good + bad) // 2], 1)
    edge = [candidates[index] for index in (good, bad) if index is not None]
    counts = {level: len(outcomes[level]) for level in edge}
    if min(counts.values()) < most:
        # The one above goes first in every second pair: neither is always the first.
        fewest = min(counts.values())
        level = min(edge if fewest % 2 else edge[::-1], key=lambda one: counts[one])
        return Wanted(level, counts[level] + 1)
    return _answer(candidates, good, bad, outcomes)


def least_requests(options: JsonObject) -> int:
    """Return how many requests a point needs for the percentiles among the objectives, 0 without a search.

    With fewer they would be unknown, and no load would keep them; some requests may fail.
    """
    found = [PERCENTILE.match(name) for name in (options["search"] or {}).get("objectives") or ()]
    needed = [50 if one[1] == "median" else float(one[1][1:]) for one in found if one]
    return max((math.ceil(samples_needed(number) / COMPLETED) for number in needed), default=0)


def _keeps(outcomes: Sequence[Outcome]) -> bool:
    """Return whether most of *outcomes* keep the objectives; a tie does not."""
    return 2 * sum(one.keeps for one in outcomes) > len(outcomes)


def _doubled(candidates: Sequence[Level], index: int) -> Level:
    """Return the candidate nearest above twice that at *index*, or the last one."""
    return next((level for level in candidates[index + 1 :] if level >= 2 * candidates[index]), candidates[-1])


def _answer(
    candidates: Sequence[Level], good: int | None, bad: int | None, outcomes: Mapping[Level, Sequence[Outcome]]
) -> Answer:
    sides = {"largest": good, "above": bad}
    named = {side: candidates[index] for side, index in sides.items() if index is not None}
    kept = {side: [sum(one.keeps for one in outcomes[level]), len(outcomes[level])] for side, level in named.items()}
    return {
        "largest": named.get("largest"),
        "above": named.get("above"),
        "bracketed": len(named) == 2,
        "kept": kept,
    }


def level_of(search: PlannedSearch, key: Mapping[str, Json]) -> tuple[Level, int]:
    """Return (the level, the replicate) of the point with the *key*."""
    return key[search["over"]], key.get(REPEAT) or 1


def in_words(search: PlannedSearch, answer: Answer) -> str:
    """Return the *answer* as a sentence."""
    limits = ", ".join(
        f"{METRICS[name].label} {'<=' if METRICS[name].better == LOWER else '>='} {limit:g}"
        for name, limit in search["objectives"].items()
    )
    over, kept = search["over"], answer["kept"]
    shares = {side: f"{count[0]} of {count[1]}" for side, count in kept.items()}
    if answer["largest"] is None:
        return f"Not bracketed: already {over} {answer['above']:g} does not keep {limits} ({shares['above']} do)."
    if answer["above"] is None:
        return f"Not bracketed: {over} {answer['largest']:g}, the largest tried, keeps {limits} ({shares['largest']})."
    return (
        f"The largest {over} that keeps {limits} is {answer['largest']:g} ({shares['largest']} keep it); "
        f"{answer['above']:g} does not ({shares['above']})."
    )
