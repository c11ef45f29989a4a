# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The health of the load client itself: whether it ran when it should, so that its figures are those of the server.

A timer of the event loop compares when it was due with when it ran; the processor time of the thread tells whether the
loop worked in between or the process did not run (stopped, or its node overloaded). What is too much is decided by
whoever evaluates the result.
"""

from __future__ import annotations

import asyncio
import math
import time
from array import array
from collections.abc import Callable
from typing import Any

INTERVAL_S = 0.01
GAP_S = 0.1  # that the process did not run at all is a gap from here on


class Health:
    """Watches the event loop between :meth:`begin` and :meth:`end`."""

    def __init__(
        self, clock: Callable[[], float] = time.perf_counter, cpu: Callable[[], float] = time.thread_time
    ) -> None:
        self._clock = clock
        self._cpu = cpu
        self._timer: asyncio.TimerHandle | None = None
        self._lags = array("f")
        self._send_lags = array("f")
        self._waited_s = 0.0  # what an event at a random time waited for the loop, integrated over time
        self._gaps: list[tuple[float, float]] = []  # (seconds, when)
        self._began: float | None = None
        self._duration_s = self._cpu_s = 0.0
        self._queued: float | None = None
        self._suspended = 0.0
        self._due = self._used = 0.0

    def begin(self) -> None:
        """Begin to watch, in the running event loop."""
        self._began = self._clock()
        self._cpu_s, self._queued, self._suspended = self._cpu(), queued_s(), suspended_s()
        self._plan()

    def end(self) -> None:
        """End it; without a begin, or a second time, nothing happens."""
        if self._timer is None or self._began is None:
            return
        self._timer.cancel()
        self._timer = None
        if self._clock() > self._due:  # the loop has not come to it
            self._record()
        self._duration_s = self._clock() - self._began
        self._cpu_s = self._cpu() - self._cpu_s
        self._suspended = max(0.0, suspended_s() - self._suspended)
        queued = queued_s()
        self._queued = None if queued is None or self._queued is None else queued - self._queued

    def sent(self, late_s: float) -> None:
        """Record how late a request was sent: after its time, or after the one before it had ended."""
        self._send_lags.append(max(0.0, late_s))

    def summary(self) -> dict[str, Any] | None:
        """Return the figures as they are in a result, or None if nothing was measured."""
        if self._duration_s <= 0:
            return None
        longest = max(self._gaps, default=(0.0, None))
        return {
            "cpu_share": round(self._cpu_s / self._duration_s, 4),
            "wait_share": None if self._queued is None else round(self._queued / self._duration_s, 4),
            "mean_lag_ms": _ms(self._waited_s / self._duration_s),
            "p99_lag_ms": _ms(_p99(self._lags)),
            "max_lag_ms": _ms(max(self._lags, default=None)),
            "gaps": len(self._gaps),
            "gaps_s": round(math.fsum(seconds for seconds, _when in self._gaps), 3),
            "max_gap_s": round(longest[0], 3),
            "max_gap_at_s": None if longest[1] is None else round(longest[1], 3),
            "suspended_s": round(self._suspended, 3),
            "mean_send_lateness_ms": _ms(sum(self._send_lags) / len(self._send_lags) if self._send_lags else None),
            "p99_send_lateness_ms": _ms(_p99(self._send_lags)),
        }

    def _plan(self) -> None:
        self._due, self._used = self._clock() + INTERVAL_S, self._cpu()
        self._timer = asyncio.get_running_loop().call_later(INTERVAL_S, self._look)

    def _look(self) -> None:
        self._record()
        self._plan()

    def _record(self) -> None:
        late = max(0.0, self._clock() - self._due)
        self._lags.append(late)
        self._waited_s += late * late / 2
        if late >= GAP_S:
            absent = late - (self._cpu() - self._used)
            if absent >= GAP_S:
                self._gaps.append((absent, self._due - (self._began or 0.0)))


def queued_s() -> float | None:
    """Return how long this thread has waited for a processor while it could run, or None if the kernel has no count."""
    try:
        with open("/proc/thread-self/schedstat", encoding="ascii") as stream:
            return int(stream.read().split()[1]) / 1e9
    except (OSError, ValueError, IndexError):
        return None


def suspended_s() -> float:
    """Return a clock that only runs while the machine sleeps.

    This process may lose the processor between two clocks: of several tries the shortest one counts.
    """
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    if boottime is None:
        return 0.0
    tries = []
    for _try in range(5):
        before, asleep, after = time.monotonic(), time.clock_gettime(boottime), time.monotonic()
        tries.append((after - before, asleep - (before + after) / 2))
    return min(tries)[1]


def _p99(values: array[float]) -> float | None:
    return sorted(values)[math.ceil(0.99 * len(values)) - 1] if values else None


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)
