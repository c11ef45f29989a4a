# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module ``stage_data``: the data sets of a job are on shared disk, and are what its benchmark reads."""

from __future__ import annotations

import os

from ..benchmarks import BENCHMARKS
from ..entry import Context
from ..json_types import JsonObject
from ..supplies.data import check, is_address, path_of
from . import download

ARGUMENT_SPEC = {"spec": {"type": "dict", "required": True}}


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, files}``; see the module's documentation. Error for data that the benchmark cannot read."""
    spec, changed = params["spec"], False
    files: JsonObject = {}
    for data in BENCHMARKS[spec["benchmark"]["type"]].data(spec):
        path = path_of(spec, data)
        if is_address(data.source):
            if ctx.check_mode and not os.path.exists(path):
                ctx.progress(f"would download {data.source} to {path}")
                files[data.key] = {"path": path, "sha256": None, "rows": None}
                changed = True
                continue
            changed = download.stage(data.source, path, ctx, f"benchmark.{data.key}") or changed
        elif not os.path.exists(path):  # on the nodes only (check_paths=false)
            continue
        sha256 = None if data.folder else download.held(path, f"benchmark.{data.key}")
        files[data.key] = {"path": path, "sha256": sha256, "rows": check(path, data)}
    return {"changed": changed, "files": files}
