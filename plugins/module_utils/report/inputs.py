# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run directory, read for its page. The files must be of one run, and a point counts only as its files prove it."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import NamedTuple

from ..failures import Error
from ..files import read_object, regular
from ..holder import journal
from ..json_types import Json, JsonObject, is_number
from ..plan_file import PLAN, Plan, load_plan
from ..results import foreign
from ..results.proof import as_proven
from ..results.rollup_file import Rollup, read_rollup
from . import requests
from .requests import Requests

ROLLUP, SERIES, CONFIG = "rollup.json", "series.json", "config.yaml"
# What pages rely on in a rollup, beside what its reader checks.
NEEDED = {
    "job_id": str, "job_name": str, "benchmark_type": str, "invalid_reasons": list, "nodes_summary": dict,
    "is_disaggregated": bool, "total_gpus": int, "total_nodes": int, "prefill_workers": int, "decode_workers": int,
    "agg_workers": int,
}  # fmt: skip
MOST_TEXT = 1 << 18  # bytes of a configuration, and of a file of evidence
MOST_EVIDENCE = 20


class Run(NamedTuple):
    """What is known of one run.

    :ivar rollup: with the points as their files are now: one whose result has changed is not valid.
    :ivar plan: None for a directory of another program.
    :ivar series: the content of series.json, {} without one.
    :ivar events: those of the journal.
    :ivar requests: {name of a point: its requests}, of those that list them.
    :ivar evidence: of steps that ended unexpectedly, see faults.py.
    :ivar facts: those that were stored when the job was submitted.
    :ivar notes: on what could not be read.
    """

    run_dir: str
    rollup: Rollup
    plan: Plan | None
    series: JsonObject
    events: list[JsonObject]
    requests: dict[str, Requests]
    evidence: list[JsonObject]
    config: str
    facts: JsonObject
    notes: list[str]


def read_run(run_dir: str, whole: bool = True) -> Run:
    """Return the run in *run_dir*; Error if there is none, or if files of several runs are in it.

    :param whole: also read what only the page of the run itself shows: requests, series, journal, evidence.
    """
    stored = rollup_at(run_dir)
    plan = load_plan(os.path.join(run_dir, PLAN)) if os.path.exists(os.path.join(run_dir, PLAN)) else None
    if plan is not None and str(plan["job_id"]) != str(stored["job_id"]):
        raise _mixed(run_dir, PLAN, f"job {plan['job_id']}", f"job {stored['job_id']}")
    rollup = as_proven(stored, plan, run_dir)
    facts = read_object(os.path.join(run_dir, f"{rollup['job_id']}.json")) or {}
    if not whole:
        return Run(run_dir, rollup, plan, {}, [], {}, [], "", facts, [])
    events: list[JsonObject] = [{**event} for event in journal.events(run_dir)]
    _check_events(events, rollup, run_dir)
    series = read_object(os.path.join(run_dir, SERIES)) or {}
    _check_series(series, rollup, plan, run_dir)
    found, notes = requests.of_points(rollup["results"], run_dir)
    config = _config(run_dir) if plan else foreign.recipe_text(run_dir)
    return Run(run_dir, rollup, plan, series, events, found, _evidence(run_dir), config, facts, notes)


def rollup_at(run_dir: str) -> Rollup:
    """Return the rollup of *run_dir*; Error without one.

    A directory without a plan may be one of srtctl, whose results are read as a rollup.
    """
    path = os.path.join(run_dir, ROLLUP)
    found = read_rollup(path)
    if not found and not os.path.exists(os.path.join(run_dir, PLAN)):
        try:
            return foreign.read(run_dir)
        except Error as error:
            raise Error(f"{run_dir} has no {ROLLUP}, and {error.msg} Set run_dir to that of a run.") from None
    facts: JsonObject = {**(found or {})}
    lacking = sorted(key for key, kind in NEEDED.items() if not isinstance(facts.get(key), kind))
    if found and not lacking:
        return found
    what = f"lacks {', '.join(lacking[:5])}" if found else "is missing, or of something else"
    raise Error(f"{path} {what}. Make it anew: bench.yml --tags rollup.")


def _mixed(run_dir: str, name: str, its: str, others: str) -> Error:
    return Error(
        f"{os.path.join(run_dir, name)} is of {its}, and {ROLLUP} beside it of {others}: the directory has files of "
        f"different runs. Remove what does not belong there, or set run_dir to another directory."
    )


def _check_events(events: Sequence[JsonObject], rollup: Rollup, run_dir: str) -> None:
    """Raise Error if the journal has steps of another job of Slurm."""
    for event in events:
        found = re.match(r"[0-9]+", str(event.get("step_id") or ""))
        if found and str(rollup["job_id"]).isdigit() and found.group() != str(rollup["job_id"]):
            raise _mixed(run_dir, journal.FILE, f"job {found.group()}", f"job {rollup['job_id']}")


def _check_series(series: JsonObject, rollup: Rollup, plan: Plan | None, run_dir: str) -> None:
    """Raise Error if series.json has points or workers that the run does not have."""
    points = {record["name"] for record in rollup["results"]}
    strange = [one.get("name") for one in records(series, "points") if one.get("name") not in points]
    if plan:
        own = {one["name"] for one in [*plan["endpoints"], *plan["processes"], *plan["steps"]]}
        strange += [one.get("name") for one in records(series, "workers") if one.get("name") not in own]
    if strange:
        raise _mixed(run_dir, SERIES, f"a run with {strange[0]}", f"job {rollup['job_id']}, which has none")


def _evidence(run_dir: str) -> list[JsonObject]:
    """Return what was kept about steps that ended unexpectedly; secrets were hidden when it was written."""
    folder = os.path.join(run_dir, "evidence")
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []
    found = [_small_object(os.path.join(folder, name)) for name in names[:MOST_EVIDENCE]]
    return [one for one in found if one and isinstance(one.get("step"), str)]


def _small_object(path: str) -> JsonObject | None:
    try:
        return read_object(path) if os.path.getsize(path) <= MOST_TEXT else None
    except OSError:  # a link that leads nowhere
        return None


def _config(run_dir: str) -> str:
    """Return the job as it was resolved; secrets are references in it."""
    try:
        with open(os.path.join(run_dir, CONFIG), encoding="utf-8", errors="replace", opener=regular) as stream:
            return stream.read(MOST_TEXT)
    except OSError:
        return ""


def numbers(value: Json) -> list[float | None]:
    """Return *value* as a list of finite numbers; None where an item is none."""
    return [one if is_number(one) else None for one in value] if isinstance(value, list) else []


def records(value: JsonObject, key: str) -> list[JsonObject]:
    """Return the mappings in the list *key* of *value*."""
    found = value.get(key)
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
