# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an engine says of its log: which lines carry figures, and where in them; see log_reader.py.

Fields are looked up by name, since versions add, remove and reorder them. They are looked up in the *shape* of a line,
its text with every number replaced by 0. So a pattern must hold for any number, and must not ask for a certain one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Callable

from .worker_figures import Batch, Metrics

# A number up to its end: what follows in a line that was cut within the number is another text.
INT, NUM = rb"(\d+)(?![\w.])", rb"([\d.]+)(?![\w.])"
UTC = re.compile(rb"(?P<Y>\d{1,4})-(?P<M>\d{1,2})-(?P<D>\d{1,2})T(?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>[\d.]{1,12})Z")


def fields(**patterns: bytes) -> dict[str, re.Pattern[bytes]]:
    """Return compiled patterns by the names of their columns."""
    return {name: re.compile(pattern) for name, pattern in patterns.items()}


@dataclass(frozen=True)
class BatchLine:
    """Lines of one kind, each about a batch or an interval.

    :ivar known: found in each such line, and in no other.
    :ivar kind: prefill, decode or interval.
    :ivar fields: ``{column: pattern}``; the only group is the number. The columns are those of worker_figures.py, or
        what *split* makes them of.
    :ivar needed: columns without which a line is one that was cut, or of a version that nobody knows.
    :ivar split: from the columns of several lines to their batches.
    """

    known: re.Pattern[bytes]
    kind: str
    fields: Mapping[str, re.Pattern[bytes]]
    needed: Sequence[str] = ()
    split: Callable[[Batch], list[Batch]] | None = None


@dataclass(frozen=True)
class LogFigures:
    """The lines of an engine's log that carry figures.

    :ivar mark: a text in each line about a batch.
    :ivar batches: these lines.
    :ivar unknown: found in a line with the mark that should be one of them. It is counted if it is not.
    :ivar marks: texts in the other lines with figures, those about memory and sizes. With each the figures (attributes
        of Metrics, or sizes) that such a line cannot change once they are known; () if it always may.
    :ivar read: adds the figures in one of those to its metrics; ValueError if one is impossible.
    :ivar stamps: patterns of its time stamps with the groups Y (or none), M, D, h, m, s. They are of unknown zone.
    """

    mark: bytes = b""
    batches: Sequence[BatchLine] = ()
    unknown: re.Pattern[bytes] | None = None
    marks: Sequence[tuple[bytes, Sequence[str]]] = ()
    read: Callable[[str, Metrics], None] | None = None
    stamps: Sequence[re.Pattern[bytes]] = field(default=())
