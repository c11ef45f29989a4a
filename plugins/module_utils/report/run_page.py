# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""report.html of a run: the verdict first, then its figures, then what explains them."""

from __future__ import annotations

from collections.abc import Sequence

from ..results.outcome import chosen_reasons, doubt_lines, in_words
from ..results.rollup_file import Rollup
from ..results.tables import topology
from . import html, point_charts, point_tables, points, request_charts, run_sections, stages, time_charts
from .html import Html, Section
from .inputs import Run
from .points import MISSES, Point


def page(run: Run, brief: bool = False) -> str:
    """Return the page of *run*.

    :param brief: without what takes most room and is in other files as well.
    """
    found = points.of_rollup(run.rollup, str(run.rollup["job_name"]))
    parts = stages.steps(run.events)
    spent = stages.stages(run.events, run_sections.submitted(run))
    steps = time_charts.timeline(parts)
    figures = point_tables.figures(found, [run.rollup["benchmark_type"]]) if found else ""
    single = [] if brief else request_charts.all_charts(found, run.requests)
    sections = [
        Section("throughput", "Throughput and latency", html.charts(point_charts.all_charts(found))),
        Section("levels", "At interactivity levels", point_tables.at_interactivity(found)),
        Section("points", "Points", figures, point_tables.means(run.rollup), point_tables.all_figures(found, brief)),
        Section("requests", "Single requests", html.charts(single)),
        Section("load", "Workers over time", html.charts(time_charts.workers(run))),
        run_sections.workers(run),
        Section("time", "Where the time went", run_sections.time_table(spent), html.charts([steps] if steps else [])),
        run_sections.node_map(run.plan),
        run_sections.faults(run, parts),
        run_sections.command_lines(run),
        run_sections.configuration(run),
        run_sections.provenance(run),
    ]
    title = f"{run.rollup['job_name']}, job {run.rollup['job_id']}"
    return html.page(title, head(run.rollup, found), sections, f"Made by srt.slurm from {run.run_dir}")


def head(rollup: Rollup, found: Sequence[Point]) -> Html:
    """Return the verdict on a run with its reasons, and what the run was."""
    when = (rollup.get("started_at") or rollup["generated_at"])[:16].replace("T", " ")
    size = f"{rollup['total_gpus']} GPUs on {rollup['total_nodes']} nodes"
    facts = [rollup.get(key) for key in ("model_name", "gpu_type", "precision", "backend_type")]
    facts += [topology(rollup), size, rollup["benchmark_type"], f"{when} UTC"]
    reasons = chosen_reasons(rollup)
    told = [html.tag("ul", *(html.tag("li", one) for one in reasons), class_="bad")] if reasons else []
    doubts = doubt_lines(rollup)
    told += [html.tag("ul", *(html.tag("li", one.strip()) for one in doubts))] if doubts else []
    missed = [point for point in found if point.state == MISSES]
    if missed:
        lines = (html.tag("li", f"{point.label}: {'; '.join(point.reasons)}") for point in missed)
        told.append(html.tag("p", "Valid, but beyond the limits of the job:", html.tag("ul", *lines)))
    search = rollup.get("search")
    told += [html.tag("p", search["text"])] if search else []
    summary = html.tag("p", " · ".join(str(one) for one in facts if one), class_="soft")
    return html.join([verdict(rollup, found), summary, *told])


def verdict(rollup: Rollup, found: Sequence[Point]) -> Html:
    """Return the verdict on a run, with how many of its points count."""
    word = in_words(rollup) or "NOT valid"
    counting = sum(point.counts for point in found)
    how_many = f"{counting} of {len(found)} points count" if found else "no points"
    sign, look = ("✓", "good") if rollup["valid"] else ("✗", "bad") if word == "NOT valid" else ("○", "soft")
    valid = str(bool(rollup["valid"])).lower()
    mark = html.tag("span", f"{sign} {word}", class_=f"verdict {look}", id="verdict", data_valid=valid)
    return html.tag("p", mark, f" {how_many}")
