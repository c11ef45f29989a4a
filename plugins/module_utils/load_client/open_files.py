# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open files: each request in flight needs one."""

from __future__ import annotations

import resource

OWN_FILES = 32  # the client's own: libraries, event loop, log, result


def raise_limit() -> int | None:
    """Raise the limit of open files as far as this user may; return the limit, or None if there is none."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        if soft != hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
    except (OSError, ValueError):
        pass  # a kernel that counts otherwise than it says: the soft limit holds
    return None if soft == resource.RLIM_INFINITY else soft


def too_few(wanted: int) -> str | None:
    """Return why *wanted* connections at a time cannot be opened, or None."""
    limit = raise_limit()
    if limit is None or wanted + OWN_FILES <= limit:
        return None
    return (
        f"{wanted} requests in flight need {wanted + OWN_FILES} open files, but the hard limit here is {limit}: "
        "raise it (ulimit -Hn, LimitNOFILE of slurmd), or lower the concurrency"
    )
