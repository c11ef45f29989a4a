# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lookups on a remote submit host by an action."""

from __future__ import annotations

import shlex

from ansible_collections.srt.slurm.plugins.module_utils.failures import Error


class RemotePaths:
    """Looks up paths on the host of the task of *action*, each path once.

    :param host: the name of the host, for messages.
    """

    def __init__(self, action, host):
        self.action, self.where = action, f"on {host}"
        self._known = {}

    def exists(self, path):
        """Return whether *path* exists there; Error if the host does not answer."""
        if path not in self._known:
            self._known[path] = self._test(path)
        return self._known[path]

    def _test(self, path):
        command = f"if test -e {shlex.quote(path)}; then echo there; else echo missing; fi"
        done = self.action._low_level_execute_command(command, sudoable=True)
        answer = (done["stdout"].split() or [""])[-1]
        if answer not in ("there", "missing"):
            raise Error(
                f"Cannot check paths on the submit host: {done['stderr'].strip() or 'no answer'}. "
                "Fix the connection, or set -e check_paths=false."
            )
        return answer == "there"
