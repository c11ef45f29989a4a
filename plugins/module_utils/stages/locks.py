# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock among all who prepare the same directory on shared disk."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator

from ..entry import Context


@contextlib.contextmanager
def locked(path: str, ctx: Context) -> Iterator[None]:
    """Hold the lock file *path*; wait for another process that has it."""
    with open(path, "w", encoding="utf-8") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            ctx.progress(f"another process prepares it; waiting for {path}")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield
