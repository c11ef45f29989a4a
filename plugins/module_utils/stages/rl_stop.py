# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Entry of the module rl_stop: ends the jobs of an RL run."""

from __future__ import annotations

from ..entry import Context
from ..json_types import JsonObject
from ..rl import look, submission
from .rl_info import FOUND_SPEC, place

ARGUMENT_SPEC = FOUND_SPEC


def run(params: JsonObject, ctx: Context) -> JsonObject:
    """Return ``{changed, dir, ended}``: the jobs that were ended, {side: job id}."""
    folder = look.chosen(*place(params), params["dir"] or "")
    jobs = submission.active_in(folder)
    if jobs and not ctx.check_mode:
        submission.end(jobs)
    return {"changed": bool(jobs), "dir": folder, "ended": {side: job["id"] for side, job in jobs.items()}}
