# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Find, submit or end one allocation: the action of the module slurm_job."""

from __future__ import annotations

from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.plan.extra_vars import passed_on
from ansible_collections.srt.slurm.plugins.module_utils.slurm import job
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import LendsSecrets
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction


class ActionModule(LendsSecrets, StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = job.ARGUMENT_SPEC
    options = job.OPTIONS
    entry = staticmethod(job.run)

    def prepare(self, params, task_vars):
        """Let a playbook inside the job have the extra vars that are meant for playbooks of ours."""
        super().prepare(params, task_vars)
        if params.get("playbook"):
            params["playbook"]["extra_vars"] = self._extra_vars(params["playbook"])

    def arguments(self):
        """The same for the module."""
        arguments = super().arguments()
        if arguments.get("playbook"):
            arguments["playbook"] = dict(arguments["playbook"], extra_vars=self._extra_vars(arguments["playbook"]))
        return arguments

    def _extra_vars(self, playbook):
        given = passed_on(load_extra_vars(self._loader))
        return dict(self._templar.template(given), **(playbook.get("extra_vars") or {}))
