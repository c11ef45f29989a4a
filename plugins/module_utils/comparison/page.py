# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""compare.html: a comparison as one page that needs no network and no script. Pure."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

from ..json_types import JsonObject
from ..metrics import METRICS
from .document import percent, place

WIDTH, HEIGHT = 220, 18  # of the picture of an interval
STYLE = """
:root { color-scheme: light dark; --line: #c8ccd2; --dim: #667; --worse: #b3261e; --better: #1a7f37; --mark: #2457a6; }
@media (prefers-color-scheme: dark) {
  :root { --line: #444b55; --dim: #9aa4b2; --worse: #ff8a80; --better: #6fdd8b; --mark: #8ab4f8; }
}
body { font: 15px/1.45 system-ui, sans-serif; max-width: 75rem; margin: 1.5rem auto; padding: 0 1rem;
  overflow-wrap: break-word; }
table { border-collapse: collapse; margin: .5rem 0 1rem; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: .25rem .6rem; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: anywhere; }
.dim { color: var(--dim); } .worse, .invalid { color: var(--worse); font-weight: 600; }
.better { color: var(--better); font-weight: 600; }
.box { border: 2px solid var(--worse); padding: .4rem 1rem; margin: 1rem 0; }
.scroll { overflow-x: auto; }
"""


def page(document: JsonObject) -> str:
    """Return the page about the content of compare.json."""
    names = [side["given"] for side in document["sides"]]
    title = f"{names[0]} and {names[1]}"
    reach = _reach(document)
    parts = [
        f"<h1>{_text(title)}</h1>",
        f'<p class="{"better" if document["ok"] else "worse"}">{"Passed" if document["ok"] else "NOT passed"}: '
        f"{_text(document['verdict'])}</p>",
        f"<p>Differences above {100 * document['threshold']:g} % matter. With {100 * document['confidence']:g} % "
        f"confidence no verdict is wrong. {_text(document['generated_at'])}</p>",
        _failures(document),
        *(_point(point, reach) for point in document["points"]),
        _repeats(document),
        _list("Only one side has", [f"{word}: {one}" for word, found in document["only"].items() for one in found]),
        _list("Warnings", document["warnings"]),
        _sides(document),
        _differences(document),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{_text(title)}</title>\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n" + "\n".join(filter(None, parts)) + "\n</body>\n</html>\n"
    )


def _text(value: object) -> str:
    return html.escape(str(value))


def _failures(document: JsonObject) -> str:
    if document["ok"]:
        return ""
    items = "".join(f"<li>{_text(line)}</li>" for line in document["failures"])
    return f'<div class="box"><p class="worse">The comparison does not pass:</p><ul>{items}</ul></div>'


def _list(title: str, lines: Sequence[str]) -> str:
    items = "".join(f"<li>{_text(line)}</li>" for line in lines)
    return f"<h2>{_text(title)}</h2><ul>{items}</ul>" if lines else ""


def _table(head: Iterable[str], rows: Iterable[str], numbers: Sequence[int] = ()) -> str:
    cells = "".join(
        f'<th scope="col"{" class=number" if at in numbers else ""}>{_text(one)}</th>' for at, one in enumerate(head)
    )
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _point(point: JsonObject, reach: float) -> str:
    base, other = point["baseline"], point["candidate"]
    how = "measured in pairs" if point["method"] == "paired" else "independent sides"
    counts = f"{base['valid']} of {base['measured']} and {other['valid']} of {other['measured']} repeats valid, {how}"
    head = ("metric", "baseline", "candidate", "change", "interval", "", "verdict", "detectable")
    primary = [_row(one, reach) for one in point["metrics"] if one["primary"]]
    others = [_row(one, reach) for one in point["metrics"] if not one["primary"]]
    missing = [f"{METRICS[name].label}: no repeat of either side has it" for name in point["unmeasured"]]
    explored = ""
    if others:
        summary = f"<summary>{len(others)} other metrics, exploratory: intervals of 95 %, no verdicts</summary>"
        explored = f"<details>{summary}{_table(head, others, (1, 2, 3, 4, 7))}</details>"
    return (
        f"<h2>{_text(place(point))}</h2><p>{_text(counts)}</p>{_table(head, primary, (1, 2, 3, 4, 7))}"
        + "".join(f'<p class="dim">{_text(line)}</p>' for line in missing)
        + explored
    )


