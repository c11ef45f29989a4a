# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of points: their figures, the means of repeats, and the best ones at interactivity levels."""

from __future__ import annotations

from collections.abc import Sequence

from ..benchmarks import BENCHMARKS
from ..json_types import JsonObject
from ..metrics import METRICS
from ..results import repeats
from ..results.rollup_file import Rollup
from . import html
from .frontier import at_levels
from .html import Html
from .points import INPUT, INTERACTIVITY, Point, label_of, runs_of, text_of

MOST_COLUMNS = 12  # points side by side in the table of all figures


def main_figures(benchmark_types: Sequence[str], points: Sequence[Point]) -> list[str]:
    """Return the names of the figures in the table of *points*: those at the end of a run, and the page's own."""
    names = [name for one in benchmark_types for name in BENCHMARKS[one].columns]
    more = [INTERACTIVITY, "median_ttft_ms", "median_itl_ms", "median_e2el_ms", INPUT]
    known = {name for point in points for name in point.figures}
    return [name for name in dict.fromkeys([*names, *more]) if name in known]


def figures(points: Sequence[Point], benchmark_types: Sequence[str]) -> Html:
    """Return one row for each point: its state in words, its main figures, and why it does not count."""
    several, names = len(runs_of(points)) > 1, main_figures(benchmark_types, points)
    why = any(point.reasons for point in points)
    head = [*(["job"] if several else []), "point", "state", *map(label_of, names), *(["why"] if why else [])]
    rows = []
    for point in points:
        sign, look = ("✓", "state good") if point.counts else ("✗", "state")
        state = html.tag("td", f"{sign} {point.word}", class_=look)
        cells: list[object] = [point.run] if several else []
        cells += [point.label, state]
        cells += [_cell(point, name) for name in names]
        cells += [html.tag("td", "; ".join(point.reasons), class_="why")] if why else []
        rows.append(html.row(cells, class_=None if point.counts else "out", data_state=point.state))
    return html.table(head, rows, class_="points")


def _cell(point: Point, name: str) -> Html:
    value = point.figures.get(name)
    return html.number(text_of(name, value), value, name, f"{point.run} {point.name}")


def all_figures(points: Sequence[Point], left_out: bool = False) -> Html:
    """Return every figure of *points*, one row a figure, in tables of MOST_COLUMNS points; *left_out*: only a note."""
    if left_out:
        text = "The page would be too large with all figures and single requests: see rollup.csv and the results."
        return html.tag("p", text, class_="note")
    parts = []
    for begin in range(0, len(points), MOST_COLUMNS):
        own = points[begin : begin + MOST_COLUMNS]
        names = [name for name in METRICS if any(name in point.figures for point in own)]
        several = len(runs_of(points)) > 1
        head = ["figure", *(f"{one.run} {one.label}" if several else one.label for one in own)]
        parts.append(html.table(head, [[label_of(name), *(_cell(one, name) for one in own)] for name in names]))
    return html.details("All figures", *parts) if any(point.figures for point in points) else Html()


def means(rollup: Rollup) -> Html:
    """Return the means of repeated points as lines."""
    lines = repeats.table(rollup.get("repeats") or (), BENCHMARKS[rollup["benchmark_type"]])
    text = "Means of the valid repeats, with 95 % confidence:\n" + "\n".join(lines)
    return html.pre(text) if lines else Html()


def at_interactivity(points: Sequence[Point]) -> Html:
    """Return the best throughput per GPU of each comparison group at levels of interactivity; nothing without one."""
    y = "output_tps_per_gpu"
    steps, rows = at_levels(points, INTERACTIVITY, y)
    if not steps:
        return Html()
    several = len(runs_of(points)) > 1
    head = ["at least", *rows]
    lines = []
    for number, level in enumerate(steps):
        cells: list[object] = [f"{level:,g} tok/s/user"]
        for best in (row[number] for row in rows.values()):
            where = f"{best.run} {best.label}" if best and several else best.label if best else ""
            shown = f"{text_of(y, best.figures[y])} ({where})" if best else "-"
            cells.append(html.tag("td", shown, class_="n"))
        lines.append(cells)
    note = f"The most {label_of(y)} of a valid point that gives each user at least so many tokens per second."
    return html.join([html.table(head, lines), html.tag("p", note, class_="note")])


def rollup_facts(rollup: Rollup) -> list[tuple[str, object]]:
    """Return what a run was, as names and values."""
    facts: JsonObject = {**rollup}
    keys = {
        "job": "job_name", "job id": "job_id", "model": "model_name", "model path": "model_path",
        "precision": "precision", "GPU": "gpu_type", "engine": "backend_type", "router": "frontend_type",
        "benchmark": "benchmark_type", "isl": "isl", "osl": "osl", "began (UTC)": "started_at",
        "ended (UTC)": "ended_at", "rollup made (UTC)": "generated_at",
    }  # fmt: skip
    found: list[tuple[str, object]] = [(name, facts.get(key)) for name, key in keys.items()]
    return [*found, ("tags", ", ".join(rollup.get("tags") or ()))]
