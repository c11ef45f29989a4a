# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker logs to figures; the backend parses the lines."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import BinaryIO

from ..backends import BACKENDS
from ..backends.worker_figures import Metrics, summarise
from ..files import regular
from ..json_types import JsonObject

__all__ = ["has_figures", "parse_log", "summarise"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_BREAK = re.compile(rb"[\r\n]")
BLOCK = 1 << 20
LONGEST_LINE = 1 << 16  # bytes; no line with figures is as long
MOST = 1 << 30  # bytes of a log that are read


def has_figures(backend: str) -> bool:
    """Return whether logs of this backend have lines with figures."""
    return BACKENDS[backend].read_line is not None


def parse_log(backend: str, path: str) -> JsonObject | None:
    """Return the figures of one worker log, or None if it does not exist; OSError if it cannot be read.

    A line that cannot be read is lost, and ``lost_lines`` counts it; what is beyond MOST bytes counts as one line.

    :param backend: type of the engine; if its log has no figures, all are None.
    """
    read_line, metrics = BACKENDS[backend].read_line, Metrics()
    if read_line is None:
        return dict.fromkeys(metrics.record()) if os.path.exists(path) else None
    try:
        with open(path, "rb", opener=regular) as stream:
            for raw in _lines(stream):
                try:
                    if raw is None:
                        raise ValueError("The line is too long.")
                    line = raw.decode("utf-8", "replace")
                    read_line(_COLOURS.sub("", line) if "\x1b" in line else line, metrics)
                except Exception:  # whatever a log may hold: the run is worth more than a line
                    metrics.lost_lines += 1
    except FileNotFoundError:
        return None
    return metrics.record()


def _lines(stream: BinaryIO) -> Iterator[bytes | None]:
    """Yield the lines of a log, None for one that is too long; a carriage return ends a line, too."""
    rest, too_long, left = b"", False, MOST
    while left > 0:
        block = stream.read(min(BLOCK, left))
        left -= len(block)
        if not block:
            break
        *complete, rest = _BREAK.split(rest + block)
        for line in complete:
            yield None if too_long or len(line) > LONGEST_LINE else line
            too_long = False
        if len(rest) > LONGEST_LINE:
            rest, too_long = b"", True
    if too_long or left <= 0 and stream.read(1):
        yield None
    elif rest:
        yield rest
