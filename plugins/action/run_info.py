# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Show the state of a run: the action of the module run_info."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.holder import slurm_calls
from ansible_collections.srt.slurm.plugins.module_utils.stages import run_info
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note
from ansible_collections.srt.slurm.plugins.plugin_utils.runs import RunAction


class ActionModule(RunAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = run_info.ARGUMENT_SPEC
    entry = staticmethod(run_info.run)

    def run(self, tmp=None, task_vars=None):
        """Keep the name of the submit host at hand."""
        self._host = None if self.is_local() else (task_vars or {}).get(kept_job_note.SUBMIT_HOST)
        return super().run(tmp, task_vars)

    def shown(self, result):
        """Show the text, or what stays up."""
        if self._task.args.get("report") != "service":
            return (result.get("text") or "").splitlines()
        if result.get("failed") or result.get("stage") == "unknown":  # then the note is told, which nobody verified
            return []
        lines = kept_job_note.lines_of(result, self._host)
        if lines or not slurm_calls.live((result.get("job") or {}).get("state") or "") or result.get("ending"):
            kept_job_note.forget()  # else nobody answered, and the note says more than nothing
        return lines
