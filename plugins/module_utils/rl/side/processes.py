# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that a side starts, and the port of the server."""

from __future__ import annotations

import contextlib
import glob
import os
import signal
import socket
import subprocess
import time

LOOK_S = 0.2
LISTEN = "0A"  # the state of a listening socket in /proc/net/tcp


def start(argv: list[str], env: dict[str, str], folder: str | None = None) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own; OSError if it cannot be run."""
    return subprocess.Popen(argv, env=env, cwd=folder or None, stdin=subprocess.DEVNULL, start_new_session=True)


def signal_group(process: subprocess.Popen[bytes], number: int) -> None:
    """Signal a program and what it started, unless all of it is gone."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def wait(process: subprocess.Popen[bytes], limit_s: float) -> int | None:
    """Return the exit code of a program, None if it has not ended after *limit_s*."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return process.wait(limit_s)
    return None


def stop(process: subprocess.Popen[bytes], grace_s: float) -> int:
    """End a program with all that it started, by force after *grace_s*; return its exit code."""
    signal_group(process, signal.SIGTERM)
    wait(process, grace_s)
    signal_group(process, signal.SIGKILL)
    return process.wait()


def code_of(process: subprocess.Popen[bytes]) -> int:
    """Return the exit code of an ended program as a shell has it: 128 and the signal that ended it."""
    code = process.returncode
    return code if code >= 0 else 128 - code


def is_free(port: int) -> bool:
    """Return whether nobody on this node listens on *port*."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def any_port() -> int:
    """Return a port that is free now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind(("0.0.0.0", 0))
        return int(probe.getsockname()[1])


def listeners(port: int) -> set[str]:
    """Return the sockets that listen on *port* on this node, whosever they are."""
    sockets = set()
    for name in ("/proc/net/tcp", "/proc/net/tcp6"):
        with contextlib.suppress(OSError), open(name, encoding="ascii") as stream:
            for line in stream.readlines()[1:]:
                fields = line.split()
                if fields[3] == LISTEN and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    return sockets


def listens(process: subprocess.Popen[bytes], port: int) -> bool:
    """Return whether it is this program, or one of its session, that listens on *port*, and not somebody else's."""
    sockets = listeners(port)
    return any(_has_socket(pid, sockets) for pid in session(process.pid)) if sockets else False


def session(leader: int) -> list[int]:
    """Return the process ids of a session."""
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.getsid(int(name)) == leader:
                    found.append(int(name))
    return found


def _has_socket(pid: int, sockets: set[str]) -> bool:
    for path in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(OSError):
            if os.readlink(path) in sockets:
                return True
    return False


class Signals:
    """What Slurm asked of us; the first request counts.

    TERM comes with a cancel, a preemption and the time limit itself; USR1 comes some time before the limit.
    """

    def __init__(self) -> None:
        self.ends, self.warned = False, False
        signal.signal(signal.SIGTERM, self._end)
        signal.signal(signal.SIGINT, self._end)
        signal.signal(signal.SIGUSR1, self._warn)

    def _end(self, _number: int, _frame: object) -> None:
        self.ends = True

    def _warn(self, _number: int, _frame: object) -> None:
        self.warned = True


def pause() -> None:
    """Wait a moment between two looks."""
    time.sleep(LOOK_S)
