# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs of a file with their plans on imaginary nodes, whether or not anything that they name exists."""

from __future__ import annotations

import os
from typing import NamedTuple

from ..job.cluster import Cluster
from ..job.paths import Environment
from ..job.reading import Document
from ..job.resolve import resolve
from ..json_types import JsonObject
from ..plan.planner import Planner, imaginary_allocation
from ..plan_file import Plan


class Planned(NamedTuple):
    """A job of a file: its *name*, its *spec* and its *plan* on imaginary nodes."""

    name: str
    spec: JsonObject
    plan: Plan


def planned(document: Document, cluster: Cluster) -> list[Planned]:
    """Return the jobs of *document*; SpecError if one of them is not valid. No path of them needs to exist."""
    found = []
    for _suffix, job, source in document.variants():
        folders = [os.path.dirname(source.file)] if source.file else []
        environment = Environment(
            folders=[*folders, os.getcwd()],
            check_paths=False,
            rehearse=True,
            cluster_folder=os.path.dirname(cluster.path) if cluster.path else None,
        )
        spec = resolve(job, source, cluster, environment, Planner).spec
        planner = Planner(spec)
        plan = planner.plan_with_origins(planner.layout(imaginary_allocation(spec)))[0]
        found.append(Planned(spec["name"], spec, plan))
    return found
