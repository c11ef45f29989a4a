# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The charts over time: the steps of a run, and what its workers did while points were measured."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from ..json_types import Json, JsonObject
from . import chart, downsample
from .chart import Chart
from .inputs import Run, numbers, records
from .stages import TIERS, Part

MOST_BARS = 60  # steps in the timeline; more than these are shown by tier
MOST_LINES = 8  # workers with a line each; of more there is one line for each mode
BUCKETS = 400  # of a line: two values each at most
AXIS = "seconds since the run began"


class Panel(NamedTuple):
    """A figure of workers in series.json: its *key*, its *title*, and how its axis counts."""

    key: str
    title: str
    format: str = ""


PANELS = (
    Panel("running", "Running requests"),
    Panel("queue", "Queued requests"),
    Panel("kv_usage", "KV cache in use", ".0%"),
    Panel("hit_rate", "Prefix cache hits", ".0%"),
    Panel("gen_throughput", "Generated tok/s of a worker"),
    Panel("input_throughput", "Input tok/s of a worker"),
)


def timeline(parts: Sequence[Part]) -> Chart | None:
    """Return the steps of a run as bars; None without any."""
    if not parts:
        return None
    begin, bars = min(part.begin for part in parts), list(parts)
    if len(bars) > MOST_BARS:
        bars = _by_tier(parts)
    rows = [
        {
            "name": part.name,
            "tier": TIERS.get(part.kind, part.kind),
            "x": round(part.begin - begin, 3),
            "x2": round(part.end - begin, 3),
            "about": f"{part.name}: {part.seconds:.1f} s" + (f", {part.fault}" if part.fault else ""),
            "fault": part.fault,
        }
        for part in bars
    ]
    names = list(dict.fromkeys(part.name for part in bars))
    tiers = list(dict.fromkeys(TIERS.get(part.kind, part.kind) for part in bars))
    y: JsonObject = {"field": "name", "type": "nominal", "sort": names, "title": None, "axis": {"labelLimit": 200}}
    layers: list[JsonObject] = [
        {
            "data": {"values": rows},
            "mark": {"type": "bar", "height": {"band": 0.7}},
            "encoding": {
                "y": y,
                "x": chart.axis("x", AXIS, zero=True),
                "x2": {"field": "x2"},
                "color": chart.named("tier", tiers, chart.COLOURS),
                "description": {"field": "about", "type": "nominal"},
            },
        }
    ]
    failed = [row for row in rows if row["fault"]]
    if failed:
        mark = {"type": "text", "text": "✗", "align": "left", "dx": 3, "fontSize": 13, "color": chart.TEXT}
        encoding = {"y": y, "x": chart.axis("x2", AXIS), "description": {"field": "about", "type": "nominal"}}
        layers.append({"data": {"values": failed}, "mark": mark, "encoding": encoding})
    note = "A cross marks a step whose end was not expected." if failed else ""
    spec = chart.layered(layers, "The steps of the run over time", True, max(60, 16 * len(names)))
    return Chart("timeline", "Steps", note, spec, True)


def _by_tier(parts: Sequence[Part]) -> list[Part]:
    """Return one bar for each tier of *parts*, and each measurement."""
    found = [part for part in parts if part.kind == "benchmark"][:MOST_BARS]
    for tier in dict.fromkeys(part.kind for part in parts if part.kind != "benchmark"):
        own = [part for part in parts if part.kind == tier]
        bad = sum(bool(part.fault) for part in own)
        begin, end = min(part.begin for part in own), max(part.end for part in own)
        fault = f"{bad} ended unexpectedly" if bad else ""
        found.append(Part(f"{len(own)} {TIERS.get(tier, tier)}", tier, begin, end, fault))
    return sorted(found, key=lambda part: part.begin)


def workers(run: Run) -> list[Chart]:
    """Return the charts of series.json: one for each figure of workers, scraped metric, and the power of GPUs."""
    windows, lines = _windows(run.series), records(run.series, "workers")
    moments = [t for one in lines for t in numbers(one.get("t")) if t is not None]
    moments += [t for one in windows for t in (one["begin"], one["end"])]
    scraped, power = records(run.series, "scraped"), records(run.series, "power")
    moments += [t for one in [*scraped, *power] for t in numbers(one.get("t")) if t is not None]
    if not moments:
        return []
    zero = min(moments)
    found = [_panel(panel.key, panel.title, panel.format, _lines(lines, panel.key), windows, zero) for panel in PANELS]
    metrics = dict.fromkeys(str(one.get("metric")) for one in scraped)
    for number, metric in enumerate(list(metrics)[:20]):
        own = [_Line(f"{one.get('name')} {one.get('node') or ''}".strip(), "", one.get("t"), one.get("v"))
               for one in scraped if str(one.get("metric")) == metric]  # fmt: skip
        found.append(_panel(f"scraped{number}", metric, "", own, windows, zero))
    gpus = [_Line(f"{one.get('node')} GPU {one.get('gpu')}", str(one.get("node")), one.get("t"), one.get("watts"))
            for one in power]  # fmt: skip
    found.append(_panel("power", "Power of a GPU in watts", "", gpus, windows, zero))
    return [one for one in found if one]


