# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verdict and the key figures of a run, for programs that start runs: AWX, ansible-runner, workflows."""

from __future__ import annotations

from ..benchmarks import of_plan
from ..json_types import JsonObject
from ..metrics import METRICS
from .rollup_file import PointRecord, Rollup

ABOUT = ("job_id", "job_name", "valid", "passed", "complete", "started_at", "ended_at", "model_name", "gpu_type",
         "backend_type", "frontend_type", "total_nodes", "total_gpus")  # fmt: skip


def key_figures(rollup: Rollup, path: str) -> JsonObject:
    """Return the verdict and the figures of *rollup*, the content of *path*.

    ``results`` has an entry for each point: its label, whether it is valid, and the metrics of which more or less is
    better. A point that is not valid has no figures, and says why.
    """
    whole = dict(rollup)
    about = {name: whole.get(name) for name in ABOUT}
    names = [name for name in of_plan(whole).metrics if METRICS[name].better]
    results = [_entry(record, names) for record in rollup["results"]]
    return {**about, "reasons": rollup["invalid_reasons"], "rollup": path, "results": results}


def _entry(record: PointRecord, names: list[str]) -> JsonObject:
    about = {"label": record["label"], "valid": record["valid"]}
    if not record["valid"]:
        return {**about, "reasons": record["invalid_reasons"]}
    return {**about, **{name: record[name] for name in names if record.get(name) is not None}}
