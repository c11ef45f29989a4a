# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Values of secrets on their way from job_spec to the run directory: a private file, never a result or a variable."""

from __future__ import annotations

import json
import os
import tempfile

from ansible import constants
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error


def keep_secrets(values):
    """Write *values* into Ansible's own temporary directory, which it removes at the end; return the path."""
    handle, path = tempfile.mkstemp(prefix="srt-secrets-", dir=constants.DEFAULT_LOCAL_TMP)  # mode 0600
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        json.dump(values, stream)
    return path


def read_secrets(path):
    """Return the values that keep_secrets wrote."""
    try:
        with open(path, encoding="utf-8") as stream:
            return json.load(stream)
    except (OSError, ValueError) as error:
        raise Error(
            f"The values of the secrets, {path}, are gone: {error}. They live as long as one playbook run; "
            "job_spec has to be part of it."
        ) from None


class LendsSecrets:
    """Mixin of an action whose module takes ``secrets``; on the controller they are given as ``secrets_path``."""

    def prepare(self, params, task_vars):
        """Read the values when the entry runs here."""
        super().prepare(params, task_vars)
        if params.get("secrets_path"):
            params["secrets"] = read_secrets(params["secrets_path"])

    def arguments(self):
        """Return the module's arguments with the values; the task's own, which callbacks see, stay without."""
        arguments = super().arguments() or dict(self._task.args)
        path = arguments.pop("secrets_path", None)
        if path:
            arguments["secrets"] = read_secrets(path)
        return arguments
