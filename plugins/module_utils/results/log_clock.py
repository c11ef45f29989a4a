# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far the stamps of a worker log without a zone are ahead of UTC, and their year, from evidence in the log.

Evidence is, first, a line in UTC right beside a line in local time, such as one of dynamo's tracing, and second, when
the log was last written to: just after its last stamp. Without evidence nothing is assumed, not even UTC.
"""

from __future__ import annotations

import datetime
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from ..backends.log_figures import UTC
from ..backends.log_reader import Clock
from ..backends.worker_figures import seconds_of

QUARTER_S = 900.0  # zones differ from UTC by multiples of this
EAST_S, WEST_S = 14 * 3600.0, -12 * 3600.0
BESIDE_S = 30.0  # between two lines of which nothing lies between
LAG_S, EARLY_S = 60.0, 5.0  # how long after its last stamp, or before, a log may seem to have been written to
LOOK = 1 << 16  # bytes at the begin and at the end of a log


def clock_of(stream: BinaryIO, size: int, mtime: float, stamps: Sequence[re.Pattern[bytes]]) -> tuple[Clock, float]:
    """Return the clock of the log *stream*, and how many seconds it lasts as far as its ends tell, 0 if they do not.

    :param size: of the log in bytes.
    :param mtime: when it was last written to.
    """
    year = datetime.datetime.fromtimestamp(mtime, datetime.timezone.utc).year
    stream.seek(0)
    head = tail = stream.read(LOOK)
    if size > LOOK:
        stream.seek(max(LOOK, size - LOOK))
        tail = stream.read(LOOK)
    parts = [head] if tail is head else [head, tail]
    year, last = _local(reversed(tail.split(b"\n")), stamps, year, mtime)
    first = _local(head.split(b"\n"), stamps, year, mtime)[1]
    lasts_s = max(0.0, last - first) if first is not None and last is not None else 0.0
    beside = Counter(one for part in parts if UTC.search(part) for one in _beside(part, stamps, year))
    if beside:
        ahead, count = beside.most_common(1)[0]
        return Clock(ahead if 2 * count > sum(beside.values()) else None, year), lasts_s
    return Clock(_by_writing(last, mtime), year), lasts_s


def _by_writing(last: float | None, mtime: float) -> float | None:
    """Return the seconds by which the *last* stamp is ahead of when it was written."""
    if last is None:
        return None
    ahead = -QUARTER_S * ((mtime - last + EARLY_S) // QUARTER_S)
    return ahead if mtime - (last - ahead) <= LAG_S and WEST_S <= ahead <= EAST_S else None


def _local(
    lines: Iterable[bytes], stamps: Sequence[re.Pattern[bytes]], year: int, mtime: float
) -> tuple[int, float | None]:
    """Return (the year, the time) of the first stamp without a zone in *lines*, as if it were UTC."""
    for line in lines:
        found = next(filter(None, (pattern.search(line) for pattern in stamps)), None)
        if found:
            times = [(one, _seconds(found, one)) for one in (year, year - 1, year + 1)]
            known = [(one, time) for one, time in times if time is not None]
            if known:
                return min(known, key=lambda one: abs(one[1] - mtime))
    return year, None


def _beside(part: bytes, stamps: Sequence[re.Pattern[bytes]], year: int) -> Iterator[float]:
    """Yield by how much a stamp is ahead of the one in UTC in the line before or behind it."""
    before: tuple[bool, float] | None = None
    for line in part.split(b"\n"):
        utc = UTC.search(line)
        found = utc or next(filter(None, (pattern.search(line) for pattern in stamps)), None)
        time = _seconds(found, year) if found else None
        if time is None:
            continue
        if before and before[0] is not bool(utc):
            ahead = before[1] - time if utc else time - before[1]
            whole = QUARTER_S * round(ahead / QUARTER_S)
            if abs(ahead - whole) <= BESIDE_S and WEST_S <= whole <= EAST_S:
                yield whole
        before = (bool(utc), time)


def _seconds(found: re.Match[bytes], year: int) -> float | None:
    """Return the time of a stamp as if it were UTC; None if there is no such time."""
    parts = found.groupdict()
    try:
        minute = seconds_of([parts.get("Y") or b"", *(parts[name] for name in "MDhm")], year)
        return minute + float(parts["s"])
    except ValueError:
        return None
