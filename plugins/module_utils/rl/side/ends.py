# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a side ends, and why Slurm tells it to."""

from __future__ import annotations

import os
import re

from . import peer
from .coord import CANCELLED, FAILED, PREEMPTED, TIMEOUT, Folder

TIME_OUT = 124  # the exit code of what took too long, as that of timeout(1)
SIGNALLED = 143
LOST = 69  # EX_UNAVAILABLE: the exit code of a training whose runtime was lost
ASK_S = 3.0  # Slurm kills us before long
READ_BYTES = 1 << 16
# Slurm's line in the error output of the job, written before it signals us.
LINE = re.compile(rb"\*\*\* JOB \S+ ON \S+ CANCELLED AT \S+ DUE TO ([A-Z ]+)")
MEANING = {
    "PREEMPTION": PREEMPTED,
    "PREEMPTED": PREEMPTED,
    "TIME LIMIT": TIMEOUT,
    "TIMEOUT": TIMEOUT,
    "NODE FAILURE": FAILED,
    "NODE_FAIL": FAILED,
}
REASONS = {
    CANCELLED: "the job was cancelled",
    PREEMPTED: "the job was preempted: Slurm gave its nodes to another one",
    TIMEOUT: "the job reached its time limit",
    FAILED: "a node of the job was lost",
}


class Ended(Exception):
    """The side has ended: its state, the reason and the exit code."""

    def __init__(self, state: str, reason: str, code: int) -> None:
        super().__init__(reason)
        self.state, self.reason, self.code = state, reason, code


def told_to_end(folder: Folder) -> Ended:
    """Return how our side ends after Slurm's SIGTERM: it was cancelled or preempted, or its time limit is over."""
    said = LINE.findall(_end_of(folder(f"{folder.side}_{folder.job_id}.err")))
    word = said[-1].decode().strip() if said else ""
    state = MEANING.get(word) or MEANING.get(peer.job_state(folder.job_id, ASK_S) or "", CANCELLED)
    return Ended(state, REASONS[state], TIME_OUT if state == TIMEOUT else SIGNALLED)


def _end_of(path: str) -> bytes:
    try:
        with open(path, "rb") as stream:
            stream.seek(max(0, os.path.getsize(path) - READ_BYTES))
            return stream.read()
    except OSError:
        return b""
