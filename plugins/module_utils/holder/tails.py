# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ends of files: logs and journals are read from the back."""

from __future__ import annotations

import os
import stat

TAIL_BYTES = 1 << 20


class Irregular(OSError):
    """There is no regular file."""


def regular(path: str, flags: int) -> int:
    """Open a regular file, an opener of :func:`open`; Irregular for anything else.

    Where several users have their runs, another one may have made a FIFO, and nothing ever comes out of it.
    """
    handle = os.open(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Irregular(0, "it is not a regular file")
    return handle


def tail(path: str, size: int = 8192, begin: int = 0) -> str:
    """Return the last *size* bytes of a file, none before *begin*, as text; "" if there is no file."""
    try:
        with open(path, "rb", opener=regular) as stream:
            stream.seek(max(begin, os.fstat(stream.fileno()).st_size - size))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def tail_lines(path: str, count: int | None = None) -> list[str]:
    """Return the last *count* lines of a file, or those of its last MiB; [] if there is no file."""
    lines = tail(path, TAIL_BYTES).splitlines()
    return lines if count is None else lines[-count:]
