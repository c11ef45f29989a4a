# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The time, as the holder and the rooms above it write it."""

from __future__ import annotations

import datetime


def utc_now(ago_s: float = 0.0) -> str:
    """Return the current time, or that *ago_s* seconds ago, as ISO 8601 in UTC with milliseconds and a Z."""
    when = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=ago_s)
    return when.isoformat(timespec="milliseconds").replace("+00:00", "Z")
