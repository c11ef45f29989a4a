# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts of points: throughput against interactivity and latency, and goodput against load."""

from __future__ import annotations

from collections.abc import Sequence

from ..json_types import JsonObject
from . import chart
from .chart import Chart
from .frontier import frontier
from .points import INPUT, INTERACTIVITY, Point, about, groups_of, label_of, runs_of

MOST_LABELS = 30  # more points than these have no label each
PER_USER = "output_tps_per_user"
GREY_NOTE = "Grey crosses are not valid, or miss their limits; the line is the frontier of the points that count."


def all_charts(points: Sequence[Point]) -> list[Chart]:
    """Return the charts of *points* that have something to show."""
    per_user = INTERACTIVITY if any(INTERACTIVITY in one.figures for one in points) else PER_USER
    found = [
        pair(points, "frontier", "Throughput and speed for each user", per_user, "output_tps_per_gpu", True),
        pair(points, "e2el", "Throughput and end-to-end latency", "median_e2el_ms", "output_tps_per_gpu", False),
        pair(points, "ttft", "Input throughput and time to first token", "median_ttft_ms", INPUT, False),
        goodput(points),
    ]
    return [one for one in found if one]


def pair(points: Sequence[Point], id_: str, title: str, x: str, y: str, more_is_better: bool) -> Chart | None:
    """Return the chart of *y* against *x* with the frontier of each comparison group; None without a point."""
    shown = [one for one in points if x in one.figures and y in one.figures]
    if not shown:
        return None
    several, names = len(runs_of(points)) > 1, _names(points)
    rows = [
        {
            "x": one.figures[x],
            "y": one.figures[y],
            "series": _series(one, points, names),
            "group": one.group,
            "counts": one.counts,
            "label": one.label,
            "about": about(one, (x, y), several),
        }
        for one in shown
    ]
    lines = [
        {"x": one.figures[x], "y": one.figures[y], "group": group, "series": _series(one, points, names)}
        for group in groups_of(shown)
        for one in frontier([other for other in shown if other.group == group], x, y, more_is_better)
    ]
    xs, ys = [one.figures[x] for one in shown], [one.figures[y] for one in shown]
    place = {
        "x": chart.axis("x", label_of(x), chart.spread(xs), len(rows) == 1),
        "y": chart.axis("y", label_of(y), chart.spread(ys), True),
    }
    by_group = len(groups_of(points)) > 1
    colour = chart.named("series", names, chart.COLOURS, legend=False)
    layers = [
        {
            "data": {"values": lines},
            "mark": {"type": "line", "strokeWidth": 1.5, "aria": False, "color": chart.TEXT},
            "encoding": {**place, "detail": {"field": "group"}, **({"color": colour} if by_group else {})},
        },
        *_marks(rows, place, names),
        *_labels(rows, place),
    ]
    left = [f"{one.run} {one.label}" if several else one.label for one in points if one.figures and one not in shown]
    note = GREY_NOTE
    if left:
        note += f" Without {label_of(x)} or {label_of(y)}, and so not shown: {', '.join(left[:8])}"
        note += "." if len(left) <= 8 else f" and {len(left) - 8} more."
    return Chart(id_, title, note, chart.layered(layers, f"{title}: {label_of(y)} against {label_of(x)}"))


def _names(points: Sequence[Point]) -> list[str]:
    """Return what the colours of a chart stand for: comparison groups, or the runs of the only one."""
    groups, runs = groups_of(points), runs_of(points)
    names = groups if len(groups) > 1 or len(runs) > chart.MOST_SERIES else runs
    kept = names[: chart.MOST_SERIES - 1]
    return names if len(names) <= chart.MOST_SERIES else [*kept, f"{len(names) - len(kept)} others"]


def _series(point: Point, points: Sequence[Point], names: Sequence[str]) -> str:
    own = point.group if point.group in names else point.run
    return own if own in names else names[-1]


def _marks(rows: Sequence[JsonObject], place: JsonObject, names: Sequence[str]) -> list[JsonObject]:
    """Return the layers of the points: first those that do not count, grey and of another shape."""
    about_ = {"description": {"field": "about", "type": "nominal"}}
    good, bad = [row for row in rows if row["counts"]], [row for row in rows if not row["counts"]]
    found: list[JsonObject] = []
    if bad:
        mark = {"type": "point", "shape": "cross", "filled": True, "size": 70, "color": chart.GREY, "opacity": 1}
        found.append({"data": {"values": bad}, "mark": mark, "encoding": {**place, **about_}})
    if good:
        legend = len(names) > 1
        encoding = {
            "color": chart.named("series", names, chart.COLOURS, legend),
            "shape": chart.named("series", names, chart.SHAPES, legend),
        }
        mark = {"type": "point", "filled": True, "size": 70, "opacity": 1}
        found.append({"data": {"values": good}, "mark": mark, "encoding": {**place, **encoding, **about_}})
    return found


def _labels(rows: Sequence[JsonObject], place: JsonObject) -> list[JsonObject]:
    if len(rows) > MOST_LABELS:
        return []
    mark = {"type": "text", "align": "left", "dx": 7, "dy": -7, "aria": False, "color": chart.TEXT}
    encoding = {**place, "text": {"field": "label", "type": "nominal"}}
    return [{"data": {"values": list(rows)}, "mark": mark, "encoding": encoding}]


def goodput(points: Sequence[Point]) -> Chart | None:
    """Return the chart of requests per second, all and good ones, against the load; None without limits of latency."""
    shown = [one for one in points if one.load is not None and "request_goodput" in one.figures]
    if not shown:
        return None
    kinds = {"request_throughput": "all completed requests", "request_goodput": "those that kept the limits"}
    several = len(runs_of(points)) > 1
    rows = [
        {
            "x": one.load,
            "y": one.figures[name],
            "series": kinds[name],
            "run": f"{one.run} {one.group}",
            "counts": one.counts,
            "label": one.label,
            "about": about(one, (name,), several),
        }
        for one in shown
        for name in kinds
        if name in one.figures
    ]
    fields = sorted({one.load_field for one in shown})
    title = {
        "concurrency": "requests in flight",
        "req_rate": "requests sent per second",
        "sessions": "sessions in flight",
        "session_rate": "sessions begun per second",
    }
    loads = [row["x"] for row in rows if isinstance(row["x"], float)]
    place = {
        "x": chart.axis("x", " or ".join(title[one] for one in fields), chart.spread(loads, 8), len(rows) == 1),
        "y": chart.axis("y", "requests per second", zero=True),
    }
    names = list(kinds.values())
    line = {
        "data": {"values": [row for row in rows if row["counts"]]},
        "mark": {"type": "line", "aria": False, "strokeWidth": 1.5},
        "encoding": {**place, "detail": {"field": "run"}, "color": chart.named("series", names, chart.COLOURS, False)},
    }
    layers = [line, *_marks(rows, place, names), *_labels([row for row in rows if row["series"] == names[0]], place)]
    note = "Grey crosses are not valid, or miss their limits."
    return Chart("goodput", "Goodput and load", note, chart.layered(layers, "Requests per second against the load"))
