# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines that explain a failure: data of a backend, frontend or service, which the holder reads.

The plan writes those of its programs to one file of the run directory. How lines are weighed, and what does not belong
to one program (CUDA, Python, NCCL, MPI, shells), is in holder/fatal_lines.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import NamedTuple

# Ranks of a pattern. A mere hint of a fault decides nothing.
PLAIN, CLEAR, OPEN, HINT = "plain", "clear", "open", "hint"


class LogLines(NamedTuple):
    """The lines of one program.

    :ivar fatal: ``(rank, kind, regular expression)`` of lines that report a fault; kinds are those of
        holder/fatal_lines.py.
    :ivar words: one of these, or of the general ones, is in every line that a pattern of *fatal* matches, in small
        letters.
    :ivar work: regular expressions for the beginning of lines of ordinary work, if they have no log level.
    :ivar prefixes: regular expressions for what its logger writes before the text of a line.
    :ivar levels: regular expressions for a log level, which is the only group.
    :ivar markers: regular expressions of lines after which it never becomes healthy, although it still runs.
    :ivar echoes: regular expressions for lines that only report that another process has failed.
    """

    fatal: tuple[tuple[str, str, str], ...] = ()
    words: tuple[str, ...] = ()
    work: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()
    echoes: tuple[str, ...] = ()
    markers: tuple[str, ...] = ()


def to_text(programs: Iterable[LogLines]) -> str:
    """Return the content of the file fatal_lines.json for *programs*."""
    programs = list(programs)
    content = {name: [row for one in programs for row in getattr(one, name)] for name in LogLines._fields}
    return json.dumps(content, indent=1) + "\n"
