# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find, submit or end one allocation: the action of the module slurm_job."""

from __future__ import annotations

import pathlib

import yaml
from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached, slurm_job
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import effective, in_clear, passed_on
from ansible_collections.srt.slurm.plugins.module_utils.run_options import LEASE_S, OPTIONS
from ansible_collections.srt.slurm.plugins.plugin_utils import kept_job_note
from ansible_collections.srt.slurm.plugins.plugin_utils.jobs import JobAction
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import with_secrets
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import reporter
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import Vaults, origin, scalars


def role_variables():
    """Return the names of all variables that roles of the collection read."""
    roles = pathlib.Path(__file__).resolve().parents[2] / "roles"
    return {name for path in roles.glob("*/defaults/main.yml") for name in yaml.safe_load(path.read_text()) or ()}


class ActionModule(JobAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = slurm_job.ARGUMENT_SPEC
    options = slurm_job.OPTIONS
    entry = staticmethod(slurm_job.run)

    def run(self, tmp=None, task_vars=None):
        """Forget a job before its end is waited for."""
        args = self._task.args
        if args.get("state") in ("absent", "requeued") and not self._task.check_mode:
            kept_job_note.forget(str(args["job_id"]) if args.get("job_id") else None)
        result = super().run(tmp, task_vars)
        if args.get("state", "running") in ("present", "running") and not self._task.check_mode:
            self._report(result)
        return result

    def _report(self, result):
        """Report that the job was submitted, has its nodes, or could not be started."""
        job = result.get("job") or {}
        if result.get("failed"):
            reporter().failed(str(result.get("msg")))
        elif "submitted" in result.get("actions", ()):
            reporter().job(job["id"], job["run_dir"])
        if job.get("nodes") and self.uses_job():
            reporter().started(job["nodes"][0]["name"])

    def holds(self, job_id, run_dir, waits=True):
        """Report the job at once: it may wait for nodes."""
        super().holds(job_id, run_dir, waits)
        reporter().job(job_id, run_dir, post=not detached.inside(job_id))

    def uses_job(self):
        """Only a task that waits for the job uses it."""
        return self._task.args.get("state", "running") == "running"

    def lease_s(self):
        """Return the lease of the task or its default."""
        return float(self._task.args.get("lease_s") or LEASE_S)

    def completed(self, params, task_vars):
        """Let a playbook inside the job have the extra vars that are meant for playbooks of ours."""
        params, playbook = with_secrets(params), params.get("playbook")
        return dict(params, playbook=dict(playbook, extra_vars=self._extra_vars(playbook))) if playbook else params

    def _extra_vars(self, playbook):
        """Return the extra vars of the playbook inside the job: it has them from a file, so none of them is secret."""
        values, set_by = effective(load_extra_vars(self._loader), self._variables)
        raw = {name: value for name, value in passed_on(values).items() if name not in set_by.values()}
        vaults = Vaults()
        given = self._templar.template(raw)
        marked = {name for name, value in raw.items() if vaults.encrypted(origin(name)[0]) or any(vaults.texts(value))}
        inline, whole = vaults.texts([scalars(self._variables), raw, given])
        given, left_out = in_clear(given, inline | whole, marked, {*OPTIONS, *role_variables()})
        if left_out:
            self.tell(f"secret, so not passed on to the playbook inside the job: {', '.join(left_out)}")
        return dict(given, **(playbook.get("extra_vars") or {}))
