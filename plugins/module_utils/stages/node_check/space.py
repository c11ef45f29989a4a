# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Room on the file systems of a node, and in its shared memory. Standard library, Python 3.8."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterable
from typing import TypedDict

MIB = 1 << 20


class _Step(TypedDict, total=False):
    step: str


class Problem(_Step):
    """What is wrong with a node: ``check`` is the kind of it, ``step`` the one that needs what is missing."""

    check: str
    fatal: bool
    text: str


def disks(paths: Iterable[str], least_mib: int) -> list[Problem]:
    """Return the problems of the file systems at *paths*: missing, read-only, full."""
    found: list[Problem] = []
    for path in paths:
        try:
            about = os.statvfs(path)
        except OSError as error:
            found.append({"check": "disk", "fatal": True, "text": f"{path}: {error.strerror}"})
            continue
        free = about.f_bavail * about.f_frsize // MIB
        if not os.access(path, os.W_OK):
            found.append({"check": "disk", "fatal": True, "text": f"{path} is not writable"})
        elif free < least_mib or about.f_files and not about.f_favail:
            text = f"{path} has {free} MiB left, but {least_mib} are needed"
            found.append({"check": "disk", "fatal": True, "text": text})
    return found


def shared_memory(least_mib: int, uid: int) -> list[Problem]:
    """Return the problems of /dev/shm: missing, small, or full of our old files."""
    try:
        about = os.statvfs("/dev/shm")
    except OSError as error:
        return [{"check": "shm", "fatal": True, "text": f"/dev/shm: {error.strerror}"}]
    found: list[Problem] = []
    old: list[str] = []
    size = 0
    if about.f_bavail * about.f_frsize < least_mib * MIB:
        free = about.f_bavail * about.f_frsize // MIB
        text = f"/dev/shm has {free} MiB left, but {least_mib} are recommended"
        found.append({"check": "shm", "fatal": False, "text": text})
    with contextlib.suppress(OSError):
        for entry in os.scandir("/dev/shm"):
            if entry.name.startswith(("nccl-", "torch_", "psm_", "vllm", "sglang")):
                facts = entry.stat(follow_symlinks=False)
                if facts.st_uid == uid and time.time() - facts.st_mtime > 3600:
                    old.append(entry.name)
                    size += facts.st_size
    if old:
        text = f"/dev/shm holds {len(old)} old files of ours ({size // MIB} MiB), such as {old[0]}"
        found.append({"check": "shm", "fatal": False, "text": text})
    return found
