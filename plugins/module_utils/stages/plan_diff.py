# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module plan_diff: what differs between the plans of two jobs."""

from __future__ import annotations

from ..entry import Context
from ..failures import Error
from ..job.cluster import find_cluster_file, load_cluster
from ..job.layouts import in_words
from ..job.reading import read_jobs
from ..json_types import JsonObject
from ..plan.differences import differences
from .planned_jobs import planned

ARGUMENT_SPEC = {
    "a": {"type": "path", "required": True},
    "b": {"type": "path", "required": True},
    "cluster_file": {"type": "path"},
}


def run(params: JsonObject, _ctx: Context) -> JsonObject:
    """Return ``{changed: False, same, differences}`` of the one job of ``a`` and that of ``b``."""
    cluster = load_cluster(find_cluster_file(params.get("cluster_file")))
    sides = []
    for name, path in (("a", params["a"]), ("b", params["b"])):
        documents = read_jobs(path)
        jobs = [one for document in documents for one in planned(document, cluster)]
        if len(jobs) != 1:
            names = ", ".join(one.name for one in jobs[:20])
            raise Error(f"{name} is {path}, which has {len(jobs)} jobs: {names}. Select one: FILE:SELECTOR.")
        sides.append(jobs[0])
    lines = [in_words(line, sides[0].spec) for line in differences(sides[0].plan, sides[1].plan)]
    return {"changed": False, "same": not lines, "differences": lines, "names": [one.name for one in sides]}
