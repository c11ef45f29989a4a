# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell others of a finished run: the action of the module publish."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.stages import publish
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import with_secrets
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction, reporter


class ActionModule(StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = publish.ARGUMENT_SPEC
    options = publish.OPTIONS
    entry = staticmethod(publish.run)

    def run(self, tmp=None, task_vars=None):
        """Report the end of the run when all else is done."""
        result = super().run(tmp, task_vars)
        if result.get("failed"):  # the task hides a failure, as it is none of the run
            result["warnings"] = [f"Nobody was told of the run. {result.get('msg')}"]
        if not self._task.check_mode:
            failed = bool(self._task.args.get("failed"))
            code = result.get("exit_code", publish.EXIT_FAILED if failed else 0)
            reporter().end(code, self._task.args.get("reason"), result.get("logs_url"))
        return result

    def completed(self, params, task_vars):
        """Add the values of secrets, which only the controller has."""
        return with_secrets(params)

    def shown(self, result):
        """Show what was told to whom."""
        return (result.get("text") or "").splitlines()
