# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts of single requests: distributions of the latencies, and the TTFT against the input length."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..json_types import JsonObject
from ..metrics import LATENCIES
from . import chart
from .chart import Chart
from .points import Point
from .requests import Requests


def all_charts(points: Sequence[Point], found: Mapping[str, Requests]) -> list[Chart]:
    """Return the charts of the requests of *points*, {name of a point: its requests}."""
    listed = [point for point in points if point.name in found]
    chosen = chart.few([point.name for point in listed])
    shown = [point for point in listed if point.name in chosen]
    charts = [distribution(shown, found, name, len(listed)) for name in LATENCIES]
    return [one for one in [*charts, by_length(shown, found, len(listed))] if one]


def distribution(shown: Sequence[Point], found: Mapping[str, Requests], name: str, count: int) -> Chart | None:
    """Return the cumulative distribution of a latency, one line a point; None without samples."""
    title, _digits, formula = LATENCIES[name]
    rows = [
        {"x": value, "y": share, "series": _label(point)}
        for point in shown
        for value, share in found[point.name].curves.get(name, ())
    ]
    if not rows:
        return None
    values = [value for point in shown for value, _share in found[point.name].curves.get(name, ())]
    place = {
        "x": chart.axis("x", f"{title} ms", chart.spread(values)),
        "y": {**chart.axis("y", "share of requests"), "scale": {"domain": [0, 1]}, "axis": {"format": ".0%"}},
    }
    if name == "itl":
        place["y"]["title"] = "share of the times"
    single = [row["series"] for row in rows]
    alone = [row for row in rows if single.count(row["series"]) == 1]
    mark = {"type": "line", "interpolate": "step-after", "strokeWidth": 1.8, "aria": False}
    layers: list[JsonObject] = [{"data": {"values": rows}, "mark": mark, "encoding": {**place, **_look(shown)}}]
    if alone:  # a line of one sample would not be seen
        dot = {"type": "point", "filled": True, "size": 60, "opacity": 1}
        colour = {"color": _look(shown)["color"]}
        layers.append({"data": {"values": alone}, "mark": dot, "encoding": {**place, **colour}})
    note = formula[0].upper() + formula[1:] + "." + _left_out(shown, count)
    if name == "itl" and any(found[point.name].every > 1 for point in shown):
        note += " Of points with very many of them, those of every n-th request are shown."
    spec = chart.layered(layers, f"Cumulative distribution of {title}", height=200)
    return Chart(f"cdf_{name}", f"Distribution of {title}", note, spec)


def by_length(shown: Sequence[Point], found: Mapping[str, Requests], count: int) -> Chart | None:
    """Return the TTFT of each request against the tokens of its input; None if no lengths are known."""
    rows = [
        {"x": length, "y": ttft, "series": _label(point)} for point in shown for length, ttft in found[point.name].pairs
    ]
    if not rows:
        return None
    values = [row["y"] for row in rows if isinstance(row["y"], float)]
    place = {"x": chart.axis("x", "input tokens"), "y": chart.axis("y", "TTFT ms", chart.spread(values), True)}
    look = _look(shown)
    encoding = {**place, "color": look["color"], "shape": chart.named("series", _names(shown), chart.SHAPES)}
    mark = {"type": "point", "size": 14, "opacity": 0.7, "aria": False}
    note = "One mark a request; of many, those that keep the least and largest TTFT." + _left_out(shown, count)
    layers: list[JsonObject] = [{"data": {"values": rows}, "mark": mark, "encoding": encoding}]
    return Chart("ttft_by_length", "TTFT and input length", note, chart.layered(layers, "TTFT against input tokens"))


def _label(point: Point) -> str:
    return point.label if point.counts else f"{point.label} ({point.word})"


def _names(shown: Sequence[Point]) -> list[str]:
    return [_label(point) for point in shown]


def _look(shown: Sequence[Point]) -> JsonObject:
    """Return the channels that tell lines apart; those of points that do not count are grey."""
    colours = [
        chart.COLOURS[number % len(chart.COLOURS)] if point.counts else chart.GREY for number, point in enumerate(shown)
    ]
    names = _names(shown)
    return {
        "color": chart.named("series", names, colours),
        "strokeDash": chart.named("series", names, chart.DASHES),
    }


def _left_out(shown: Sequence[Point], count: int) -> str:
    return "" if len(shown) == count else f" {len(shown)} of {count} points are shown; the table has all of them."
