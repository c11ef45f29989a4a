# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Building blocks of pages. All text is escaped here; only what is marked as HTML goes into a page as it is."""

from __future__ import annotations

import base64
import hashlib
import html
from collections.abc import Iterable, Sequence

from ..plain_text import plain
from . import drawing
from .chart import Chart
from .style import CSS, SCRIPT


class Html(str):
    """Text that is HTML already."""


def text(value: object) -> Html:
    """Return *value* as HTML: escaped, without control characters; what is HTML already stays."""
    return value if isinstance(value, Html) else Html(html.escape(plain(str(value))))


def tag(name: str, *children: object, **attributes: object) -> Html:
    """Return an element; attributes that are None are left out, ``_`` in their names is ``-``, and ends are cut off."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{text(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Html(f"<{name}{given}>{''.join(map(text, children))}</{name}>")


def join(parts: Iterable[object]) -> Html:
    """Return *parts* one after the other."""
    return Html("".join(map(text, parts)))


def row(cells: Iterable[object], **attributes: object) -> Html:
    """Return a row of a table, whose first cell is its heading; a cell may be a complete ``td`` or ``th``."""
    return tag("tr", *(_cell(cell, first=not number) for number, cell in enumerate(cells)), **attributes)


def table(head: Sequence[object], rows: Iterable[object], caption: str = "", **attributes: object) -> Html:
    """Return a table in a box that scrolls; a row is a sequence of cells, or complete already."""
    lines = [one if isinstance(one, Html) else row(one if isinstance(one, (list, tuple)) else [one]) for one in rows]
    heads = tag("thead", tag("tr", *(tag("th", cell, scope="col") for cell in head))) if head else ""
    title = tag("caption", caption) if caption else ""
    return tag("div", tag("table", title, heads, tag("tbody", *lines), **attributes), class_="scroll", tabindex="0")


def _cell(cell: object, first: bool) -> Html:
    if isinstance(cell, Html) and cell.startswith(("<td", "<th")):
        return cell
    return tag("th", cell, scope="row") if first else tag("td", cell)


def number(shown: str, value: float | None, name: str, point: str) -> Html:
    """Return the cell of a figure: as text, and exactly, with the metric and the point that it is of."""
    return tag("td", shown, class_="n", data_value=None if value is None else repr(value), data_metric=name,
               data_point=point)  # fmt: skip


def facts(pairs: Iterable[tuple[str, object]]) -> Html:
    """Return a table of names and values; those without a value are left out."""
    return table((), [pair for pair in pairs if pair[1] not in (None, "", [], {})], class_="facts")


def details(summary: str, *children: object) -> Html:
    """Return what is opened by a click."""
    return tag("details", tag("summary", summary), *children)


def pre(value: str) -> Html:
    """Return text as it is."""
    return tag("pre", value, tabindex="0")


def figure(chart: Chart) -> Html:
    """Return a chart with its title and note."""
    note = tag("p", chart.note, class_="note") if chart.note else ""
    shown = tag("div", Html(drawing.svg(chart.spec)), class_="drawing")
    return tag("figure", tag("figcaption", chart.title), shown, note, id=f"chart-{chart.id}",
               class_="wide" if chart.wide else None)  # fmt: skip


def charts(found: Sequence[Chart]) -> Html:
    """Return *found* beside each other, as far as there is room."""
    return tag("div", *map(figure, found), class_="charts") if found else Html()


class Section:
    """A part of a page, with its place in the list of contents; without content it is left out."""

    def __init__(self, id_: str, title: str, *children: object) -> None:
        self.id, self.title = id_, title
        self.content = join(children)

    def __bool__(self) -> bool:
        return bool(self.content)

    def html(self) -> Html:
        """Return it with its heading."""
        return tag("section", tag("h2", self.title), self.content, id=self.id, aria_label=self.title)


def page(title: str, head: Html, sections: Iterable[Section], about: str) -> str:
    """Return a whole page: *head* first, then a list of contents and those *sections* that have content.

    It loads nothing: its policy forbids the network, and any script but its own.
    """
    shown = [one for one in sections if one]
    links = [tag("a", one.title, href=f"#{one.id}") for one in shown]
    mark = base64.b64encode(hashlib.sha256(SCRIPT.encode()).digest()).decode()
    allowed = f"img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{mark}'"
    policy = f"default-src 'none'; {allowed}; base-uri 'none'; form-action 'none'"
    body = [
        tag("header", tag("h1", title), head),
        tag("nav", *links, aria_label="Contents") if len(links) > 1 else "",
        tag("main", *(one.html() for one in shown)),
        tag("footer", about),
    ]
    meta = [
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{text(policy)}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<meta name="color-scheme" content="light dark">'),
        Html('<link rel="icon" href="data:,">'),
        tag("title", title),
        Html(f"<style>{CSS}</style>"),
    ]
    whole = tag("html", tag("head", *meta), tag("body", *body, Html(f"<script>{SCRIPT}</script>")), lang="en")
    return f"<!DOCTYPE html>\n{whole}\n"
