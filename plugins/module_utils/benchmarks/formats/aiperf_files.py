# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directories of AIPerf: which run a file is of, and which files are no result of a run.

One run leaves ``profile_export_aiperf.json``. Several of them have directories of their own below it, whatever asked
for them (``--num-profile-runs``, several values of an option, a search):

    profile_runs/run_0001/                                  several runs of one load
    concurrency_10/                                         one run of each value; concurrency_10__isl_512 of several
    profile_runs/trial_0001/concurrency_10/                 all values, again and again
    concurrency_10/profile_runs/trial_0001/                 each value, again and again
    search_iter_0003/profile_runs/run_0001/                 the loads that a search tried

Beside these are files over several runs (``aggregate``, ``sweep_aggregate``, ``search_history.json``) and files with
single requests.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from ...json_types import Json, JsonObject

TRIAL = re.compile(r"profile_runs|(?:run|trial)_\d+")  # one of several runs of the same load
ITERATION = re.compile(r"search_iter_\d+")
_VALUE = r"[a-z][a-z0-9]*(?:_[a-z]+)*_\d{1,7}(?:\.\d+)?"  # more digits are a time
VALUES = re.compile(rf"{_VALUE}(?:__{_VALUE})*")  # the load of a run, among several
FOLDERS = ("aggregate", "sweep_aggregate")
# Of single requests, of what the servers said, and of parts of a run.
NAMES = re.compile(
    r"profile_export\w*\.jsonl|inputs\.json|(?:server_metrics|gpu_telemetry|network_latency)_export\w*\.jsonl?"
    r"|profile_export\w*_(?:timeslices|raw|outputs|steady_state|collated|detailed)\.jsonl?"
)


def run_of(path: str) -> str:
    """Return the directories that say which of several runs the file *path* is of, "" if it is the only one."""
    found: list[str] = []
    valued = False
    for part in reversed(path.split(os.sep)[:-1]):
        trial = TRIAL.fullmatch(part) or ITERATION.fullmatch(part)
        if not trial and (valued or not VALUES.fullmatch(part)):
            break
        valued = valued or not trial
        found.insert(0, part)
    return "/".join(found)


def load_of(run: str) -> str:
    """Return the part of a run's name (:func:`run_of`) that its load has: runs of one load have the same."""
    return "/".join(part for part in run.split("/") if not TRIAL.fullmatch(part))


def values_of(run: str) -> dict[str, float]:
    """Return ``{option: value}`` of the load that a run's name (:func:`run_of`) says."""
    words = [word for part in run.split("/") if not TRIAL.fullmatch(part) for word in part.split("__")]
    pairs = [word.rpartition("_") for word in words if VALUES.fullmatch(word) and not ITERATION.fullmatch(word)]
    return {name: float(value) for name, _line, value in pairs}


def aside_by_name(path: str) -> str | None:
    """Return what the file *path* is if its name says that it is no result of one run, None if it may be one."""
    folder, name = os.path.split(path)
    parts = folder.split(os.sep)
    if name == "pareto_sweep.json" or name.endswith(("_aggregate.json", "_sweep.json")) and {*FOLDERS} & {*parts[-2:]}:
        return "figures of AIPerf over several runs"
    return "a file of AIPerf beside its result" if NAMES.fullmatch(name) else None


def aside(raw: JsonObject) -> str | None:
    """Return what *raw* is if it is of AIPerf and is no result of one run, else None."""
    about = raw.get("metadata")
    facts: Mapping[str, Json] = about if isinstance(about, dict) else {}
    if "aggregation_type" in raw or "aggregation_type" in facts or {"combined", "per_run"} <= raw.keys():
        return "figures of AIPerf over several runs"
    if isinstance(raw.get("iterations"), list) and {"config", "convergence_reason"} <= raw.keys():
        return "the history of a search of AIPerf"
    if "metrics" in raw and {"benchmark_phase", "request_start_ns"} & facts.keys():
        return "single requests of AIPerf"
    return "parts of a run of AIPerf" if isinstance(raw.get("timeslices"), list) else None
