# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time, as the holder and the rooms above it write it.

Times of one holder are compared with each other: what was first, and how long ago something was. So its clock is set
once and then runs with the monotonic clock, whatever is done to the clock of the machine meanwhile. They are never
compared with times of another host.
"""

from __future__ import annotations

import datetime
import time

_ZERO = [time.time() - time.monotonic()]  # in seconds since 1970: when the monotonic clock was 0


def utc_now(ago_s: float = 0.0) -> str:
    """Return the current time, or that *ago_s* seconds ago, as ISO 8601 in UTC with milliseconds and a Z."""
    when = datetime.datetime.fromtimestamp(_ZERO[0] + time.monotonic() - ago_s, datetime.timezone.utc)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def go_on_from(moment: str) -> None:
    """Let the clock go on from *moment*, a time that an earlier holder wrote, unless it is later already."""
    if utc_now() <= moment:
        then = datetime.datetime.strptime(moment, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
        _ZERO[0] = then.timestamp() + 0.001 - time.monotonic()
