# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The base of the actions of RL runs: they take settings and options from the extra vars."""

from __future__ import annotations

from ansible.utils.vars import load_extra_vars
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.rl.reading import PREFIX
from ansible_collections.srt.slurm.plugins.module_utils.rl.settings import SETTINGS, key_of
from ansible_collections.srt.slurm.plugins.module_utils.schema.words import nearest
from ansible_collections.srt.slurm.plugins.plugin_utils.stage import StageAction
from ansible_collections.srt.slurm.plugins.plugin_utils.values import plain
from ansible_collections.srt.slurm.plugins.plugin_utils.vault import origin

# The mapping of settings in a file that is given as -e @FILE, and the options besides settings.
MAPPING = "rl"
OPTIONS = [
    "file",
    "conf",
    "dir",
    "lines",
    "list",
    "runtime_only",
    "training_only",
    "skip_runtime",
    "runtime_url",
    "api_key",
    "smoke",
    "replace",
    "watch",
]
BARE = ("watch", "lines")  # options that have a name without rl_, too


class RlAction(StageAction):
    """An action whose arguments come from the extra vars where the task does not name them."""

    def completed(self, params, task_vars):
        """Return *params* with what the extra vars say; SpecError if one begins with ``rl_`` and means nothing."""
        given = load_extra_vars(self._loader)
        params, problems = dict(params), []
        values, overrides, places = {}, {}, {}
        mapping = given.get(MAPPING) or {}
        if not isinstance(mapping, dict):
            problems.append(
                self._problem(MAPPING, mapping, "wrong_type", "is no mapping of settings.", "Write NAME: value.")
            )
            mapping = {}
        for key, value in mapping.items():
            values[str(key)] = plain(self._templar.template(value))
            places[str(key)] = self._place(key, value)
        for name, value in given.items():
            word = key_of(name[len(PREFIX) :]) if name.startswith(PREFIX) else name if name in BARE else None
            if word is None:
                continue
            if word in OPTIONS:
                if word in self.argument_spec and word not in self._task.args:
                    params[word] = plain(self._templar.template(value))
            elif word in SETTINGS:
                overrides[word] = plain(self._templar.template(value))
                places[PREFIX + word] = self._place(name, value)
            elif not self._is_of_a_role(name):
                near = nearest(word, [*OPTIONS, *SETTINGS])
                remedy = f"Did you mean {PREFIX}{near}?" if near else "docs/rl.md lists options and settings."
                problems.append(self._problem(name, value, "unknown_key", "is not an option of an RL run.", remedy))
        if problems:
            raise SpecError(problems)
        for key, found in (("settings", values), ("overrides", overrides), ("places", places)):
            params[key] = {**found, **(params.get(key) or {})}
        _ignored, checked = self.validate_argument_spec_of(params)
        return checked

    def _is_of_a_role(self, name):
        """Return whether an extra var is a variable of the role that the task belongs to."""
        role = self._task._role
        return bool(role) and name in role._default_vars

    def validate_argument_spec_of(self, params):
        """Return *params* after the checks of the argument spec: extra vars are text."""
        from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

        done = ArgumentSpecValidator(self.argument_spec).validate(params)
        if done.error_messages:
            problems = [
                {"file": "extra vars", "line": None, "path": "", "code": "wrong_type", "problem": one, "remedy": None}
                for one in done.error_messages
            ]
            raise SpecError(problems)
        return done, done.validated_parameters

    @staticmethod
    def _place(key, value):
        file, line = origin(value)
        if not file:
            file, line = origin(key)
        return [file or "extra vars", line if file else None]

    def _problem(self, name, value, code, problem, remedy):
        file, line = self._place(name, value)
        return {"file": file, "line": line, "path": name, "code": code, "problem": problem, "remedy": remedy}

    def shown(self, result):
        return result.get("summary") or []
