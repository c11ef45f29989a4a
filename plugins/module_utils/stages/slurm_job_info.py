# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module slurm_job_info: finds the allocation as slurm_job does, without any change."""

from __future__ import annotations

from ..allocation import slurm_job
from ..entry import Context
from ..json_types import JsonObject

ARGUMENT_SPEC = {name: slurm_job.ARGUMENT_SPEC[name] for name in ("allocation", "job_id", "output_dir")}
OPTIONS = slurm_job.OPTIONS
RETURNED = ("job", "log", "notes", "unshown_notes")


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, job, log, notes}`` of the allocation; ``job`` is None if there is none.

    Raises Error if several jobs match, or if the job belongs to another output directory.
    """
    defaults = {name: option.get("default") for name, option in slurm_job.ARGUMENT_SPEC.items()}
    result = slurm_job.run({**defaults, **params, "state": slurm_job.QUERIED}, ctx)
    return {"changed": False, **{name: result[name] for name in RETURNED}}
