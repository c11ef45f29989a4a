# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of a job: how long it continues without a heartbeat of a controller."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator

from .records import LeaseRecord, Pause
from .utc import utc_now

LEASE_S = 120.0  # default
PAUSED_S = 4.0  # a process that checks every second and is this late was paused


class Heartbeat:
    """Detects pauses of this process: Slurm suspended the job, or its first node was stopped.

    :ivar pauses: ``{"from", "to", "s"}`` of each such time: UTC, and its length in seconds.
    """

    def __init__(self) -> None:
        self.pauses: list[Pause] = []
        self.last_at: float | None = None

    def beat(self, now: float, utc: Callable[[float], str]) -> Pause | None:
        """Return the pause that has just ended, or None; call it about every second.

        :param now: the time of the monotonic clock, which does not pause.
        :param utc: function of a number of seconds; returns the time that long ago as text.
        """
        gap = now - self.last_at if self.last_at is not None else 0.0
        self.last_at = now
        if gap < PAUSED_S:
            return None
        pause: Pause = {"from": utc(gap), "to": utc(0.0), "s": round(gap, 1)}
        self.pauses = [*self.pauses[-99:], pause]
        return pause


class Lease:
    """Counts from the end of the last request of a controller. Several threads may use it.

    :ivar lease_s: its length in seconds.
    """

    def __init__(self, lease_s: float) -> None:
        self.lease_s, self.renewed_at, self.heartbeat = float(lease_s), time.monotonic(), Heartbeat()
        self._requests, self._lock = 0, threading.RLock()  # requests of controllers that are being answered

    def left_s(self) -> float:
        """Return the seconds until the lease ends; it does not end within a request, which may wait for long."""
        with self._lock:
            return self.lease_s if self._requests else self.renewed_at + self.lease_s - time.monotonic()

    def renew(self) -> None:
        """Record a heartbeat of a controller."""
        with self._lock:
            self.renewed_at = time.monotonic()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Keep the lease while a request of a controller is being answered."""
        with self._lock:
            self._requests += 1
        try:
            yield
        finally:
            with self._lock:
                self._requests -= 1
                self.renew()

    def beat(self) -> Pause | None:
        """Exclude from the lease a pause in which it could not be renewed; return that pause, or None."""
        with self._lock:
            now = time.monotonic()
            pause = self.heartbeat.beat(now, utc_now)
            if pause:
                self.renewed_at = min(now, self.renewed_at + pause["s"])
            return pause

    def record(self) -> LeaseRecord:
        """Return ``{"lease_s", "left_s"}`` in seconds."""
        return {"lease_s": self.lease_s, "left_s": round(self.left_s(), 1)}
