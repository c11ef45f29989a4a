# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the actions of slurm_job and slurm_job_info share: they show notes, and record a job that stays up."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached
from ansible_collections.srt.slurm.plugins.module_utils.holder.slurm_calls import WAITING
from ansible_collections.srt.slurm.plugins.module_utils.run_options import SUBMIT_HOST
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class JobAction(StageAction):
    """Base of an action that finds a job."""

    def run(self, tmp=None, task_vars=None):
        """Keep the variables at hand, and remember the job that was found."""
        self._variables = task_vars or {}
        result = super().run(tmp, task_vars)
        result.pop("unshown_notes", None)
        if self.uses_job() and not self._task.check_mode:
            found = {} if result.get("failed") else result.get("job") or {}
            if found:
                self.holds(found["id"], found["run_dir"], waits=found["state"] in WAITING)
            else:  # it is over, or the error reports its state
                kept_job_note.forget()
        return result

    def uses_job(self) -> bool:
        """Hook: tell whether the rest of the playbook works with the job."""
        return True

    def lease_s(self) -> float | None:
        """Hook: return the lease that the task sets, in seconds, or None if it leaves the lease as it is."""
        return None

    def holds(self, job_id, run_dir, waits=True):
        """Leave a note of the job, for when this run is interrupted. One that we run in ends with this playbook."""
        if not detached.inside(job_id):
            host = None if self.is_local() else self._variables.get(SUBMIT_HOST)
            kept_job_note.remember(job_id, run_dir, self.lease_s(), waits, host)

    def shown(self, result):
        """Return the notes that were not shown while the entry worked; a module can show none."""
        return [f"note: {note}" for note in result.get("unshown_notes") or ()]
