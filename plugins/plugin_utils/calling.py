# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions that call the modules of the collection between playbooks which they run."""

from __future__ import annotations

from ansible_collections.srt.slurm.plugins.module_utils.allocation import slurm_job
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.stages import slurm_job_info
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction, show


class CallingAction(StageAction):
    """Base of the actions that always run here, and call modules where Slurm is."""

    always_here = True

    def run(self, tmp=None, task_vars=None):
        """Keep the variables at hand, which modules on another submit host need."""
        self._variables = task_vars or {}
        return super().run(tmp, task_vars)

    def call(self, module, args):
        """Run the entry of a module here, or the module itself if the submit host is another machine."""
        if self.is_local():
            spec = {key: one.get("default") for key, one in module.ARGUMENT_SPEC.items()}
            return module.run({**spec, **args}, Context(self._task.check_mode))
        args = {key: value for key, value in args.items() if value is not None}
        name = module.__name__.rpartition(".")[2]
        result = self._execute_module(f"srt.slurm.{name}", module_args=args, task_vars=self._variables)
        if result.get("failed"):
            raise Error(result.get("msg") or f"{name} failed")
        return result


class Slurm:
    """The job of an allocation request, as a sequence of playbooks wants it.

    :param call: runs a module, see CallingAction.call.
    """

    def __init__(self, call, params):
        self.call, self.params = call, params

    def find(self, request):
        """Return the id of the job that waits or runs for *request*, None if there is none, or if nobody knows."""
        args = {"allocation": request, "job_id": self.params["job_id"], "output_dir": self.params["output_dir"]}
        try:
            job = self.call(slurm_job_info, args)["job"]
        except Error:
            return None
        return job["id"] if job else None

    def end(self, job_id, reason="the jobs of the sweep have finished"):
        """End the job of a request whose playbooks are done."""
        args = {"state": "absent", "job_id": job_id, "output_dir": self.params["output_dir"]}
        args.update(reason=reason, end_timeout_s=self.params["teardown_timeout_s"])
        try:
            self.call(slurm_job, args)
            kept_job_note.forget(job_id)
        except Error as error:  # the results are there
            show(f"  {error.msg}")
