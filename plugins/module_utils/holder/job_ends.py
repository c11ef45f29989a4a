# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a job ends: ``{"code", "reason"}``. Code uses the code; the reason is for the user."""

from __future__ import annotations

REQUESTED = "requested"  # by a controller
LEASE_EXPIRED = "lease_expired"  # no request of a controller in time
PLAYBOOK_ENDED = "playbook_ended"  # the playbook inside the job ended or could not be started
SIGNAL = "signal"  # Slurm may still report the reason
UNEXPLAINED = "unexplained"  # a signal for which Slurm reports no reason
TIME_LIMIT = "time_limit"
PREEMPTED = "preempted"
NODE_FAILED = "node_failed"
REQUEUED = "requeued"
CANCELLED = "cancelled"
OVER = "over"  # Slurm ended it before the holder could receive a signal

BY_SLURM = (SIGNAL, UNEXPLAINED, TIME_LIMIT, PREEMPTED, NODE_FAILED, REQUEUED, CANCELLED, OVER)
TAKEN_AWAY = (PREEMPTED, NODE_FAILED)  # another allocation may succeed
# Slurm ends the steps together with such a job. A node failure may only end the steps on that node.
WITH_STEPS = (PREEMPTED, REQUEUED, TIME_LIMIT)
REASONS = {
    PREEMPTED: "preempted, Slurm gave its nodes to a job of higher priority",
    NODE_FAILED: "a node of the job failed",
    TIME_LIMIT: "its time limit is reached",
    REQUEUED: "it was requeued",
    CANCELLED: "cancelled",
}


def job_end(code: str, reason: str = "", signal: int | None = None) -> dict:
    """Return the end of a job.

    :param reason: in words; default: from REASONS.
    :param signal: the number of the signal that announced it.
    """
    words = reason or REASONS.get(code, "")
    if signal is not None:
        words = f"signal {signal}: {words}" if words else f"signal {signal}"
    return {"code": code, "reason": words}
