# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``rollup``: writes rollup.json and rollup.csv if their content changes."""

from __future__ import annotations

import json
import os

from ..entry import Context
from ..files import write_text_atomic
from ..holder.utc import utc_now
from ..json_types import JsonObject
from ..plan_file import Plan, plan_of
from ..results import tables
from ..results.document import build
from ..results.earlier import Found
from ..results.outcome import chosen_reasons
from ..results.rollup_file import Rollup, read_rollup
from ..results.verdict import may_stand, standing
from . import point_files

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "failure": {"type": "dict"},
    "force": {"type": "bool", "default": False},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
}
OPTIONS = {"required_one_of": [("plan_path", "plan")]}
ALWAYS_NEW = ("generated_at",)


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, rollup, path, csv_path, text_path, valid, reasons, chosen_ok, ..., table, diff}``.

    ``valid`` and ``reasons`` are about all points of the plan; ``chosen_ok`` and ``chosen_reasons`` about those in
    ``concurrencies``, and ``left_out`` names the others. A point that has passed is not valid, but ok. In check mode
    nothing is written: ``table`` is of the future rollup, ``diff`` has it before and after, and both verdicts are None
    while there are points to measure.
    """
    plan = plan_of(params)
    path, csv_path, text_path = (os.path.join(plan["run_dir"], "rollup." + kind) for kind in ("json", "csv", "txt"))
    before = read_rollup(path)
    coming = _coming(plan) if ctx.check_mode and not params.get("force") else {}
    failure = params.get("failure")
    if failure is None:  # nothing ran now that could have failed, or succeeded: what is known of the run stays
        failure = before.get("failure") if before else None
    rollup = build(plan, utc_now(), failure, coming, point_files.wanted(params))
    if before and _content(before) == _content(rollup):
        rollup = before
    changed = rollup is not before or not os.path.exists(csv_path)
    table = tables.table_text(rollup, dry=ctx.check_mode, coming=coming)
    paths = f"rollup: {path}\nlogs:   {os.path.join(plan['run_dir'], 'logs')}"
    if changed and not ctx.check_mode:
        write_text_atomic(path, json.dumps(rollup, indent=2) + "\n")
        write_text_atomic(csv_path, tables.csv_text(rollup))
        write_text_atomic(text_path, f"{table}\n{paths}\n")
    searching = rollup["search"] is not None and not rollup["search"]["answer"]
    open_yet = ctx.check_mode and (searching or tables.unmeasured(rollup))
    result = {
        "changed": changed,
        "rollup": rollup,
        "path": path,
        "csv_path": csv_path,
        "text_path": text_path,
        "valid": None if open_yet else rollup["valid"],
        "reasons": rollup["invalid_reasons"],
        "chosen_ok": None if open_yet else not chosen_reasons(rollup),
        "chosen_reasons": chosen_reasons(rollup),
        "left_out": rollup["left_out"],
        "table": table if ctx.check_mode else f"{table}\n{paths}",
    }
    if ctx.diff:
        old = tables.table_text(before if before and "benchmark_type" in before else None)
        texts = {"before": old + "\n" if old else "", "after": table + "\n"}
        result["diff"] = dict(texts, before_header=path, after_header=path)
    return result


def _coming(plan: Plan) -> dict[str, Found]:
    """Return ``{name of a point: Found}`` of the points that would be restored or taken over."""
    found = {}
    for point in (plan.get("benchmark") or {}).get("points") or ():
        verdict, reasons, _state = standing(point, os.path.join(plan["run_dir"], point["result"]))
        if reasons or not may_stand(point, verdict):
            found[point["name"]] = point_files.standing_for(plan, point)
    return {name: one for name, one in found.items() if one}


def _content(rollup: Rollup) -> str:
    """Return what a rollup says, apart from when it was made."""
    return json.dumps({key: value for key, value in rollup.items() if key not in ALWAYS_NEW}, sort_keys=True)
