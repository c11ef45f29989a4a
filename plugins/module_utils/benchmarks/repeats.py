# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Repeats: each point measured several times, in an order that does not favour any of them.

A repeat is a point of its own, with prompts of its own. The first one is the point as it is without repeats, so that a
result from before counts.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping
from typing import cast

from ..failures import Finding
from ..json_types import Json, JsonObject
from ..schema.section import Field
from ..schema.types import Bool, Choice, Int
from .base import Benchmark, Point

REPEAT = "repeat"  # the field of the key, from 1
MOST = 100
ALTERNATING, SHUFFLED = "abba", "shuffled"

FIELDS = {
    "repeats": Field(Int(1, MOST), 1, "How often each point is measured. With more than one, the rollup has means."),
    "repeat_order": Field(
        Choice(ALTERNATING, SHUFFLED),
        ALTERNATING,
        "Order of the points in each repeat: abba turns it around each time, shuffled draws it with repeat_seed.",
    ),
    "repeat_seed": Field(Int(0), 0, "Seed of the shuffled order."),
    "repeat_redeploy": Field(
        Bool(), False, "Start workers and frontends anew before each repeat, so that the spread is that of deployments."
    ),
}


def problems(options: JsonObject, benchmark: Benchmark) -> list[Finding]:
    """Return the problems of ``repeat_redeploy`` in the benchmark section *options*."""
    path = ("benchmark", "repeat_redeploy")
    if not redeploys(options):
        return []
    if options["search"] and benchmark.searches:
        problem = "is true, but the replicates of a search are measured by one deployment."
        return [(path, problem, "Leave one of them out.", "conflict")]
    if benchmark.times(options) == 1:
        return [(path, "is true, but each point is measured once.", "Set repeats, or leave it out.", "conflict")]
    return []


def notes(options: JsonObject, benchmark: Benchmark) -> list[str]:
    """Return the note, as a list, on how often the service starts anew."""
    count = benchmark.times(options) - 1
    if not redeploys(options) or count < 1:
        return []
    often = "once" if count == 1 else f"{count} times"
    return [
        f"benchmark.repeat_redeploy: workers and frontends start anew before each repeat after the first, {often} if "
        "all are measured in one run; NATS, etcd and other services stay."
    ]


def redeploys(options: Mapping[str, Json]) -> bool:
    """Return whether each repeat is to be measured by a deployment of its own; *options* is the benchmark section."""
    return bool(options.get("repeat_redeploy"))


def redeployments(options: Mapping[str, Json], keys: Iterable[JsonObject]) -> int:
    """Return how often the service starts anew while the points with these *keys* are measured in one run."""
    return max(0, len({key[REPEAT] for key in keys if REPEAT in key}) - 1) if redeploys(options) else 0


def expand(points: list[Point], options: JsonObject, benchmark: Benchmark) -> list[Point]:
    """Return *points* in the order in which they are measured, each as often as *options* say.

    :param options: the benchmark section.
    """
    if not points:
        return points
    section = options["search"] if benchmark.searches else None
    count = section["replicates"] if section else benchmark.times(options)
    if count == 1:
        return points
    once = [point for point in points if not benchmark.repeatable(point)]
    again = [point for point in points if benchmark.repeatable(point)]
    draw = random.Random(options["repeat_seed"])
    found: list[Point] = []
    for number in range(1, count + 1):
        if options["repeat_order"] == SHUFFLED:
            order = draw.sample(again, len(again))
        else:
            order = again if number % 2 else again[::-1]
        found += [_repeat(point, number, benchmark, redeploys(options)) for point in order]
    return [*found, *once]


def _repeat(point: Point, number: int, benchmark: Benchmark, redeployed: bool) -> Point:
    """Return the repeat *number* of *point*, with files of its own from the second one on."""
    about = {"key": {**point["key"], REPEAT: number}, "label": f"{point['label']} #{number}"}
    if number == 1:
        return cast("Point", {**point, **about})
    name, stem = f"{point['name']}_r{number}", os.path.splitext(point["result"])[0]
    own = f"{stem}_r{number}"
    step = benchmark.step_repeated(point["step"], number)
    about["name"] = name
    about["step"] = {
        **step,
        "name": name,
        "argv": [word.replace(stem, own) for word in step["argv"]],
        "log": step["log"].replace(point["name"], name),
    }
    about["parameters"] = {**point["parameters"], REPEAT: number, **({"redeployed": True} if redeployed else {})}
    about["result"], about["progress"] = (point[key].replace(stem, own) for key in ("result", "progress"))
    return cast("Point", {**point, **about})


def used(points: Iterable[JsonObject]) -> bool:
    """Return whether any of the records of *points* is a repeat."""
    return any(REPEAT in point for point in points)
