# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Times in UTC and the ends of files: what the holder and the rooms above it share."""

from __future__ import annotations

import datetime
import os

TAIL_BYTES = 1 << 20


def utc_now(ago_s: float = 0.0) -> str:
    """Return the current time, or that *ago_s* seconds ago, as ISO 8601 in UTC with milliseconds and a Z."""
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago_s)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def tail(path: str, size: int = 8192, begin: int = 0) -> str:
    """Return the last *size* bytes of a file, none before *begin*, as text; "" if there is no file."""
    try:
        with open(path, "rb") as stream:
            stream.seek(max(begin, os.fstat(stream.fileno()).st_size - size))
            return stream.read().decode(errors="replace")
    except OSError:
        return ""


def tail_lines(path: str, count: int | None = None) -> list[str]:
    """Return the last *count* lines of a file, or those of its last MiB; [] if there is no file."""
    lines = tail(path, TAIL_BYTES).splitlines()
    return lines if count is None else lines[-count:]
