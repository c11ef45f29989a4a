# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes on this node that outlived their step.

Slurm loses a process whose parent has died if it tracks processes by their parents, such as a process of nginx
respawned while the step was killed.
"""

from __future__ import annotations

import os
import signal
import threading
import time


class Writers:
    """Our processes on this node by the files that they write to; concurrent callers share one look at /proc.

    Many steps end at the same moment, and a node may run thousands of processes.
    """

    def __init__(self) -> None:
        self._lock, self._seen_at = threading.Lock(), -1e9
        self._seen: dict[str, list[int]] = {}

    def to(self, path: str) -> list[int]:
        """Return the pids of those whose output goes to *path*, as they are now or later."""
        now = time.monotonic()
        with self._lock:
            if self._seen_at < now:
                self._seen_at, self._seen = time.monotonic(), writers()
            return self._seen.get(path, [])

    def kill(self, path: str) -> list[int]:
        """Kill them; return their pids."""
        found = self.to(path)
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        return found


def writers() -> dict[str, list[int]]:
    """Return {path: pids} of our processes on this node, except Slurm's; a path is their output or error output."""
    found: dict[str, list[int]] = {}
    uid = os.getuid()
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) != os.getpid():
            try:
                if os.stat(f"/proc/{name}").st_uid != uid or of_slurm(name):
                    continue
                for path in {os.readlink(f"/proc/{name}/fd/{number}") for number in (1, 2)}:
                    found.setdefault(path, []).append(int(name))
            except OSError:
                continue  # it has ended, or has no such file
    return found


def of_slurm(pid: str) -> bool:
    """Return whether a process belongs to Slurm, and so ends without us."""
    with open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as stream:
        return stream.read().startswith(("slurm", "srun"))
