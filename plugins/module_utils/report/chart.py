# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all charts have in common: Vega-Lite specifications as plain mappings, their colours and sizes.

Colours are names of CSS variables, so that one drawing serves light and dark pages and paper. They are those of Okabe
and Ito, which people with colour blindness tell apart; shapes and dashes say the same once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..json_types import JsonObject

COLOURS = tuple(f"var(--c{number})" for number in range(8))
GREY, TEXT, GRID, SHADE = "var(--grey)", "var(--text)", "var(--grid)", "var(--shade)"
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "triangle-right", "triangle-left", "wedge")
DASHES = ([1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [12, 4], [4, 1], [1, 4], [10, 2, 2, 2])
MOST_SERIES = len(COLOURS)
NARROW, WIDE, HEIGHT, LOW = 400, 820, 260, 120  # of the plot, in pixels

CONFIG: JsonObject = {
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": TEXT,
        "titleColor": TEXT,
        "titleFontWeight": "normal",
        "gridColor": GRID,
        "domainColor": GREY,
        "tickColor": GREY,
        "labelFontSize": 11,
        "titleFontSize": 12,
    },
    "legend": {
        "labelColor": TEXT,
        "titleColor": TEXT,
        "orient": "bottom",
        "direction": "vertical",
        "labelLimit": NARROW,
        "symbolStrokeColor": TEXT,
        "labelFontSize": 11,
    },
    "text": {"color": TEXT, "fontSize": 10},
}
SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"


class Chart(NamedTuple):
    """A chart of a page: its *title*, a *note* below it, and its Vega-Lite specification; *wide*: it takes a row."""

    id: str
    title: str
    note: str
    spec: JsonObject
    wide: bool = False


def layered(layers: Sequence[JsonObject], description: str, wide: bool = False, height: int = HEIGHT) -> JsonObject:
    """Return the specification with *layers*, the first one at the back."""
    return {
        "$schema": SCHEMA,
        "description": description,
        "background": "transparent",
        "width": WIDE if wide else NARROW,
        "height": height,
        "config": CONFIG,
        "layer": list(layers),
    }


def axis(field: str, title: str, log: bool = False, zero: bool = False, **more: object) -> JsonObject:
    """Return the channel of the numbers in *field*."""
    scale: JsonObject = {"type": "log"} if log else {"zero": zero}
    return {"field": field, "type": "quantitative", "title": title, "scale": {"nice": True, **scale}, **more}


def named(field: str, names: Sequence[str], values: Sequence[object], legend: bool = True) -> JsonObject:
    """Return the channel of the names in *field*: each of *names* has its own of *values*."""
    shown: JsonObject = {"title": None} if legend else {"legend": None}
    domain = {"domain": list(names), "range": list(values[: len(names)])}
    return {"field": field, "type": "nominal", "scale": domain, "sort": list(names), **shown}


def spread(values: Sequence[float], times: float = 20.0) -> bool:
    """Return whether *values* are so far apart that a logarithmic scale shows them better."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > times


def few(items: Sequence[str], most: int = MOST_SERIES) -> list[str]:
    """Return at most *most* of *items*, evenly chosen, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(number * (len(items) - 1) / (most - 1))] for number in range(most)]
