# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the playbook prints: it outlives its reader, and a program that reads it finds no line of ours in between.

A thread of Ansible's main process prints what workers show. It ends at the first write that fails, as after
``| head``, and the playbook then waits for it for ever.
"""

from __future__ import annotations

import contextlib
import errno
import functools
import multiprocessing
import os
import sys

from ansible import constants, context
from ansible.plugins.loader import callback_loader
from ansible.utils.display import Display

display = Display()
GONE = (errno.EPIPE, errno.EIO)  # the reader of a pipe, or the terminal
DEFAULT = "ansible.plugins.callback.default"  # the callbacks that print for people derive from it
RUNNER = "awx_display"  # ansible-runner's stream of events
DATA = ("json", "yaml", RUNNER)  # in names of those that may too


class Stream:
    """A text stream whose errors nobody sees: what cannot be written is lost.

    Lines are written at once, so that somebody who reads them from a pipe sees the progress.
    """

    def __init__(self, stream):
        self._stream = stream

    def __getattr__(self, name):
        return getattr(self._stream, name)

    def write(self, text):
        """Write *text*; return its length."""
        with self._unless_gone():
            self._stream.write(text)
            if text.endswith("\n"):
                self._stream.flush()
        return len(text)

    def flush(self):
        """Write what was kept back."""
        with self._unless_gone():
            self._stream.flush()

    @contextlib.contextmanager
    def _unless_gone(self):
        try:
            yield
        except OSError as error:
            if error.errno in GONE:  # nor does the rest, which Python flushes at its end, have a reader
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)


def protect():
    """Let the output of this process outlive its readers, if it is Ansible's main process."""
    if multiprocessing.parent_process() is None and context.CLIARGS:
        is_for_people()  # workers inherit the answer
        for name in ("stdout", "stderr"):
            if not isinstance(getattr(sys, name), Stream):
                setattr(sys, name, Stream(getattr(sys, name)))


@functools.cache
def is_for_people():
    """Return whether the output is text for people, in which progress is welcome, and not JSON or the like."""
    name = constants.DEFAULT_STDOUT_CALLBACK
    if context.CLIARGS.get("module_name") or any(word in name for word in DATA):  # ansible prints a result as JSON
        return False
    found = callback_loader.get(name, class_only=True)
    return found is None or any(one.__module__ == DEFAULT for one in found.__mro__)


def is_events():
    """Return whether ansible-runner makes an event of every line that is shown, also of those on standard error."""
    return RUNNER in constants.DEFAULT_STDOUT_CALLBACK


def show(line):
    """Show one line: on standard error if a program reads the output, and not if it would be an event of AWX."""
    if not is_events():
        display.display(line, stderr=not is_for_people())


def banner(title):
    """Show a heading, as those of Ansible's tasks."""
    if is_for_people():
        display.banner(title)
    else:
        show(title)
