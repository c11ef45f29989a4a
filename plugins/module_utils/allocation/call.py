# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One call of slurm_job: the request, and the actions so far."""

from __future__ import annotations

import os

from ..entry import Context
from ..json_types import JsonObject
from ..slurm import script
from ..slurm.commands import QueueEntry
from . import detached

QUERIED = "queried"  # the state of a call that only looks


class Call:
    """The request in the module's parameters, and the actions so far.

    :ivar allocation: the allocation request; empty when only ``job_id`` says which job it is.
    :ivar output_dir: absolute; that of the job that was found, when it works elsewhere.
    :ivar script: the sbatch script of the request, "" without one.
    :ivar origins: where the values of the job are set, ``{key: text}``, for messages.
    :ivar actions: what was done, see the module's documentation.
    :ivar notes: sentences for the user.
    :ivar shown: the indexes of the notes that were shown at once.
    """

    def __init__(self, params: JsonObject, ctx: Context) -> None:
        self.ctx = ctx
        self.allocation: JsonObject = params.get("allocation") or {}
        self.state, self.job_id = params["state"], params.get("job_id")
        self.output_dir = os.path.abspath(os.path.expanduser(params["output_dir"]))
        self.lease_s, self.wait_timeout_s, self.end_timeout_s = (
            params[name] for name in ("lease_s", "wait_timeout_s", "end_timeout_s")
        )
        self.playbook, self.secrets, self.reason = (params.get(name) for name in ("playbook", "secrets", "reason"))
        self.metadata, self.config_text = params["metadata"] or {}, params.get("config_text")
        self.origins: dict[str, str] = params.get("origins") or {}
        self.actions: list[str] = []
        self.notes: list[str] = []
        self.shown: set[int] = set()
        self.script = ""
        if self.allocation:
            options = detached.script_options(self.playbook)
            self.script, self.notes = script.render(self.allocation, self.output_dir, self.lease_s, **options)

    def run_dir(self, job: QueueEntry) -> str:
        """Return the run directory of *job* below output_dir."""
        return script.run_dir(self.output_dir, job["id"])

    def note(self, note: str) -> None:
        """Record a note, and show it now."""
        if self.ctx.shows:
            self.shown.add(len(self.notes))
        self.notes.append(note)
        self.ctx.progress(note)
