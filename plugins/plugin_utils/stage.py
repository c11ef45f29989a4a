# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action plugin behind every module of the collection.

When the submit host is the controller, the module's entry runs right here: no payload is built, no
interpreter is started, and progress lines reach the screen while the entry waits. In every other
case (ssh, become, another interpreter, a task environment) the module itself runs, as usual.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal

from ansible import constants
from ansible.plugins.action import ActionBase
from ansible.release import __version__
from ansible_collections.srt.slurm.plugins.module_utils.allocation.detached import OLDEST
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context, run_entry
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.files import keep_others_from_writing, write_text_atomic
from ansible_collections.srt.slurm.plugins.module_utils.holder import playbook as holder_play
from ansible_collections.srt.slurm.plugins.module_utils.plain_text import cleaned, plain
from ansible_collections.srt.slurm.plugins.module_utils.publishing.status import Reporter
from ansible_collections.srt.slurm.plugins.plugin_utils import output
from ansible_collections.srt.slurm.plugins.plugin_utils.interrupt import obey

COLLECTION = "srt.slurm."  # the names of our roles begin with it
output.protect()  # before anything is shown: the main process loads an action before it forks the worker


def too_old(version):
    """Return the error for an unsupported *version* of ansible-core, else None."""
    if tuple(map(int, version.split(".")[:2])) >= OLDEST:
        return None
    needed = ".".join(map(str, OLDEST))
    return (
        f"This is ansible-core {version}; srt.slurm needs {needed} or newer. Install it (pip install "
        f"'ansible-core>={needed}', which needs Python 3.11), or run the ansible-playbook of another environment."
    )


def reporter():
    """Return what reports the status of this run, if its job has ``reporting.status``."""
    return Reporter(constants.DEFAULT_LOCAL_TMP)


def record_stage(role, check_mode=False):
    """Record that the playbook has reached a stage, the *role* of its task (None: it has none)."""
    path, name = os.environ.get(holder_play.STAGE_VARIABLE), role.get_name() if role else ""
    if name.startswith(COLLECTION) and not check_mode:
        reporter().stage(name[len(COLLECTION) :])
    if path and name.startswith(COLLECTION):
        with contextlib.suppress(OSError):  # a full disk is reported elsewhere
            write_text_atomic(path, json.dumps({"stage": name[len(COLLECTION) :]}))


def show(line):
    """Show one line. Ctrl-C waits meanwhile.

    The line goes through Ansible's queue: a worker that dies while it holds the lock of that queue leaves it locked,
    and the whole playbook hangs.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        output.show(plain(line))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class StageAction(ActionBase):
    """Base of the actions; a subclass names its entry and argument spec.

    ``argument_spec`` is the dict of the module; ``options`` further arguments of AnsibleModule.
    """

    argument_spec = {}
    options = {}
    always_here = False
    own_text = False  # whether its result is what the user wrote, for other tasks; else control characters are removed
    _supports_check_mode = True
    _supports_async = False

    @staticmethod
    def entry(params, ctx):
        """Do the work of the module: see :mod:`runner`."""
        raise NotImplementedError

    def run(self, tmp=None, task_vars=None):
        """Run the entry in this process if that is possible, otherwise the module."""
        result = super().run(tmp, task_vars)
        del tmp
        if too_old(__version__):
            return dict(result, failed=True, msg=too_old(__version__))
        keep_others_from_writing()
        obey(self.tell)
        record_stage(self._task._role, self._task.check_mode)
        task_vars = task_vars or {}
        try:
            if self._needs_module():
                arguments = self.completed(self._task.args, task_vars)
                result.update(self._execute_module(task_vars=task_vars, module_args=arguments))
            else:
                result.update(self._run_here(task_vars))
        except Error as error:
            result.update(error.as_result(), failed=True)
        result = result if self.own_text else cleaned(result)
        for line in self.shown(result):
            show(f"  {line}")
        return result

    def _run_here(self, task_vars):
        _ignored, params = self.validate_argument_spec(argument_spec=self.argument_spec, **self.options)
        ctx = Context(
            check_mode=self._task.check_mode,
            diff=self._task.diff,
            progress=self.tell,
            holds=self.holds,
        )
        return run_entry(self.entry, self.completed(params, task_vars), ctx)

    def completed(self, params, task_vars):
        """Hook for subclasses: return the arguments of the task with what only the controller knows."""
        return params

    def holds(self, job_id, run_dir):
        """Hook for subclasses: the entry has a job that stays if it is interrupted."""

    def tell(self, line):
        """Show one line while the entry works."""
        show(f"  {self._task.action.rsplit('.', 1)[-1]}: {line}")

    def shown(self, result):
        """Hook for subclasses: return lines of the result that are shown whatever the verbosity."""
        return []

    def is_local(self):
        """Return whether the submit host is this machine."""
        return self._connection.transport in ("local", "ansible.builtin.local")

    def _needs_module(self):
        if self.always_here:
            return False
        if not self.is_local():  # only there is the Slurm that knows
            return True
        if self._task.check_mode:
            return False
        return bool(self._play_context.become or any(self._task.environment or []))
