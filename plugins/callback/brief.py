# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's default output, with each error of this collection once, as text."""

from __future__ import annotations

DOCUMENTATION = r"""
name: brief
type: stdout
short_description: The default output with each error once
version_added: 0.1.0
description:
  - Shows what P(ansible.builtin.default#callback) shows. Only an error of a module of this collection, or of one of its
    playbooks, is its message alone, without the place in the playbook and the result as JSON.
  - With C(-v) nothing is left out.
author:
  - srt.slurm developers (@srt-slurm)
extends_documentation_fragment:
  - default_callback
  - result_format_callback
requirements:
  - set as C(stdout_callback) in ansible.cfg
"""

from ansible import constants
from ansible.plugins.callback.default import CallbackModule as Default

OURS = "srt.slurm."
SPOKEN = ("fail", "assert", *(f"ansible.builtin.{name}" for name in ("fail", "assert")))  # what they say is all
UNEXPECTED = "Task failed"  # begins the message of an exception that no module has caught


class CallbackModule(Default):
    """The default callback but for errors."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "srt.slurm.brief"

    def v2_runner_on_failed(self, result, ignore_errors=False):
        """Show the message of an error, if it says all."""
        action, text = result.task.action, str(result.result.get("msg") or UNEXPECTED)
        says_all = (action.startswith(OURS) or action in SPOKEN) and not text.startswith(UNEXPECTED)
        if self._display.verbosity or result.task.loop or not says_all:
            super().v2_runner_on_failed(result, ignore_errors)
            return
        if self._last_task_banner != result.task._uuid:
            self._print_task_banner(result.task)
        self._handle_warnings(result.result)
        first, *rest = text.splitlines()
        line = "\n".join([f"fatal: [{self.host_label(result)}]: FAILED! => {first}", *(f"  {more}" for more in rest)])
        self._display.display(line, color=constants.COLOR_ERROR, stderr=self.get_option("display_failed_stderr"))
        if ignore_errors:
            self._display.display("...ignoring", color=constants.COLOR_SKIP)
