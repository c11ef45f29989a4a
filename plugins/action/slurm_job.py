# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Find, submit or end one allocation: the action of the module slurm_job."""

from __future__ import annotations

import pathlib

import yaml
from ansible.errors import AnsibleActionFail
from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached, slurm_job
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder.lease import LEASE_S
from ansible_collections.srt.slurm.plugins.module_utils.holder.slurm_calls import WAITING
from ansible_collections.srt.slurm.plugins.module_utils.job.extra_vars import in_clear, passed_on
from ansible_collections.srt.slurm.plugins.module_utils.job.schema import OURS
from ansible_collections.srt.slurm.plugins.plugin_utils import stays
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import LendsSecrets
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction, display
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import encrypted, place, scalars, vaulted


def role_variables():
    """Return the names of all variables that roles of the collection read."""
    roles = pathlib.Path(__file__).resolve().parents[2] / "roles"
    return {name for path in roles.glob("*/defaults/main.yml") for name in yaml.safe_load(path.read_text()) or ()}


class ActionModule(LendsSecrets, StageAction):
    """Runs the module's entry in the controller when that is the submit host, otherwise the module."""

    argument_spec = slurm_job.ARGUMENT_SPEC
    options = slurm_job.OPTIONS
    entry = staticmethod(slurm_job.run)

    def run(self, tmp=None, task_vars=None):
        """Keep the variables at hand: among them are the texts that came from a vault."""
        self._variables, self._told = task_vars or {}, []
        args = self._task.args
        if args.get("state") in ("absent", "requeued") and not self._task.check_mode:
            stays.forget(str(args["job_id"]) if args.get("job_id") else None)
        result = super().run(tmp, task_vars)
        if args.get("state", "running") in ("running", "queried") and not self._task.check_mode:
            found = {} if result.get("failed") else result.get("job") or {}
            if found:
                self.holds(found["id"], found["run_dir"], waits=found["state"] in WAITING)
            else:  # it is over, or the error says what becomes of it
                stays.forget()
        return result

    def holds(self, job_id, run_dir, waits=True):
        """Leave a note of the job, for when this run is interrupted. One that we run in ends with this playbook."""
        if not detached.inside(job_id):
            given = self._task.args
            lease_s = None if given.get("state") == "queried" else float(given.get("lease_s") or LEASE_S)
            host = None if self.is_local() else self._variables.get(stays.HOST)
            stays.remember(job_id, run_dir, lease_s, waits, host)

    def prepare(self, params, task_vars):
        """Let a playbook inside the job have the extra vars that are meant for playbooks of ours."""
        super().prepare(params, task_vars)
        if params.get("playbook"):
            params["playbook"]["extra_vars"] = self._extra_vars(params["playbook"])

    def arguments(self):
        """The same for the module."""
        arguments = super().arguments()
        if arguments.get("playbook"):
            try:
                given = self._extra_vars(arguments["playbook"])
            except Error as error:
                raise AnsibleActionFail(error.msg) from None
            arguments["playbook"] = dict(arguments["playbook"], extra_vars=given)
        return arguments

    def _extra_vars(self, playbook):
        """Return the extra vars of the playbook inside the job: it has them from a file, so none of them is secret."""
        raw = passed_on(load_extra_vars(self._loader))
        given = self._templar.template(raw)
        marked = {name for name, value in raw.items() if encrypted(place(name)[0]) or any(vaulted(value).values())}
        texts = vaulted({**scalars(self._variables), **raw, " ": given})
        given, left_out = in_clear(given, texts["inline"] | texts["file"], marked, {*OURS, *role_variables()})
        if left_out:
            display.display(
                f"  slurm_job: not passed on to the playbook inside the job, being secret: {', '.join(left_out)}"
            )
        return dict(given, **(playbook.get("extra_vars") or {}))

    def tell(self, line):
        """Show one line while the entry works, and remember it."""
        self._told.append(line)
        super().tell(line)

    def shown(self, result):
        """Notes are told, but for those that were shown while the entry worked; a module can show none."""
        notes = result.get("notes") or ()
        return [f"note: {note}" for note in notes if not any(note in line for line in self._told)]
