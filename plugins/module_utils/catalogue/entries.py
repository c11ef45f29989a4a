# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One run as a record of the list of runs, from the files of its directory."""

from __future__ import annotations

import glob
import os
import re

from .. import sweep_folders
from ..failures import Error
from ..files import read_object, text_digest
from ..json_types import Json, JsonObject
from ..metrics import METRICS
from ..plain_text import cleaned, shown
from ..plan_file import PLAN, Plan, load_plan
from ..results.outcome import in_words
from ..results.proof import as_proven
from ..results.rollup_file import Rollup, read_rollup
from ..results.tables import topology

RUN = re.compile(r"([1-9][0-9]*)(\.earlier[0-9]+)?")
FILES = ("rollup.json", PLAN)  # what a record is made of, beside <job id>.json and the results with their verdicts
RESULTS = "results"
BEST = ("output_tps", "total_tps", "score")


def folders(output_dir: str) -> list[str]:
    """Return the run directories below *output_dir*, those of the jobs of sweeps among them."""
    try:
        own = [os.path.join(output_dir, name) for name in os.listdir(output_dir) if RUN.fullmatch(name)]
    except OSError:
        own = []
    return sorted(filter(os.path.isdir, [*own, *sweep_folders.variant_dirs(output_dir)]))


def stamp(folder: str) -> str:
    """Return what changes when a file changes that the record of *folder* is made of."""
    parts = [_stamp_of(path) for path in [os.path.join(folder, name) for name in FILES] + _metadata(folder)]
    results = sorted(
        os.path.join(place, name) for place, _dirs, names in os.walk(os.path.join(folder, RESULTS)) for name in names
    )
    return " ".join([*filter(None, parts), text_digest(" ".join(map(_stamp_of, results)))])


def _stamp_of(path: str) -> str:
    try:
        facts = os.stat(path)
    except OSError:
        return ""
    return f"{os.path.basename(path)}:{facts.st_mtime_ns}:{facts.st_size}:{facts.st_ino}"


def entry(output_dir: str, folder: str) -> JsonObject | None:
    """Return the record of the run in *folder*; None if there is no run in it.

    It is ``{id, path, job_id, name, model, topology, benchmark_type, isl, osl, best, best_metric, valid, verdict,
    points, valid_points, tags, date}``. What is not known is None; ``valid`` too while there is no rollup.
    """
    rollup = read_rollup(os.path.join(folder, "rollup.json"))
    rollup = as_proven(rollup, _plan(folder), folder) if rollup else None
    about = next((read_object(path) for path in _metadata(folder)), None) or {}
    if rollup is None and not about and not os.path.isfile(os.path.join(folder, PLAN)):
        return None
    name = _identity(output_dir, folder)
    record: JsonObject = {
        "id": name,
        "path": folder,
        "job_id": _job_id(folder, rollup),
        "name": (rollup or about).get("job_name"),
        "tags": [str(tag) for tag in (rollup or about).get("tags") or about.get("tags") or ()],
        "date": about.get("submitted_at") or about.get("generated_at"),
        **_of_rollup(rollup),
    }
    if rollup is None:
        benchmark, model = about.get("benchmark"), about.get("model")
        record["model"] = os.path.basename(str((model or {}).get("path") or "")) if isinstance(model, dict) else None
        if isinstance(benchmark, dict):
            record.update({key: benchmark.get(key) for key in ("isl", "osl")}, benchmark_type=benchmark.get("type"))
    return dict(cleaned(record, shown))


def _plan(folder: str) -> Plan | None:
    """Return the plan in *folder*; None if there is none that this version can read."""
    try:
        return load_plan(os.path.join(folder, PLAN))
    except (Error, OSError):
        return None


def _of_rollup(rollup: Rollup | None) -> JsonObject:
    """Return what only a rollup says."""
    keys = ("model", "topology", "benchmark_type", "isl", "osl", "best", "best_metric", "valid", "verdict", "points")
    if rollup is None:
        return dict.fromkeys((*keys, "valid_points"))
    results = rollup["results"]
    found: JsonObject = {
        "model": rollup.get("model_name"),
        "topology": topology(rollup) if "is_disaggregated" in rollup else None,
        "benchmark_type": rollup.get("benchmark_type"),
        "isl": dict(rollup).get("isl"),
        "osl": dict(rollup).get("osl"),
        "valid": rollup["valid"],
        "verdict": in_words(rollup),
        "points": len(results),
        "valid_points": sum(one["valid"] for one in results),
    }
    found["best_metric"], found["best"] = _best(rollup)
    if rollup.get("started_at"):
        found["date"] = rollup["started_at"]
    return found


def _best(rollup: Rollup) -> tuple[str | None, float | None]:
    """Return (metric, value) of the best valid point, by the first metric in BEST that one has."""
    for name in BEST:
        values = [one.get(name) for one in rollup["results"] if one["valid"]]
        numbers = [value for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]
        if numbers:
            return name, max(numbers)
    return None, None


def best_text(record: JsonObject) -> str:
    """Return the best figure of a record, such as ``812.4 out tok/s``; ``-`` without one."""
    if record["best"] is None:
        return "-"
    metric = METRICS[record["best_metric"]]
    return f"{metric.text(record['best'])} {metric.label}"


def _metadata(folder: str) -> list[str]:
    """Return the paths of <job id>.json, the newest last."""
    found = glob.glob(os.path.join(glob.escape(folder), "[0-9]*.json"))
    return sorted(path for path in found if os.path.basename(path)[:-5].isdigit())


def _job_id(folder: str, rollup: Rollup | None) -> Json:
    match = RUN.fullmatch(os.path.basename(folder))
    if rollup is not None and rollup.get("job_id"):
        return str(rollup["job_id"])
    return match[1] if match else next((os.path.basename(path)[:-5] for path in _metadata(folder)), None)


def _identity(output_dir: str, folder: str) -> str:
    """Return the name of the run in *folder*: its job id, or ``<sweep>/<job>``."""
    parts = os.path.relpath(folder, output_dir).split(os.sep)
    return f"{parts[1]}/{parts[3]}" if len(parts) == 4 and parts[0] == sweep_folders.SWEEPS else parts[-1]
