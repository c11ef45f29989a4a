# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html of a sweep: the points of all its jobs together."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ..json_types import JsonObject
from ..results.outcome import in_words
from ..results.verdict import NOT_MEASURED
from ..sweeps import tables
from . import html, point_charts, point_tables, points
from .html import Html, Section
from .inputs import Run
from .points import Point


class Sweep(NamedTuple):
    """A sweep as its folder has it.

    :ivar record: the content of sweep.json.
    :ivar runs: {job: its run}, of those that have one.
    :ivar faults: {job: why its run cannot be read}.
    """

    folder: str
    record: JsonObject
    runs: dict[str, Run]
    faults: dict[str, str]


def page(sweep: Sweep, brief: bool = False) -> str:
    """Return the page of *sweep*; *brief*: without what takes most room and is in other files as well."""
    found = points_of(sweep)
    types = list(dict.fromkeys(str(job["benchmark_type"]) for job in sweep.record["jobs"]))
    figures = point_tables.figures(found, types) if found else ""
    best = [html.tag("li", tables.best_line(one)) for one in sweep.record["best"]]
    sections = [
        Section("throughput", "Throughput and latency", html.charts(point_charts.all_charts(found))),
        Section("levels", "At interactivity levels", point_tables.at_interactivity(found)),
        Section("best", "Best", *([html.tag("ul", *best)] if best else [])),
        Section("points", "Points", figures, point_tables.all_figures(found, brief)),
        Section("jobs", "Jobs", _jobs(sweep)),
    ]
    title = f"Sweep {sweep.record['name']}"
    return html.page(title, _head(sweep, found), sections, f"Made by srt.slurm from {sweep.folder}")


def points_of(sweep: Sweep) -> list[Point]:
    """Return the points of all jobs; those of a job without a run, or that its run does not have, are not measured."""
    found: list[Point] = []
    for job in sweep.record["jobs"]:
        run, name = sweep.runs.get(job["name"]), str(job["name"])
        own = {point.name: point for point in points.of_rollup(run.rollup, name)} if run else {}
        for row in job["rows"]:
            point = own.get(str(row["point"]))
            if point is None or row["state"] == NOT_MEASURED:  # the run is of other parameters
                reason = sweep.faults.get(name) or job.get("failure")
                point = Point(name, str(row["point"]), str(row["label"]), name, NOT_MEASURED,
                              [str(reason)] if reason else [], {}, None, "")  # fmt: skip
            found.append(point)
    return found


def _head(sweep: Sweep, found: Sequence[Point]) -> Html:
    counting = sum(point.counts for point in found)
    every = counting == len(found) and bool(found)
    word = f"{counting} of {len(found)} points count"
    mark = html.tag(
        "span", f"{'✓' if every else '✗'} {word}", class_=f"verdict {'good' if every else 'bad'}", id="verdict"
    )
    state = html.tag("p", f"The sweep is {sweep.record['state']}.", class_="soft")
    wrong = [point for point in found if not point.counts and point.reasons]
    lines = [html.tag("li", f"{one.run} {one.label}: {'; '.join(one.reasons)}") for one in wrong]
    return html.join([html.tag("p", mark), state, html.tag("ul", *lines, class_="bad") if lines else ""])


def _jobs(sweep: Sweep) -> Html:
    """Return one row for each job: its parameters, its verdict, and where its own page is."""
    names = [str(one) for one in sweep.record.get("parameters") or ()]
    rows = []
    for job in sweep.record["jobs"]:
        run, given = sweep.runs.get(job["name"]), job.get("parameters") or {}
        own = os.path.relpath(run.run_dir, sweep.folder) if run else ""
        link = html.tag("a", job["name"], href=f"{own}/report.html") if run else job["name"]
        word = (in_words(run.rollup) if run else None) or "not run"
        rows.append([link, *(_shown(given, name) for name in names), word, run.rollup["job_id"] if run else "",
                     sweep.faults.get(job["name"]) or job.get("failure") or ""])  # fmt: skip
    return html.table(["job", *names, "verdict", "job id", "failure"], rows)


def _shown(given: Mapping[str, object], name: str) -> str:
    return "" if given.get(name) is None else str(given[name])
