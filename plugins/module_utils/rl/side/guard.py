# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that cleans up after us if we are killed. Where Slurm kills all of a job at once, it is killed, too."""

from __future__ import annotations

import os
import shutil
import signal
import time
from typing import Callable

REMOVE_S = 30.0


class Guard:
    """Calls *clean* if this process ends before :meth:`dismiss`. Make it before any thread."""

    def __init__(self, clean: Callable[[], None]) -> None:
        reader, self._pipe = os.pipe()
        child = os.fork()
        if child:
            os.close(reader)
            os.waitpid(child, 0)
            return
        try:
            os.setsid()
            if os.fork() == 0:  # no child of the job's script
                os.close(self._pipe)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGHUP):
                    signal.signal(number, signal.SIG_IGN)
                if not os.read(reader, 1):
                    clean()
        finally:
            os._exit(0)

    def dismiss(self) -> None:
        """Leave nothing to do for the guard."""
        os.write(self._pipe, b".")
        os.close(self._pipe)


def remove(path: str) -> None:
    """Remove a folder, which processes that are ending may still write to."""
    until = time.monotonic() + REMOVE_S
    while os.path.isdir(path) and time.monotonic() < until:
        shutil.rmtree(path, ignore_errors=True)
        time.sleep(0.1)
