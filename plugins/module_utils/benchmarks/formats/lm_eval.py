# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of lm-eval (the LM Evaluation Harness), ``results_<time>.json``: scores by task, metric and filter."""

from __future__ import annotations

from ...json_types import Json, JsonObject
from ..base import Figures
from .base import Recognised, names, number

PROGRAM = "lm-eval"


def parse(raw: JsonObject) -> Recognised | None:
    """Return what a result of lm-eval says; see :data:`base.Parser`.

    The score is that of its only task. With several it is that of the group that has all of them, if there is one.
    """
    results = raw.get("results")
    if not isinstance(results, dict) or not results or "configs" not in raw and "versions" not in raw:
        return None
    if not all(isinstance(one, dict) for one in results.values()):
        raise ValueError("results has something else than tasks")
    groups = raw.get("groups") or {}
    # A group that only names its tasks has no score.
    scored = {task: values for task, values in results.items() if _score(raw, task, values)[0]}
    table = groups if isinstance(groups, dict) and len(groups) == 1 else scored or results
    if len(table) != 1:
        several = f"its result has {len(table)} scores: {', '.join(sorted(table))[:200]}"
        return Recognised(PROGRAM, {}, [], [several], models=_models(raw))
    ((task, values),) = table.items()
    name, score = _score(raw, task, values)
    samples = _samples(raw, list(results))
    figures: Figures = {
        "score": score,
        "score_stderr": _error(values, name),
        "samples": samples,
        "scored_by": f"{task} {name}" if name else task,
        **_about(raw, task),
    }
    faults = [] if score is not None else [f"the task {task} has no score"]
    if samples is not None and not samples:
        faults.append("nothing was checked")
    doubts = [] if samples else ["its result does not say how many were checked"]
    return Recognised(PROGRAM, figures, faults, doubts, models=_models(raw))


def _models(raw: JsonObject) -> list[str]:
    """Return the model that lm-eval asked for."""
    arguments = _of(raw.get("config"), "model_args")
    return names(_of(arguments, "model") or raw.get("model_name"))


def aside(raw: JsonObject) -> str | None:
    """Return what *raw* is if it is a single answer of lm-eval, else None."""
    return "single answers of lm-eval" if {"doc_id", "resps", "filtered_resps"} <= raw.keys() else None


def _about(raw: JsonObject, task: str) -> Figures:
    """Return how *task* was asked: by which version, with how many examples, in which form."""
    shots, version = (_of(raw.get(key), task) for key in ("n-shot", "versions"))
    if raw.get("lm_eval_version") is None or "chat_template" not in raw:
        return {}
    messages = raw["chat_template"] is not None
    turns = ", each example a turn" if shots and raw.get("fewshot_as_multiturn") else ""
    return {
        "harness": f"{PROGRAM} {raw['lm_eval_version']}",
        "task_version": None if version is None else str(version),
        "shots": number(shots) if isinstance(shots, (int, float)) else None,
        "prompt_form": f"messages{turns}; the server applies its chat template" if messages else "text",
    }


def _of(table: Json, task: str) -> Json:
    return table.get(task) if isinstance(table, dict) else None


def _score(raw: JsonObject, task: str, values: JsonObject) -> tuple[str, float | None]:
    """Return (name, score) of a task: of several filters the strict one, else the first by name.

    A score is a share, 0 to 1, of which more is better: a perplexity is none.
    """
    better = _of(raw.get("higher_is_better"), task)
    found = {
        key: value
        for key, value in values.items()
        if "," in key and "_stderr," not in key and _of(better, key.partition(",")[0]) is not False
    }
    for key in sorted(found, key=lambda one: (not one.startswith(("exact_match,", "acc,")), "strict" not in one, one)):
        value = found[key]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and not value > 1:
            return key, number(value)
    return "", None


def _error(values: JsonObject, name: str) -> float | None:
    metric, _comma, filter_ = name.partition(",")
    error = values.get(f"{metric}_stderr,{filter_}")
    return number(error) if isinstance(error, (int, float)) else None  # "N/A" for one sample


def _samples(raw: JsonObject, tasks: list[str]) -> int | None:
    """Return the number of samples that were checked, over all tasks."""
    counts: Json = raw.get("n-samples")
    if not isinstance(counts, dict):
        return None
    found = [number(one.get("effective")) for task, one in counts.items() if isinstance(one, dict) and task in tasks]
    return int(sum(one for one in found if one)) if found and None not in found else None
