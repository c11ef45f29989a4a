# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a sweep shows while it runs: one line for each point, how many are done, and the time that is left. Pure."""

from __future__ import annotations


class Progress:
    """Counts the points of a sweep.

    :param total: all points.
    :param done: those that were valid before.
    :param began: when it began, in seconds of a clock.
    """

    def __init__(self, total: int, done: int, began: float) -> None:
        self.total, self.done, self.began, self.measured = total, done, began, 0

    def line(self, job: str, label: str, said: str, now: float, measured: bool = True) -> str:
        """Count a point, and return its line: ``[7/12] job c=16  812.4 tok/s  about 4 min left``.

        :param said: what became of it.
        :param now: by the clock of ``began``.
        :param measured: whether it took the time of a measurement.
        """
        self.done, self.measured = min(self.done + 1, self.total), self.measured + measured
        left = self.left_s(now)
        words = [f"[{self.done}/{self.total}] {job} {label}", said, f"about {duration(left)} left" if left else ""]
        return "  ".join(filter(None, words))

    def left_s(self, now: float) -> float | None:
        """Return the seconds that the rest takes if it goes on as so far; None if that is unknown, or nothing is left.

        The time counts with the starts of services and the waits for nodes.
        """
        if not self.measured or self.done >= self.total:
            return None
        return max(1.0, (now - self.began) / self.measured * (self.total - self.done))


def duration(seconds: float) -> str:
    """Return a time for people: ``40 s``, ``4 min``, ``2 h 05 min``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
