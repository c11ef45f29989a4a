# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Results of sgl-eval, ``metrics.json``: a table of aggregates, and what was asked."""

from __future__ import annotations

from ...json_types import JsonObject
from ..base import Figures
from .base import Recognised, names, number

PROGRAM = "sgl-eval"


def parse(raw: JsonObject) -> Recognised | None:
    """Return what a result of sgl-eval says; see :data:`base.Parser`."""
    aggregate = raw.get("aggregate")
    if not isinstance(aggregate, dict) or "sgl_eval_version" not in raw or "n_repeats" not in raw:
        return None
    several = (number(raw["n_repeats"]) or 1) > 1
    name = "pass@1" if several else "score"
    examples = number(raw.get("num_examples"))
    score, share = number(aggregate.get(name)), number(aggregate.get("error_rate"))
    figures: Figures = {
        "score": score,
        "score_stderr": number(aggregate.get("pass@1_sem")) if several else None,
        "samples": None if examples is None else int(examples),
        "scored_by": f"{raw.get('name')} {name}",
        "harness": f"{PROGRAM} {raw['sgl_eval_version']}",
    }
    faults = [] if score is not None else [f"it has no {name}"]
    if examples is not None and not examples:
        faults.append("nothing was checked")
    if share:
        faults.append(f"{100 * share:.1f} % of its requests failed")
    if raw.get("partial"):
        faults.append("it ended before all questions were asked")
    doubts = [] if examples else ["its result does not say how many were checked"]
    return Recognised(PROGRAM, figures, faults, doubts, models=names(raw.get("model")))
