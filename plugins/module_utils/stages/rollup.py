# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``rollup``: writes the rollup of a run, also of one of srtctl's, if its content changes."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping

from ..benchmarks import of_plan
from ..entry import Context
from ..failures import Error
from ..files import write_text_atomic
from ..holder.utc import utc_now
from ..json_types import JsonObject
from ..plan_file import PLAN, Plan, load_plan, plan_of
from ..results import decode_running, foreign, llm_d_report, node_table, recipe_lock, srtctl_shape, tables
from ..results.completeness import take_logs
from ..results.document import build
from ..results.earlier import Found
from ..results.outcome import chosen_reasons
from ..results.rollup_file import Rollup, read_rollup
from ..results.run_logs import CACHE
from ..results.verdict import may_stand, standing
from ..results.workers import SERIES_FILE, Workers
from . import point_files, variant_directory

ARGUMENT_SPEC = {
    "plan_path": {"type": "path"},
    "plan": {"type": "dict"},
    "run_dir": {"type": "path"},
    "failure": {"type": "dict"},
    "force": {"type": "bool", "default": False},
    "concurrencies": {"type": "list", "elements": "int", "default": []},
    "variant_dir": {"type": "path"},
}
OPTIONS = {
    "required_one_of": [("plan_path", "plan", "run_dir")],
    "mutually_exclusive": [("run_dir", "plan_path"), ("run_dir", "plan"), ("run_dir", "variant_dir")],
}
ALWAYS_NEW = ("generated_at",)


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, rollup, path, csv_path, text_path, valid, reasons, chosen_ok, ..., table, diff}``.

    ``valid`` and ``reasons`` are about all points of the plan; ``chosen_ok`` and ``chosen_reasons`` about those in
    ``concurrencies``, and ``left_out`` names the others. A point that has passed is not valid, but ok. In check mode
    nothing is written: ``table`` is of the future rollup, ``diff`` has it before and after, and both verdicts are None
    while there are points to measure.
    """
    folder = params.get("run_dir")
    if folder and not os.path.exists(os.path.join(folder, PLAN)):
        return _foreign(folder, ctx)
    plan = _moved(folder) if folder else plan_of(params)
    before = read_rollup(os.path.join(plan["run_dir"], "rollup.json"))
    coming = _coming(plan) if ctx.check_mode and not params.get("force") else {}
    failure = params.get("failure")
    if failure is None:  # nothing ran now that could have failed, or succeeded: what is known of the run stays
        failure = before.get("failure") if before else None
    workers = Workers(plan)
    rollup = build(plan, utc_now(), failure, coming, point_files.wanted(params), workers)
    gone = not os.path.isdir(os.path.join(plan["run_dir"], "logs"))
    if before and before.get("nodes_summary") and gone:
        _take_workers(rollup, before)  # what they said stays
    if before and _content(before) == _content(rollup):
        rollup = before
    table = tables.table_text(rollup, dry=ctx.check_mode, coming=coming)
    changed = _store(plan["run_dir"], rollup, before, table, ctx)
    changed = _write_lock(plan, rollup, ctx) or changed
    if not ctx.check_mode:
        if not gone:
            _write_series(plan, rollup, workers)
        if params.get("variant_dir"):
            changed = _store_variant(plan, rollup, workers, params) or changed
    searching = rollup["search"] is not None and not rollup["search"]["answer"]
    open_yet = ctx.check_mode and bool(searching or tables.unmeasured(rollup))
    return _result(plan["run_dir"], rollup, before, table, ctx, changed, open_yet)


def _moved(folder: str) -> Plan:
    """Return the plan in the run directory *folder*, which may have been moved or copied since."""
    path = os.path.abspath(folder)
    return {**load_plan(os.path.join(path, PLAN)), "run_dir": path}


def _foreign(folder: str, ctx: Context) -> JsonObject:
    """Return the result for a run directory of srtctl."""
    rollup = foreign.read(folder, utc_now())
    run_dir = rollup["source"]["path"]
    path = os.path.join(run_dir, "rollup.json")
    before = read_rollup(path)
    if not before and os.path.exists(path):
        raise Error(f"{path} is of another program and would be overwritten. Move it away, and run again.")
    if before and _content(before) == _content(rollup):
        rollup = before
    table = tables.table_text(rollup)
    changed = _store(run_dir, rollup, before, table, ctx)
    return _result(run_dir, rollup, before, table, ctx, changed)


def _result(
    run_dir: str,
    rollup: Rollup,
    before: Rollup | None,
    table: str,
    ctx: Context,
    changed: bool,
    open_yet: bool = False,
) -> JsonObject:
    """Return the result of the module; *open_yet*: whether there are points to measure before there is a verdict."""
    path, csv_path, text_path = (os.path.join(run_dir, "rollup." + kind) for kind in ("json", "csv", "txt"))
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
        "table": table if ctx.check_mode else _with_places(run_dir, table),
    }
    if ctx.diff:
        old = tables.table_text(before if before and "benchmark_type" in before else None)
        texts = {"before": old + "\n" if old else "", "after": table + "\n"}
        result["diff"] = dict(texts, before_header=path, after_header=path)
    return result


def _with_places(run_dir: str, table: str) -> str:
    return f"{table}\nrollup: {os.path.join(run_dir, 'rollup.json')}\nlogs:   {os.path.join(run_dir, 'logs')}"


def _store(run_dir: str, rollup: Rollup, before: Rollup | None, table: str, ctx: Context) -> bool:
    """Write the files of *rollup* if it differs from *before*, or one is missing; return whether that is so."""
    files = _files(rollup, _with_places(run_dir, table))
    if rollup is before and all(os.path.exists(os.path.join(run_dir, name)) for name in files):
        return False
    if not ctx.check_mode:
        _write(run_dir, files)
        _withdraw(run_dir, files)
    return True


def _files(rollup: Rollup, text: str) -> dict[str, str]:
    """Return ``{name: content}`` of the files of a rollup; *text*: the table for people."""
    found = {
        "rollup.json": json.dumps(rollup, indent=2) + "\n",
        "rollup.csv": tables.csv_text(rollup),
        "rollup.txt": text + "\n",
    }
    if "source" in rollup:  # srtctl has written its own, and nothing of it is proven
        return found
    found.update(llm_d_report.documents(rollup))
    if "concurrency" not in of_plan(rollup).key_fields:
        return found
    name = srtctl_shape.NAME
    return {**found, f"{name}.json": srtctl_shape.json_text(rollup), f"{name}.csv": srtctl_shape.csv_text(rollup)}


def _withdraw(run_dir: str, files: Mapping[str, str]) -> None:
    """Remove the reports of points that are no longer among the *files* of the rollup: they are not valid now."""
    folder = os.path.join(run_dir, llm_d_report.FOLDER)
    names = os.listdir(folder) if os.path.isdir(folder) else []
    for name in names:
        if name.endswith(".json") and f"{llm_d_report.FOLDER}/{name}" not in files:
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(folder, name))


def _write(run_dir: str, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        path = os.path.join(run_dir, name)
        try:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_text_atomic(path, text)
        except OSError as error:
            raise Error(f"{path} cannot be written: {error.strerror}. Make room or rights for it, run again.") from None


def _write_lock(plan: Plan, rollup: Rollup, ctx: Context) -> bool:
    """Write the job of *plan* with what it ran with, once something is measured; return whether that changed it."""
    text = recipe_lock.text(rollup, plan) if any(one["started_at"] for one in rollup["results"]) else None
    if text is None or not _differs(plan["run_dir"], recipe_lock.FILE, text):
        return False
    if not ctx.check_mode:
        _write(plan["run_dir"], {recipe_lock.FILE: text})
    return True


def _take_workers(rollup: Rollup, source: Rollup) -> None:
    """Put what the workers said according to another rollup of the same run into *rollup*."""
    rollup["nodes_summary"], rollup["notes"] = source["nodes_summary"], source.get("notes") or []
    take_logs(rollup, source)
    said = {(one["name"], one.get("digest")): one for one in source["results"]}
    for record in rollup["results"]:
        known = said.get((record["name"], record["digest"])) or {}
        record["workers"], record[decode_running.KEY] = known.get("workers") or [], known.get(decode_running.KEY)


def _write_series(plan: Plan, rollup: Rollup, workers: Workers) -> None:
    """Write what the workers said over time, and remember what was read of their logs."""
    files = {SERIES_FILE: _series_text(workers), CACHE: workers.cache_text()}
    if (plan["spec"].get("benchmark") or {}).get("export_node_metrics"):
        files[node_table.FILE] = node_table.csv_text(rollup)
    _write(plan["run_dir"], {name: text for name, text in files.items() if _differs(plan["run_dir"], name, text)})


def _differs(run_dir: str, name: str, text: str) -> bool:
    try:
        with open(os.path.join(run_dir, name), encoding="utf-8") as stream:
            return stream.read() != text
    except (OSError, ValueError):
        return True


def _series_text(workers: Workers) -> str:
    return json.dumps(workers.series()) + "\n"


def _store_variant(plan: Plan, rollup: Rollup, workers: Workers, params: JsonObject) -> bool:
    """Copy the run of *plan* to the directory of its job in a sweep, with its rollup; return whether that changed.

    Points that were measured in earlier allocations are there, and may not be here yet.
    """
    copy = variant_directory.store(plan, os.path.abspath(params["variant_dir"]))
    path = os.path.join(copy["run_dir"], "rollup.json")
    before = read_rollup(path)
    made = build(copy, utc_now(), rollup["failure"], None, point_files.wanted(params))
    _take_workers(made, rollup)
    if before and _content(before) == _content(made):
        return False
    logs = os.path.join(plan["run_dir"], "logs")
    files = _files(made, f"{tables.table_text(made)}\nrollup: {path}\nlogs:   {logs}")
    _write(copy["run_dir"], files)
    _withdraw(copy["run_dir"], files)
    _write(copy["run_dir"], {SERIES_FILE: _series_text(workers)})
    _write_lock(copy, made, Context())
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
