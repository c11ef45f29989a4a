# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which processes belong to a sandbox, and how they end.

A process is the sandbox's if it carries the sandbox's token in its environment (the anchor and all
daemons, from the moment they exist), or if it lives in a network namespace that the anchor made (all
steps, whatever they did to their environment). Names of programs are never looked at.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Set

TOKEN = "SRT_SANDBOX_TOKEN"


def _read(pid: int | str, name: str) -> bytes:
    try:
        with open(f"/proc/{pid}/{name}", "rb") as stream:
            return stream.read()
    except OSError:
        return b""


def _stat(pid: int) -> list[bytes]:
    """Return the words of /proc/PID/stat from the third on, or [] if the process has gone."""
    return _read(pid, "stat").rpartition(b")")[2].split()


def is_alive(pid: int, start_ticks: int | None = None) -> bool:
    """True if the process runs (a zombie does not) and, if given, began at *start_ticks*."""
    words = _stat(pid)
    return bool(words) and words[0] not in (b"Z", b"X") and start_ticks in (None, int(words[19]))


def has_token(pid: int, token: str) -> bool:
    """True if the process was started with this sandbox's token."""
    return f"{TOKEN}={token}".encode() in _read(pid, "environ").split(b"\0")


def network_namespace(pid: int | str) -> int | None:
    """Return the id of the process's network namespace, or None if it has gone or is not ours to see."""
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def from_pid_file(path: str, token: str) -> int | None:
    """Return the pid in the file if that process runs and is this sandbox's, else None."""
    try:
        with open(path, encoding="ascii") as stream:
            pid = int(stream.read())
    except (OSError, ValueError):
        return None
    return pid if is_alive(pid) and has_token(pid, token) else None


def listens(pid: int, port: int) -> bool:
    """True if something listens on the TCP port in the network namespace of the process."""
    wanted = f":{port:04X}"
    for line in _read(pid, "net/tcp").decode().splitlines()[1:]:
        words = line.split()
        if words[1].endswith(wanted) and words[3] == "0A":
            return True
    return False


def members(token: str, namespaces: Set[int]) -> set[int]:
    """Return the pids of all living processes of a sandbox except this one.

    *namespaces* are believed only while a process with the token is in one of them: numbers of
    namespaces that have gone are given out again.
    """
    marked, inside = set(), set()
    for pid in (int(name) for name in os.listdir("/proc") if name.isdigit()):
        namespace = network_namespace(pid)
        if namespace is None or pid == os.getpid():
            continue
        if has_token(pid, token):
            marked.add(pid)
        if namespace in namespaces:
            inside.add(pid)
    if not marked & inside:
        inside = set()
    return {pid for pid in marked | inside if is_alive(pid)}


def _signal(pids: Iterable[int], number: int) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def end_all(
    token: str, namespaces: Set[int], anchor: int | None, grace_s: float = 2.0, kill_s: float = 10.0
) -> list[int]:
    """End every process of a sandbox; return the pids that are still there after *kill_s*.

    Tasks and people's commands have *grace_s* after SIGTERM, with the daemons still there, for an srun
    without slurmctld would not end. The daemons have nothing to save. The anchor goes last: as long as
    it lives, an interrupted stop can be taken up again.
    """
    _signal({pid for pid in members(token, namespaces) if not has_token(pid, token)}, signal.SIGTERM)
    began = time.monotonic()
    while True:
        left = members(token, namespaces)
        waited = time.monotonic() - began
        if not left:
            return []
        if left <= {anchor}:
            _signal(left, signal.SIGKILL)
        elif waited > grace_s or all(has_token(pid, token) for pid in left):
            _signal(left - {anchor}, signal.SIGKILL)
        if waited > grace_s + kill_s:
            return sorted(left)
        time.sleep(0.02)
