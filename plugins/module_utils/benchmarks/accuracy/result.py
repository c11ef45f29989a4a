# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a score is valid: who was asked, how many were asked, and whether they answered at all.

lm-eval ends with an error when a request fails for good, but takes an answer without text, or one that it cannot read,
for a wrong one. Its file of samples shows them.
"""

from __future__ import annotations

import glob
import json
import os
from functools import partial
from typing import NamedTuple

from ...failures import Error
from ...files import read_object
from ...json_types import Json, JsonObject
from ..formats import lm_eval, sgl_eval
from ..formats.base import Recognised

KEPT = ("filter", "resps", "generation")
LONGEST = 1 << 26  # of a line
PARSERS = {"lm-eval": lm_eval.parse, "sgl-eval": sgl_eval.parse}


class _File(NamedTuple):
    raw: JsonObject
    result: Recognised


def read_answers(folder: str) -> JsonObject | None:
    """Return ``{asked, empty, tasks, original}`` of what a harness left below *folder*; None without a result.

    :raises Error: a file of samples is broken.
    """
    found = _only(folder)
    if not found:
        return None
    raw = found.raw
    if found.result.program == sgl_eval.PROGRAM:
        asked = empty = 0
        for line in _lines(os.path.join(glob.escape(folder), "**", "output-rs*.jsonl")):
            asked, empty = asked + 1, empty + (not str(line.get("generation") or "").strip())
        return {"asked": asked, "empty": empty, "tasks": [raw.get("name")], "original": None}
    asked = empty = 0
    for line in _lines(os.path.join(glob.escape(folder), "**", "samples_*.jsonl")):
        asked, empty = asked + 1, empty + (not any(map(str.strip, _texts(line.get("resps")))))
    counts = raw.get("n-samples")
    table = counts.values() if isinstance(counts, dict) else ()
    originals = [one.get("original") for one in table if isinstance(one, dict)]
    return {
        "asked": asked,
        "empty": empty,
        "tasks": list(raw["results"]),
        "original": sum(one for one in originals if isinstance(one, int)) if originals else None,
    }


def _only(folder: str) -> _File | None:
    """Return the only result of a harness below *folder*; None if there is none, or more than one."""
    found = []
    for path in glob.glob(os.path.join(glob.escape(folder), "**", "*.json"), recursive=True):
        raw = read_object(path)
        for parse in PARSERS.values() if raw else ():
            try:
                result = parse(raw or {})
            except ValueError:
                continue
            found += [_File(raw or {}, result)] if result else []
    return found[0] if len(found) == 1 else None


def _lines(pattern: str) -> list[JsonObject]:
    """Return the objects in the files of lines that match *pattern*; Error for anything else in them.

    lm-eval has a line for each filter of an answer: only those of the first filter of a file count.
    """
    found: list[JsonObject] = []
    for path in sorted(glob.glob(pattern, recursive=True)):
        try:
            with open(path, encoding="utf-8") as stream:
                values = (json.loads(text) for text in iter(partial(stream.readline, LONGEST), "") if text.strip())
                mine = [{key: one[key] for key in KEPT if key in one} for one in values]
                found += [one for one in mine if one.get("filter") == mine[0].get("filter")]
        except (OSError, ValueError, TypeError) as error:
            raise Error(f"the answers in {path} cannot be read: {error}") from None
    return found


def _texts(value: Json) -> list[str]:
    """Return all texts in *value*, lists in lists."""
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    return [value] if isinstance(value, str) else []


def evaluate(raw: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    """Return why the result *raw* is not valid, beside what its file itself says.

    :param expect: ``{task, model, limit, min_score}``.
    """
    results, answers = raw["results"], raw["answers"]
    if len(results) != 1 or not answers:
        names = ", ".join(name for name, _one in results) or "none"
        return [f"its harness left {len(results)} results that are known ({names[:300]}), and one is needed"]
    one: Recognised = results[0][1]
    reasons = list(one.doubts)
    if one.models != [expect["model"]]:
        said = ", ".join(map(ascii, one.models)) or "none"
        reasons.append(f"the result is of another model: {said[:200]}, not {expect['model']}")
    if expect["task"] not in answers["tasks"]:
        reasons.append(f"the result is of another task: {ascii(answers['tasks'])[:200]}, not {expect['task']}")
    reasons += _counts(one, answers, expect, min_completed)
    score, least = one.figures.get("score"), expect.get("min_score")
    if least is not None and isinstance(score, (int, float)) and score < least:
        reasons.append(f"its score is {score:.4f}, and {least:g} is needed (min_score)")
    return reasons


def _counts(one: Recognised, answers: JsonObject, expect: JsonObject, min_completed: float) -> list[str]:
    """Return what is wrong with the numbers of questions and answers."""
    checked, asked, original, limit = one.figures.get("samples"), answers["asked"], answers["original"], expect["limit"]
    planned = limit if original is None else min(limit or original, original)
    reasons = []
    if planned is not None and checked is not None and checked != planned:
        reasons.append(f"{checked} answers were checked, and {planned} were planned")
    if checked is not None and asked != checked:
        reasons.append(f"its file of answers has {asked}, but {checked} were checked")
    return [*reasons, *empty_answers(answers, min_completed)]


def empty_answers(answers: JsonObject, min_completed: float) -> list[str]:
    """Return the reason, as a list, why too many of the *answers* of :func:`read_answers` have no text."""
    asked, full = answers["asked"], answers["asked"] - answers["empty"]
    if full >= min_completed * asked:
        return []
    return [
        f"{answers['empty']} of {asked} answers are empty: requests that gave no text, which are no wrong answers "
        f"({100 * full / asked:.1f} % answered, {100 * min_completed:g} % are needed)"
    ]