class _Line(NamedTuple):
    name: str
    kind: str
    times: Json
    values: Json


def _lines(found: Sequence[JsonObject], key: str) -> list[_Line]:
    return [_Line(str(one.get("name")), str(one.get("mode")), one.get("t"), one.get(key)) for one in found]


def _windows(series: JsonObject) -> list[JsonObject]:
    """Return the times in which points were measured."""
    found = []
    for one in records(series, "points"):
        times = numbers([one.get("begin"), one.get("end")])
        if None not in times:
            found.append({"begin": times[0], "end": times[1], "label": str(one.get("label") or one.get("name"))})
    return found


def _panel(
    id_: str, title: str, form: str, lines: Sequence[_Line], windows: Sequence[JsonObject], zero: float
) -> Chart | None:
    """Return one figure over time with the points shaded; None without values."""
    drawn = [(line, downsample.series(numbers(line.times), numbers(line.values), BUCKETS)) for line in lines]
    drawn = [(line, pairs) for line, pairs in drawn if pairs]
    if not drawn:
        return None
    note = ""
    if len(drawn) > MOST_LINES:
        kinds = list(dict.fromkeys(line.kind for line, _pairs in drawn))
        note = (
            f"Medians over {len(drawn)} lines, by {'node' if id_ == 'power' else 'kind'}, in equal stretches of time."
        )
        drawn = [
            (line._replace(name=kind or "median"), _median([pairs for one, pairs in drawn if one.kind == kind]))
            for kind, line in ((kind, next(one for one, _p in drawn if one.kind == kind)) for kind in chart.few(kinds))
        ]
    names = [line.name for line, _pairs in drawn]
    rows = [{"x": round(t - zero, 3), "y": value, "series": line.name} for line, pairs in drawn for t, value in pairs]
    shades = [{**one, "begin": one["begin"] - zero, "end": one["end"] - zero} for one in windows]
    x, y = chart.axis("x", AXIS, zero=True), chart.axis("y", title, zero=True)
    y.update({"axis": {"format": form}} if form else {})
    layers: list[JsonObject] = []
    if shades:
        layers += _shaded(shades, x)
    look = {"color": chart.named("series", names, chart.COLOURS),
            "strokeDash": chart.named("series", names, chart.DASHES)}  # fmt: skip
    line = {"type": "line", "strokeWidth": 1.3, "aria": False, "point": {"size": 8} if len(rows) < 40 else False}
    layers.append({"data": {"values": rows}, "mark": line, "encoding": {"x": x, "y": y, **look}})
    spec = chart.layered(layers, f"{title} over time", True, chart.LOW)
    return Chart(f"time_{id_}", title, note, spec, True)


def _shaded(windows: Sequence[JsonObject], x: JsonObject) -> list[JsonObject]:
    """Return the layers that shade the times in which points were measured, and name the points."""
    begin = {"x": {**x, "field": "begin"}}
    rect = {"type": "rect", "color": chart.SHADE, "aria": False}
    text = {"type": "text", "align": "left", "baseline": "top", "dx": 3, "dy": 2, "aria": False, "color": chart.TEXT}
    named = {**begin, "y": {"value": 0}, "text": {"field": "label", "type": "nominal"}}
    data = {"data": {"values": list(windows)}}
    return [
        {**data, "mark": rect, "encoding": {**begin, "x2": {"field": "end"}}},
        {**data, "mark": text, "encoding": named},
    ]


def _median(lines: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """Return the median of all values of *lines* in each of up to BUCKETS stretches of time."""
    times = [t for pairs in lines for t, _value in pairs]
    begin, width = min(times), (max(times) - min(times)) / BUCKETS or 1.0
    buckets: dict[int, list[float]] = {}
    for pairs in lines:
        for t, value in pairs:
            buckets.setdefault(min(BUCKETS - 1, int((t - begin) / width)), []).append(value)
    return [(begin + (number + 0.5) * width, statistics.median(own)) for number, own in sorted(buckets.items())]