def _row(one: JsonObject, reach: float) -> str:
    metric = METRICS[one["name"]]
    change = percent(one["ratio"]) if one["ratio"] else "-"
    span = f"{percent(one['low'])} to {percent(one['high'])}" if one["low"] is not None else "-"
    verdict = (one["verdict"] or "exploratory") + (f": {one['reason']}" if one["reason"] else "")
    mark = one["verdict"] if one["verdict"] in ("worse", "better") else "dim"
    seen = f"{100 * (one['detectable'] - 1):.1f} %" if one["detectable"] else "-"
    numbers = [metric.text(one["baseline"]), metric.text(one["candidate"]), change, span]
    cells = "".join(f'<td class="number">{_text(cell)}</td>' for cell in numbers)
    return (
        f"<tr><td>{_text(one['label'])}</td>{cells}<td>{_picture(one, reach)}</td>"
        f'<td class="{mark}">{_text(verdict)}</td><td class="number">{_text(seen)}</td></tr>'
    )


def _reach(document: JsonObject) -> float:
    """Return the largest logarithm that the pictures show: primary intervals and the threshold fit in."""
    found = [one for point in document["points"] for one in point["metrics"] if one["primary"] and one["low"]]
    ends = [abs(math.log(one[end])) for one in found for end in ("low", "high")]
    return 1.1 * max(2 * math.log1p(document["threshold"]), *ends, 0.01)


def _picture(one: JsonObject, reach: float) -> str:
    """Return the interval as a line with the estimate as a dot; the line in the middle is no difference."""
    if one["low"] is None:
        return ""

    def at(ratio: float) -> float:
        return round(WIDTH / 2 * (1 + max(-1.0, min(1.0, math.log(ratio) / reach))), 1)

    colour = {"worse": "var(--worse)", "better": "var(--better)"}.get(one["verdict"], "var(--mark)")
    middle, spoken = HEIGHT / 2, f"{percent(one['ratio'])}, {percent(one['low'])} to {percent(one['high'])}"
    return (
        f'<svg width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{_text(spoken)}">'
        f'<line x1="{WIDTH / 2}" x2="{WIDTH / 2}" y1="0" y2="{HEIGHT}" stroke="var(--line)"/>'
        f'<line x1="{at(one["low"])}" x2="{at(one["high"])}" y1="{middle}" y2="{middle}" stroke="{colour}" '
        f'stroke-width="2"/><circle cx="{at(one["ratio"])}" cy="{middle}" r="4" fill="{colour}"/></svg>'
    )


def _repeats(document: JsonObject) -> str:
    """Return the repeats that are not valid, or were not measured."""
    rows = [
        f'<tr><td class="{mark}">{word}</td><td>{_text(one["side"])}</td><td>{_text(one["run"])}</td>'
        f"<td>{_text(one['label'])}</td><td>{_text('; '.join(one['reasons']))}</td></tr>"
        for key, word, mark in (("invalid", "NOT valid", "invalid"), ("missing", "not measured", "dim"))
        for one in document[key]
    ]
    if not rows:
        return ""
    return "<h2>Repeats that do not count</h2>" + _table(("", "side", "run", "point", "why"), rows)


def _sides(document: JsonObject) -> str:
    rows = [
        f"<tr><td>{_text(side['side'])}</td><td>{_text(one['path'])}</td><td>{_text(one['job_name'])}</td>"
        f"<td>{_text(', '.join(one['nodes']) or '-')}</td><td class=number>{one['valid']} of {one['repeats']}</td></tr>"
        for side in document["sides"]
        for one in side["runs"]
    ]
    return "<h2>Runs</h2>" + _table(("side", "run", "job", "nodes", "valid repeats"), rows, (4,))


def _differences(document: JsonObject) -> str:
    if not document["differences"]:
        return "<h2>What differs</h2><p>Nothing is known to differ between the sides.</p>"
    rows = [
        f"<tr><td>{_text(one['key'])}</td><td>{_text(one['baseline'])}</td><td>{_text(one['candidate'])}</td></tr>"
        for one in document["differences"]
    ]
    return "<h2>What differs</h2>" + _table(("key", "baseline", "candidate"), rows)
