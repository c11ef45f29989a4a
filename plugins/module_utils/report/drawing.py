# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Vega-Lite specifications to SVG, as far as our charts use them.

vl-convert would draw them as well, but takes 1.4 s of CPU time to start and 0.1 s for each chart, on every run; Vega in
the page would be a megabyte of it, and show nothing where scripts are forbidden. This takes milliseconds, and needs
nothing. A test compares both.
"""

from __future__ import annotations

import html
import itertools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Union

from ..json_types import Json, JsonObject
from ..plain_text import plain
from . import chart
from .scales import Band, Fixed, Linear, Log, Scale, label

LETTER = 6.1  # mean width of a letter at 11 pixels
FOOT, LINE = 44, 17  # pixels for the labels and title below, and of a line of the legend
Y = Union[Scale, Band]
# Outlines of the shapes, for a mark of radius 1.
_OUTLINES = {
    "square": ((-0.89, -0.89), (0.89, -0.89), (0.89, 0.89), (-0.89, 0.89)),
    "triangle-up": ((0, -1.2), (1.1, 0.8), (-1.1, 0.8)),
    "triangle-down": ((0, 1.2), (1.1, -0.8), (-1.1, -0.8)),
    "triangle-right": ((1.2, 0), (-0.8, 1.1), (-0.8, -1.1)),
    "triangle-left": ((-1.2, 0), (0.8, 1.1), (0.8, -1.1)),
    "diamond": ((0, -1.3), (0.9, 0), (0, 1.3), (-0.9, 0)),
    "wedge": ((0, -1.4), (0.6, 1.1), (-0.6, 1.1)),
    "cross": (
        *((-0.35, -1.1), (0.35, -1.1), (0.35, -0.35), (1.1, -0.35), (1.1, 0.35), (0.35, 0.35)),
        *((0.35, 1.1), (-0.35, 1.1), (-0.35, 0.35), (-1.1, 0.35), (-1.1, -0.35), (-0.35, -0.35)),
    ),
}


def svg(spec: JsonObject) -> str:
    """Return the drawing of *spec*, one of those of this room."""
    layers, width, height = spec["layer"], spec["width"], spec["height"]
    left = _left(layers, height)
    x, y = _x_scale(layers, left, width), _y_scale(layers, height)
    title = spec.get("title", {}).get("text") if isinstance(spec.get("title"), dict) else None
    top = 26 if title else 8
    parts = [_grid(x, y, left, width, height, layers)]
    taken = [_around(row, layer, x, y) for layer in layers if layer["mark"]["type"] == "point"
             for row in layer["data"]["values"] if "description" in layer["encoding"]]  # fmt: skip
    for layer in layers:
        parts += _marks(layer, x, y, (left, width, height), taken)
    legend, more = _legend(layers, left, height + FOOT, width)
    whole = (left + width + 24, top + height + FOOT + more + 4)
    head = f'<text x="{left}" y="16" font-size="14" fill="{chart.TEXT}">{_text(title)}</text>' if title else ""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{whole[0]:.0f}" height="{whole[1]:.0f}" '
        f'viewBox="0 0 {whole[0]:.0f} {whole[1]:.0f}" '
        f'role="graphics-document" aria-label="{_text(spec["description"])}" '
        f'font-family="system-ui, sans-serif" font-size="11">{head}'
        f'<g transform="translate(0,{top})">{"".join(parts)}{legend}</g></svg>'
    )


# ---- scales


def _channels(layers: Iterable[JsonObject], axis: str) -> list[tuple[JsonObject, JsonObject]]:
    """Return [(layer, its channel *axis*)] of those that have numbers or names there."""
    return [(one, one["encoding"][axis]) for one in layers if "field" in one["encoding"].get(axis, {})]


def _values(layers: Sequence[JsonObject], axis: str) -> list[float]:
    fields = [(layer, layer["encoding"][name]["field"]) for name in (axis, f"{axis}2") for layer in layers
              if "field" in layer["encoding"].get(name, {})]  # fmt: skip
    return [float(row[field]) for layer, field in fields for row in layer["data"]["values"]]


def _scale(layers: Sequence[JsonObject], axis: str, begin: float, end: float, count: int) -> Scale:
    scales = [channel["scale"] for _layer, channel in _channels(layers, axis)]
    values = _values(layers, axis)
    domain = next((one["domain"] for one in scales if "domain" in one), None)
    if domain:
        return Fixed(domain[0], domain[1], begin, end)
    if any(one.get("type") == "log" for one in scales) and min(values) > 0:
        return Log(values, begin, end)
    return Linear(values, begin, end, any(one.get("zero") for one in scales), count)


def _x_scale(layers: Sequence[JsonObject], left: float, width: float) -> Scale:
    return _scale(layers, "x", left, left + width, 10 if width > chart.NARROW else 5)


def _names(layers: Sequence[JsonObject]) -> list[str]:
    """Return the names on the vertical axis, [] if it has numbers."""
    nominal = [channel["sort"] for _layer, channel in _channels(layers, "y") if channel["type"] == "nominal"]
    return list(nominal[0]) if nominal else []


def _y_scale(layers: Sequence[JsonObject], height: float) -> Y:
    names = _names(layers)
    return Band(names, 0, height) if names else _scale(layers, "y", height, 0, 6 if height > chart.LOW else 3)


def _axis_of(layers: Sequence[JsonObject], axis: str) -> JsonObject:
    return next(channel for _layer, channel in _channels(layers, axis))


def _form(layers: Sequence[JsonObject], axis: str) -> str:
    return next((c["axis"]["format"] for _l, c in _channels(layers, axis) if c.get("axis", {}).get("format")), "")


def _left(layers: Sequence[JsonObject], height: float) -> float:
    """Return how many pixels the labels and the title of the vertical axis need."""
    scale = _y_scale(layers, height)
    names = scale.names if isinstance(scale, Band) else [label(one, _form(layers, "y")) for one in scale.ticks()]
    return 14 + (0 if isinstance(scale, Band) else 18) + LETTER * min(30, max(map(len, names), default=1))


def _grid(x: Scale, y: Y, left: float, width: float, height: float, layers: Sequence[JsonObject]) -> str:
    """Return the grid with the labels and titles of both axes."""
    parts, form = [], _form(layers, "x")
    for tick in x.ticks():
        at = x.at(tick)
        parts.append(_line(at, 0, at, height))
        parts.append(_label(at, height + 15, label(tick, form), "middle"))
    if isinstance(y, Band):
        parts += [_label(left - 6, y.at(name) + 4, name[:30], "end") for name in y.names]
    else:
        form = _form(layers, "y")
        for tick in y.ticks():
            parts.append(_line(left, y.at(tick), left + width, y.at(tick)))
            parts.append(_label(left - 6, y.at(tick) + 4, label(tick, form), "end"))
        title = _text(_axis_of(layers, "y").get("title") or "")
        turned = f'transform="translate(12,{height / 2:.0f}) rotate(-90)"'
        parts.append(f'<text {turned} text-anchor="middle" fill="{chart.TEXT}">{title}</text>')
    parts.append(_label(left + width / 2, height + 33, _axis_of(layers, "x").get("title") or "", "middle"))
    return f'<g aria-hidden="true">{"".join(parts)}</g>'


def _line(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}" stroke="{chart.GRID}"/>'


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{chart.TEXT}">{_text(text)}</text>'


def _text(value: object) -> str:
    return html.escape(plain(str(value)))


# ---- marks


def _look(layer: JsonObject, channel: str, row: Mapping[str, Json], default: Json) -> Json:
    """Return what *channel* says of *row*: its colour, shape or dash."""
    encoding = layer["encoding"].get(channel)
    if not encoding:
        return layer["mark"].get(channel, default)
    scale = encoding["scale"]
    return dict(zip(scale["domain"], scale["range"])).get(row[encoding["field"]], default)


def _marks(
    layer: JsonObject, x: Scale, y: Y, box: tuple[float, float, float], taken: list[tuple[float, float, float, float]]
) -> list[str]:
    """Return the marks of *layer*; *taken*: where texts are already."""
    rows, kind, encoding = layer["data"]["values"], layer["mark"]["type"], layer["encoding"]
    if kind == "line":
        return _lines(layer, x, y)
    found = []
    for row in rows:
        across = x.at(row[encoding["x"]["field"]])
        up = _up(encoding, row, y)
        if kind == "rect":
            wide = x.at(row[encoding["x2"]["field"]]) - across
            found.append(f'<rect x="{across:.1f}" y="0" width="{max(wide, 1):.1f}" height="{box[2]}" '
                         f'fill="{_look(layer, "color", row, chart.SHADE)}" aria-hidden="true"/>')  # fmt: skip
        elif kind == "bar" and isinstance(y, Band):
            wide, high = x.at(row[encoding["x2"]["field"]]) - across, y.width * 0.7
            shape = f'<rect x="{across:.1f}" y="{up - high / 2:.1f}" width="{max(wide, 1):.1f}" height="{high:.1f}" '
            found.append(f'{shape}fill="{_look(layer, "color", row, chart.GREY)}"{_said(layer, row, "bar")}/>')
        elif kind == "point":
            found.append(_point(layer, row, across, up))
        elif kind == "text":
            found.append(_words(layer, row, across, up, box, taken))
    return found


def _up(encoding: JsonObject, row: Mapping[str, Json], y: Y) -> float:
    """Return the vertical pixel of *row*."""
    channel = encoding.get("y") or {"value": 0}
    return y.at(row[channel["field"]]) if "field" in channel else float(channel["value"])


def _said(layer: JsonObject, row: Mapping[str, Json], kind: str) -> str:
    """Return the attributes that name a mark for those who point at it, or do not see it."""
    channel = layer["encoding"].get("description")
    if not channel:
        return ' aria-hidden="true"'
    return f' role="graphics-symbol" aria-roledescription="{kind}" aria-label="{_text(row[channel["field"]])}"'


def _point(layer: JsonObject, row: Mapping[str, Json], x: float, y: float) -> str:
    radius = math.sqrt(layer["mark"].get("size", 60) / math.pi)
    colour, shape = _look(layer, "color", row, chart.TEXT), _look(layer, "shape", row, "circle")
    faint = layer["mark"].get("opacity", 1)
    fill = f'fill="{colour}"' if layer["mark"].get("filled") else f'fill="none" stroke="{colour}"'
    more = f' opacity="{faint}"' if faint != 1 else ""
    return f"{_symbol(str(shape), x, y, radius)} {fill}{more}{_said(layer, row, 'point')}/>"


def _symbol(shape: str, x: float, y: float, radius: float) -> str:
    """Return the begin of an element with the outline of *shape*."""
    if shape not in _OUTLINES:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"'
    corners = (f"{x + radius * dx:.1f} {y + radius * dy:.1f}" for dx, dy in _OUTLINES[shape])
    return f'<path d="M{"L".join(corners)}Z"'


def _lines(layer: JsonObject, x: Scale, y: Y) -> list[str]:
    encoding, mark, found = layer["encoding"], layer["mark"], []
    keys = [encoding[one]["field"] for one in ("color", "detail", "strokeDash") if one in encoding]
    lines: dict[tuple[Json, ...], list[JsonObject]] = {}
    for row in layer["data"]["values"]:
        lines.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    for rows in lines.values():
        pairs = sorted((x.at(row[encoding["x"]["field"]]), _up(encoding, row, y)) for row in rows)
        if mark.get("interpolate") == "step-after":
            rows.sort(key=lambda row: row[encoding["x"]["field"]])
            pairs = [(x.at(row[encoding["x"]["field"]]), _up(encoding, row, y)) for row in rows]
            pairs = [pairs[0], *(one for old, new in zip(pairs, pairs[1:]) for one in ((new[0], old[1]), new))]
        colour, dash = _look(layer, "color", rows[0], chart.TEXT), _look(layer, "strokeDash", rows[0], None)
        dashed = f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash and dash != [1, 0] else ""
        path = "L".join(f"{across:.1f} {up:.1f}" for across, up in pairs)
        if len(pairs) == 1:  # a line of one place would not be seen
            found.append(f'{_symbol("circle", *pairs[0], 2.5)} fill="{colour}" aria-hidden="true"/>')
            continue
        look = f'stroke="{colour}" stroke-width="{mark.get("strokeWidth", 1.5)}"{dashed}'
        found.append(f'<path d="M{path}" fill="none" {look} aria-hidden="true"/>')
    return found


def _words(
    layer: JsonObject,
    row: Mapping[str, Json],
    x: float,
    y: float,
    box: tuple[float, float, float],
    taken: list[tuple[float, float, float, float]],
) -> str:
    """Return a text beside its place; where others are already, on another side of it, or nowhere."""
    mark, channel = layer["mark"], layer["encoding"].get("text")
    words = str(row[channel["field"]]) if channel else str(mark["text"])
    size, dx, dy = mark.get("fontSize", 10), mark.get("dx", 0), mark.get("dy", 0)
    width, below = len(words) * size * LETTER / 11, size if mark.get("baseline") == "top" else 0
    for across, up in itertools.product((x + dx, x - dx - width), (y + dy, y - dy + size)):
        place = (across, up + below - size, across + width, up + below)
        inside = box[0] - 2 <= across and across + width <= box[0] + box[1] + 14
        if inside and not any(_meet(place, other) for other in taken):
            taken.append(place)
            said = _said(layer, row, "mark")
            colour = mark.get("color", chart.TEXT)
            at = f'x="{across:.1f}" y="{up + below:.1f}"'
            return f'<text {at} font-size="{size}" fill="{colour}"{said}>{_text(words)}</text>'
    return ""


def _around(row: Mapping[str, Json], layer: JsonObject, x: Scale, y: Y) -> tuple[float, float, float, float]:
    """Return the place of a point, which no text covers."""
    across, up = x.at(row[layer["encoding"]["x"]["field"]]), _up(layer["encoding"], row, y)
    return across - 4, up - 4, across + 4, up + 4


def _meet(one: Sequence[float], other: Sequence[float]) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


# ---- legend


def _legend(layers: Sequence[JsonObject], left: float, top: float, width: float) -> tuple[str, float]:
    """Return (the names of the colours below the plot, the pixels that they take)."""
    entries: dict[str, tuple[str, str, JsonObject]] = {}
    for layer in layers:
        channel = layer["encoding"].get("color")
        if not channel or "legend" in channel:
            continue
        for name in channel["scale"]["domain"]:
            row = {channel["field"]: name}
            entries[name] = (str(_look(layer, "color", row, chart.TEXT)), str(_look(layer, "shape", row, "circle")),
                             {**layer, "row": row})  # fmt: skip
    parts, x, y = [], left, top + 10
    for name, (colour, shape, layer) in entries.items():
        wide = 34 + LETTER * len(name)
        if x > left and x + wide > left + width:
            x, y = left, y + LINE
        dash = _look(layer, "strokeDash", layer["row"], None)
        if layer["mark"]["type"] == "line":
            dashed = f' stroke-dasharray="{" ".join(map(str, dash))}"' if dash and dash != [1, 0] else ""
            parts.append(f'<path d="M{x:.1f} {y - 4:.1f}h20" stroke="{colour}" stroke-width="2"{dashed}/>')
        else:
            parts.append(f'{_symbol(shape, x + 8, y - 4, 4.5)} fill="{colour}"/>')
        parts.append(_label(x + 25, y, name, "start"))
        x += wide
    return f'<g aria-hidden="true">{"".join(parts)}</g>', (y - top + 8) if entries else 0.0
