# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The window of a point: from its begin to its end in UTC seconds."""

from __future__ import annotations

import datetime

from ..backends.worker_figures import Window
from .rollup_file import PointRecord


def window(record: PointRecord) -> Window | None:
    """Return the window of a point; None if it was not measured, or nobody knows when."""
    return ends(record.get("started_at"), record.get("ended_at"))


def ends(begin: object = None, end: object = None) -> Window | None:
    """Return two times in ISO 8601 in UTC seconds; None if one is missing, without a zone, or before the other."""
    first, last = _seconds(begin), _seconds(end)
    return (first, last) if first is not None and last is not None and first <= last else None


def _seconds(text: object) -> float | None:
    try:
        time = datetime.datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        return None
    return time.timestamp() if time.tzinfo else None
