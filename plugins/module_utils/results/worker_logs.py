# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Worker logs to figures; the backend parses the lines."""

from __future__ import annotations

import os
import re

from ..backends import BACKENDS
from ..backends.worker_figures import Metrics, summarise

__all__ = ["has_figures", "parse_log", "summarise"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def has_figures(backend: str) -> bool:
    """Return whether logs of this backend have lines with figures."""
    return BACKENDS[backend].read_line is not None


def parse_log(backend: str, path: str) -> dict | None:
    """Return the figures of one worker log, or None if it does not exist.

    :param backend: type of the engine; if its log has no figures, all are None.
    """
    read_line, metrics = BACKENDS[backend].read_line, Metrics()
    if read_line is None:
        return dict.fromkeys(metrics.record()) if os.path.exists(path) else None
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            for line in stream:
                read_line(_COLOURS.sub("", line) if "\x1b" in line else line, metrics)
    except FileNotFoundError:
        return None
    return metrics.record()
