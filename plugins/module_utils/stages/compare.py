# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``compare``: compares two sides, and writes compare.json, compare.html and compare.txt."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence

from .. import sweep_folders
from ..comparison import document, judgement, page, planning, sides, text
from ..entry import Context
from ..failures import Error
from ..files import read_object, write_text_atomic
from ..holder.utc import utc_now
from ..json_types import JsonObject
from ..metrics import METRICS
from ..plain_text import cleaned, shown
from .compared_sides import paths_of

ARGUMENT_SPEC = {
    "baseline": {"type": "list", "elements": "str", "required": True},
    "candidate": {"type": "list", "elements": "str", "default": []},
    "output_dir": {"type": "path", "default": "outputs"},
    "threshold": {"type": "float", "default": 2.0},
    "primary_metrics": {"type": "list", "elements": "str", "default": []},
    "fail_on": {"type": "list", "elements": "str", "default": list(document.USUALLY)},
    "plan_difference": {"type": "float"},
    "confidence": {"type": "float", "default": 99.5},
    "compare_dir": {"type": "path"},
}
FOLDER = "comparisons"  # below the output directory


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, ok, verdict, failures, points, ...}``, see the module; Error if it does not pass."""
    asked = asked_of(params)
    output_dir = os.path.abspath(os.path.expanduser(params["output_dir"]))
    words = (sides.BASELINE, sides.CANDIDATE)
    if params["plan_difference"] is not None:
        return _planned(params, asked, output_dir, ctx)
    found = [sides.runs_of(paths_of(word, params[word], output_dir, not ctx.check_mode)) for word in words]
    both = sides.matched(*found)
    content = compared(both, asked)
    given = params.get("compare_dir")
    name = "-vs-".join(sweep_folders.word(one.replace("/", "-")) for one in asked.names)
    folder = os.path.abspath(os.path.expanduser(given)) if given else os.path.join(output_dir, FOLDER, name)
    return finished(content, folder, ctx)


def asked_of(params: JsonObject) -> document.Asked:
    """Return what the parameters of a module ask for; Error if they are wrong."""
    wrong = [name for name in params["primary_metrics"] if not judgement.comparable(name)]
    if wrong:
        known = ", ".join(name for name in METRICS if judgement.comparable(name))
        raise Error(f"primary_metrics: {', '.join(wrong)}: no metric of which more or less is better. Use {known}.")
    wrong = [word for word in params["fail_on"] if word not in document.FAILING]
    if wrong:
        raise Error(f"fail_on: {', '.join(wrong)} is not known. Use {', '.join(document.FAILING)}.")
    if not 0 < params["threshold"] < 1000:
        raise Error(f"threshold is {params['threshold']:g} %. Use a difference above 0, such as 2.")
    if not 50 <= params["confidence"] < 100:
        raise Error(f"confidence is {params['confidence']:g} %. Use percent from 50 to below 100, such as 99.5.")
    names = (",".join(params["baseline"]), ",".join(params["candidate"]))
    alpha = 1 - params["confidence"] / 100
    return document.Asked(names, params["threshold"] / 100, params["primary_metrics"], params["fail_on"], alpha)


def compared(both: sides.Sides, asked: document.Asked) -> JsonObject:
    """Return the content of compare.json; Error if no point has a metric that the user asked for."""
    if asked.primary and not any(judgement.primary_of(one.benchmark, asked.primary) for one in both.points):
        types = ", ".join(dict.fromkeys(one.benchmark.type for one in both.points))
        raise Error(f"primary_metrics: {', '.join(asked.primary)}: a benchmark of type {types} has none of them.")
    results = judgement.judge(both.points, asked.primary, asked.threshold, asked.alpha)
    return dict(cleaned(document.build(both, results, asked, utc_now()), shown))


def finished(content: JsonObject, folder: str, ctx: Context) -> JsonObject:
    """Write the files of a comparison and return the module's result; Error with all of it if it does not pass."""
    path, html_path = (os.path.join(folder, f"compare.{kind}") for kind in ("json", "html"))
    lines = text.comparison(content)
    changed = False
    if not ctx.check_mode:
        before = read_object(path)
        if before and {**before, "generated_at": ""} == json.loads(json.dumps({**content, "generated_at": ""})):
            content = before
        changed = write(folder, content, lines)
        lines = [*lines, f"comparison: {html_path}"]
    result = {
        "changed": changed,
        **{key: content[key] for key in ("ok", "verdict", "failures", "points", "invalid")},
        "path": path,
        "html_path": html_path,
        "text": "\n".join(lines),
    }
    if not content["ok"]:
        raise Error(_message(content["failures"]), **result)
    return result


def write(folder: str, content: JsonObject, lines: Sequence[str]) -> bool:
    """Write the three files; return whether one changed. Error if that fails."""
    files = {"json": json.dumps(content, indent=2) + "\n", "html": page.page(content), "txt": "\n".join(lines) + "\n"}
    try:
        changed = [write_text_atomic(os.path.join(folder, f"compare.{kind}"), said) for kind, said in files.items()]
        return any(changed)
    except OSError as error:
        raise Error(
            f"The comparison cannot be written: {error.filename or folder}: {error.strerror}. Set compare_dir to a "
            "directory that can be written."
        ) from None


def _message(failures: Sequence[str]) -> str:
    more = f" (and {len(failures) - 3} more)" if len(failures) > 3 else ""
    return f"The comparison does not pass: {'; '.join(failures[:3])}{more}."


def _planned(params: JsonObject, asked: document.Asked, output_dir: str, ctx: Context) -> JsonObject:
    """Return how many repeats a difference needs, from the spread of one side or of both."""
    difference = params["plan_difference"] / 100
    words = [word for word in (sides.BASELINE, sides.CANDIDATE) if params[word]]
    found = [sides.runs_of(paths_of(word, params[word], output_dir, not ctx.check_mode)) for word in words]
    points = sides.matched(*found).points if len(found) > 1 else sides.alone(found[0])
    needs = planning.needs(points, asked.primary, difference, asked.threshold, asked.alpha)
    given = [",".join(params[word]) for word in words]
    content = cleaned(document.plan_document(given, needs, asked, difference), shown)
    lines = "\n".join(text.planning(content))
    if content["repeats"] is None:
        raise Error("The repeats that the difference needs are not known for all metrics.", plan=content, text=lines)
    return {"changed": False, "plan": content, "text": lines, "repeats": content["repeats"]}
