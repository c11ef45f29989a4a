# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""index.html: all runs of an output directory, one row a run, with filters."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from urllib.parse import quote

from ..json_types import JsonObject
from ..metrics import METRICS
from ..results.outcome import chosen_reasons, in_words
from ..results.rollup_file import Rollup
from ..results.tables import topology
from . import html, points
from .html import Html, Section

BEST = "output_tps_per_gpu"
# The filters that offer what the runs have, {attribute: label}.
CHOICES = {"tags": "tag", "model": "model", "gpu": "GPU", "topology": "topology", "verdict": "verdict"}


class Entry(NamedTuple):
    """A run in the list: its *name*, the path of its page below the output directory, and what it said of itself."""

    name: str
    path: str
    rollup: Rollup
    has_page: bool


def page(output_dir: str, entries: Sequence[Entry], unread: Iterable[str], sweeps: Sequence[str] = ()) -> str:
    """Return the page over *entries*, the newest first.

    :param unread: what could not be read, and why.
    :param sweeps: the folders of sweeps that have a page, below *output_dir*.
    """
    rows = [_row(entry) for entry in sorted(entries, key=_date, reverse=True)]
    facts = [_facts(entry) for entry in entries]
    head = ["run", "job", "verdict", "points", f"best {METRICS[BEST].label}", "model", "GPU", "precision", "topology",
            "workload", "tags", "began (UTC)"]  # fmt: skip
    left = [html.tag("li", one) for one in unread]
    sections = [
        Section("all", "Runs", html.table(head, rows, id="runs") if rows else html.tag("p", "There are no runs yet.")),
        Section("sweeps", "Sweeps", *([html.tag("ul", *map(_sweep, sweeps))] if sweeps else [])),
        Section("unread", "Not read", *([html.tag("ul", *left)] if left else [])),
    ]
    return html.page("Runs", _filters(facts) if rows else Html(), sections, f"Made by srt.slurm from {output_dir}")


def _sweep(path: str) -> Html:
    link = html.tag("a", os.path.basename(path), href=quote(f"{path}/report.html"))
    return html.tag("li", link)


def _date(entry: Entry) -> str:
    return entry.rollup.get("started_at") or entry.rollup["generated_at"]


def _facts(entry: Entry) -> JsonObject:
    """Return what the filters compare."""
    rollup: JsonObject = {**entry.rollup}
    found = points.of_rollup(entry.rollup, entry.name)
    workload = " / ".join(f"{key} {rollup[key]}" for key in ("isl", "osl") if rollup.get(key) is not None)
    facts: JsonObject = {
        "job": rollup["job_name"], "model": rollup.get("model_name") or "", "gpu": rollup.get("gpu_type") or "",
        "precision": rollup.get("precision") or "", "topology": topology(entry.rollup),
        "verdict": in_words(entry.rollup) or "NOT valid", "tags": [str(tag) for tag in rollup.get("tags") or ()],
        "date": _date(entry)[:16], "workload": f"{rollup['benchmark_type']} {workload}".strip(),
    }  # fmt: skip
    if str(facts["verdict"]).startswith("selected"):
        facts["verdict"] = "selected points valid"
    counting = [one for one in found if one.counts]
    best = max((one.figures[BEST] for one in counting if BEST in one.figures), default=None)
    return {**facts, "best": best, "counting": len(counting), "total": len(found)}


def _row(entry: Entry) -> Html:
    facts, reasons = _facts(entry), chosen_reasons(entry.rollup)
    sign = "✓" if entry.rollup["valid"] else "✗" if facts["verdict"] == "NOT valid" else "○"
    word = html.tag("span", f"{sign} {facts['verdict']}", class_="good" if entry.rollup["valid"] else "bad")
    why = html.details("why", html.tag("ul", *(html.tag("li", one) for one in reasons[:20]))) if reasons else ""
    name = html.tag("a", entry.name, href=quote(f"{entry.path}/report.html")) if entry.has_page else entry.name
    best = METRICS[BEST].text(facts["best"])
    cells: list[object] = [
        name, facts["job"], html.tag("td", word, why), f"{facts['counting']} of {facts['total']}",
        html.number(best, facts["best"], BEST, entry.name), facts["model"], facts["gpu"], facts["precision"],
        facts["topology"], facts["workload"], ", ".join(facts["tags"]), facts["date"].replace("T", " "),
    ]  # fmt: skip
    tags = "\n".join(facts["tags"])
    words = " ".join([entry.name, *(str(facts[key]) for key in ("job", "model", "gpu", "workload")), *facts["tags"]])
    about = {key: facts[key] for key in ("model", "gpu", "topology", "verdict", "date")}
    given = {f"data_{key}": value for key, value in {**about, "words": words.lower(), "tags": tags}.items()}
    return html.row(cells, class_=None if facts["counting"] else "out", **given)


def _filters(facts: Sequence[JsonObject]) -> Html:
    """Return the controls that choose runs."""
    words = html.tag("label", "words", html.tag("input", type="search", data_by="words"))
    chosen = []
    for key, label in CHOICES.items():
        values = sorted({one for fact in facts for one in (fact[key] if key == "tags" else [fact[key]]) if one})
        options = [html.tag("option", "all", value=""), *(html.tag("option", one, value=one) for one in values)]
        chosen.append(html.tag("label", label, html.tag("select", *options, data_by=key)))
    dates = [
        html.tag("label", how, html.tag("input", type="date", data_by="date", data_how=how)) for how in ("from", "to")
    ]
    count = html.tag("p", f"{len(facts)} runs", id="count", role="status")
    return html.join([html.tag("div", words, *chosen, *dates, class_="filters"), count])
