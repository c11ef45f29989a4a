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
from . import point_files, variant_directory

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "failure": {"type": "dict"},
    "force": {"type": "bool", "default": False},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
    "variant_dir": {"type": "path"},
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
    logs = os.path.join(plan["run_dir"], "logs")
    if before and before.get("nodes_summary") and not os.path.isdir(logs):  # what they said stays
        rollup["nodes_summary"], rollup["notes"] = before["nodes_summary"], before.get("notes") or []
    if before and _content(before) == _content(rollup):
        rollup = before
    changed = rollup is not before or not os.path.exists(csv_path)
    table = tables.table_text(rollup, dry=ctx.check_mode, coming=coming)
    if not ctx.check_mode:
        if changed:
            _write(plan, rollup, f"{table}\nrollup: {path}\nlogs:   {logs}\n")
        if params.get("variant_dir"):
            changed = _store_variant(plan, rollup, params) or changed
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
        "table": table if ctx.check_mode else f"{table}\nrollup: {path}\nlogs:   {logs}",
    }
    if ctx.diff:
        old = tables.table_text(before if before and "benchmark_type" in before else None)
        texts = {"before": old + "\n" if old else "", "after": table + "\n"}
        result["diff"] = dict(texts, before_header=path, after_header=path)
    return result


def _write(plan: Plan, rollup: Rollup, text: str) -> None:
    """Write the rollup files of the run of *plan*; *text*: the table for people."""
    path = os.path.join(plan["run_dir"], "rollup.")
    write_text_atomic(f"{path}json", json.dumps(rollup, indent=2) + "\n")
    write_text_atomic(f"{path}csv", tables.csv_text(rollup))
    write_text_atomic(f"{path}txt", text)


def _store_variant(plan: Plan, rollup: Rollup, params: JsonObject) -> bool:
    """Copy the run of *plan* to the directory of its job in a sweep, with its rollup; return whether that changed.

    Points that were measured in earlier allocations are there, and may not be here yet.
    """
    copy = variant_directory.store(plan, os.path.abspath(params["variant_dir"]))
    path = os.path.join(copy["run_dir"], "rollup.json")
    before = read_rollup(path)
    made = build(copy, utc_now(), rollup["failure"], None, point_files.wanted(params))
    made["nodes_summary"], made["notes"] = rollup["nodes_summary"], rollup["notes"]
    if before and _content(before) == _content(made):
        return False
    logs = os.path.join(plan["run_dir"], "logs")
    _write(copy, made, f"{tables.table_text(made)}\nrollup: {path}\nlogs:   {logs}\n")
    return True


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
