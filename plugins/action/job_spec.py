# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Reads the job from the extra vars themselves and runs the entry of job_spec in the controller."""

from __future__ import annotations

import contextlib
import functools

from ansible.template import trust_as_template
from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.plan import job_spec
from ansible_collections.srt.slurm.plugins.module_utils.plan.extra_vars import ExtraVars
from ansible_collections.srt.slurm.plugins.plugin_utils.secrets import keep_secrets
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction

try:
    # Private, but the only place that knows the line of a value; without it errors name no lines, and a value is
    # known to come from a vault only before it is decrypted.
    from ansible._internal._datatag._tags import Origin, VaultedValue
except ImportError:  # pragma: no cover
    Origin = VaultedValue = None


def place(value):
    """Return (file, line) of a value or key that Ansible loaded; (None, None) when it came otherwise."""
    origin = Origin.get_tag(value) if Origin else None
    return (origin.path, origin.line_num) if origin else (None, None)


def plain(value):
    """Return *value* without Ansible's tags: plain dicts, lists, text and numbers."""
    if isinstance(value, dict):
        # A key that YAML took for a truth value stays one: the check of the job says what to do about it.
        return {key if isinstance(key, bool) else str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


@functools.cache
def encrypted(path):
    """Tell whether the file at *path* is encrypted as a whole."""
    try:
        with open(path or "", "rb") as stream:
            return stream.read(14) == b"$ANSIBLE_VAULT"
    except OSError:
        return False


def vaulted(value, found=None):
    """Return ``{inline, file}``: the texts below *value* that were encrypted one by one, and with their whole file."""
    found = {"inline": set(), "file": set()} if found is None else found
    if isinstance(value, dict):
        for item in value.values():
            vaulted(item, found)
    elif isinstance(value, (list, tuple)):
        for item in value:
            vaulted(item, found)
    elif type(value).__name__ in ("EncryptedString", "AnsibleVaultEncryptedUnicode") or (
        VaultedValue and VaultedValue.is_tagged_on(value)
    ):
        with contextlib.suppress(Exception):  # nobody has its password, so nobody has used it either
            found["inline"].add(str(value))
    elif isinstance(value, str) and encrypted(place(value)[0]):
        found["file"].add(str(value))
    return found


def scalars(variables):
    """Return the texts among *variables*: a vault of a whole structure is seen where the job uses it."""
    kinds = ("EncryptedString", "AnsibleVaultEncryptedUnicode")
    return {n: value for n, value in variables.items() if isinstance(value, str) or type(value).__name__ in kinds}


def trusted(value):
    """Return *value* with every text marked as a template: a job file is input like any extra vars file."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    # A recipe may hold shell text such as ${#list}, which Jinja would take for the start of a comment.
    return trust_as_template(value) if isinstance(value, str) and ("{{" in value or "{%" in value) else value


class ActionModule(StageAction):
    """See the documentation of the module job_spec."""

    argument_spec = job_spec.ARGUMENT_SPEC
    entry = staticmethod(job_spec.run)
    always_here = True

    def run(self, tmp=None, task_vars=None):
        """Run the entry; the values of secrets go into a private file that is gone after the run, not the result."""
        self._hidden = {}
        result = super().run(tmp, task_vars)
        if self._hidden and not result.get("failed"):
            result["secrets_path"] = keep_secrets(self._hidden)
        return result

    def prepare(self, params, task_vars):
        params["hidden"] = self._hidden
        if params.get("frozen"):
            return
        extra = ExtraVars(load_extra_vars(self._loader), place)
        params["problems"] = extra.problems()
        for name in ("job_file", "cluster_file", "setup_script", "check_paths", "job_tags", "output_dir"):
            if name in extra.values and name not in self._task.args:
                params[name] = self._value(name, extra.values[name])
        given = params.get("job")
        if not given and not params.get("job_file"):
            if extra.form() in ("flat", "job"):
                given, params["source"] = extra.job()
        elif given:
            params["source"] = extra.source(given, place(given)[0])
        else:
            params["documents"] = job_spec.read_jobs(params["job_file"])
            given = trusted([one.job for one in params["documents"]])
            params["job_file"] = None
        given = self._templar.template(given) if given else None
        params["vaulted"] = vaulted(given)
        # What a template made of an encrypted variable no longer says where it comes from.
        vaulted({**scalars(task_vars), **extra.values}, params["vaulted"])
        given = plain(given)
        for document, job in zip(params.get("documents", ()), given or ()):
            document.job = job
        params["job"] = None if params.get("documents") else given

    def shown(self, result):
        return [f"note: {note}" for note in result.get("notes", ())]

    def _value(self, name, value):
        """Return an extra var as the option *name* expects it; ``-e name=value`` gives text."""
        value = plain(self._templar.template(value))
        if name == "check_paths":
            return self._templar.template(value) if isinstance(value, bool) else str(value).lower() in job_spec.TRUE
        if name == "job_tags" and isinstance(value, str):
            return [tag.strip() for tag in value.split(",") if tag.strip()]
        return value
