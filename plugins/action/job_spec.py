# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Reads the job from the extra vars themselves and runs the entry of job_spec in the controller."""

from __future__ import annotations

from ansible.template import trust_as_template
from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.plan import job_spec
from ansible_collections.srt.slurm.plugins.module_utils.plan.extra_vars import ExtraVars
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction

try:
    # Private, but the only place that knows the line of a value; without it errors name no lines.
    from ansible._internal._datatag._tags import Origin
except ImportError:  # pragma: no cover
    Origin = None


def place(value):
    """Return (file, line) of a value or key that Ansible loaded; (None, None) when it came otherwise."""
    origin = Origin.get_tag(value) if Origin else None
    return (origin.path, origin.line_num) if origin else (None, None)


def plain(value):
    """Return *value* without Ansible's tags: plain dicts, lists, text and numbers."""
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):
            return kind(value)
    return value


def trusted(value):
    """Return *value* with every text marked as a template: a job file is input like any extra vars file."""
    if isinstance(value, dict):
        return {key: trusted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [trusted(item) for item in value]
    return trust_as_template(value) if isinstance(value, str) else value


class ActionModule(StageAction):
    """See the documentation of the module job_spec."""

    argument_spec = job_spec.ARGUMENT_SPEC
    entry = staticmethod(job_spec.run)
    always_here = True

    def prepare(self, params, task_vars):
        extra = ExtraVars(load_extra_vars(self._loader), place)
        params["problems"] = extra.problems()
        for name in ("job_file", "cluster_file", "setup_script", "check_paths", "job_tags"):
            if name in extra.values and name not in self._task.args:
                params[name] = self._value(name, extra.values[name])
        given = params.get("job")
        if not given and not params.get("job_file"):
            if extra.form() in ("flat", "job"):
                given, params["source"] = extra.job()
        elif given:
            params["source"] = extra.source(given, place(given)[0])
        else:
            given, params["source"] = job_spec.read_job(params["job_file"])
            given = trusted(given)
            params["job_file"] = None
        params["job"] = plain(self._templar.template(given)) if given else None

    def _value(self, name, value):
        """Return an extra var as the option *name* expects it; ``-e name=value`` gives text."""
        value = plain(self._templar.template(value))
        if name == "check_paths":
            return self._templar.template(value) if isinstance(value, bool) else str(value).lower() in job_spec.TRUE
        if name == "job_tags" and isinstance(value, str):
            return [tag.strip() for tag in value.split(",") if tag.strip()]
        return value
