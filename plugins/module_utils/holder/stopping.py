# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of steps: tier by tier, TERM through Slurm, and KILL after their grace."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterable

from .slurm_calls import StepCalls
from .step import Step

# The order in which tiers end. Frontends and workers need NATS and etcd to leave in order, but not one another: the
# load is over by then.
ORDER = (("benchmark",), ("frontend", "worker"), ("head_infra",))
# TERM is repeated after this time, to steps up to this age, if scancel reports that some did not get it.
TERM_AGAIN_S, YOUNG_S = 0.2, 15.0
KILL_AGAIN_S, GIVE_UP_S = 5.0, 60.0  # KILL is repeated; after GIVE_UP_S a step that does not end is left alone


class Stopper:
    """Ends steps.

    :param change: the condition that guards the steps and signals their changes.
    """

    def __init__(self, change: threading.Condition, slurm: StepCalls) -> None:
        self.change, self.slurm = change, slurm

    def stop_in_tiers(self, steps: list[Step], grace_s: float | None = None, give_up_s: float = GIVE_UP_S) -> None:
        """End steps in the ORDER of their tiers. All tiers share one deadline."""
        until = time.monotonic() + max([s.grace_s(grace_s) for s in steps], default=0)
        known = {tier for tiers in ORDER for tier in tiers}
        for tiers in (*ORDER, {str(s.tier) for s in steps} - known):
            self.stop([s for s in steps if str(s.tier) in tiers], grace_s, until, give_up_s)

    def stop(
        self, steps: list[Step], grace_s: float | None = None, until: float = 1e18, give_up_s: float = GIVE_UP_S
    ) -> list[Step]:
        """End steps together; return those that keep running, for example if Slurm does not answer."""
        with self.change:
            alive = [s for s in steps if s.alive]
            for step in alive:
                step.expected = True
            self.change.notify_all()
        alive, delivered = self._terminate(alive, give_up_s)
        now = time.monotonic()
        due = {s: min(now + s.grace_s(grace_s), until) for s in alive}
        over, term_at = max(due.values(), default=now) + give_up_s, now + TERM_AGAIN_S
        while True:
            with self.change:
                alive, now = [s for s in alive if s.alive], time.monotonic()
                late = [s for s in alive if due[s] <= now]
                # A step whose task does not run yet cannot be signalled, and scancel does not report which one it was.
                young = [s for s in alive if not delivered and s not in late and now - s.made_at < YOUNG_S]
                due.update(dict.fromkeys(late, now + KILL_AGAIN_S))
                if not alive or now > over:
                    return alive
                if not late and not (young and term_at <= now):
                    next_s = min([due[s] - now for s in alive] + ([term_at - now] if young else []))
                    self.change.wait(max(0.01, min(next_s, 1.0)))
            if young and term_at <= now:
                delivered, term_at = self._signal(young, "TERM"), time.monotonic() + TERM_AGAIN_S
            self._signal([s for s in late if s.alive], "KILL")

    def _terminate(self, alive: list[Step], give_up_s: float) -> tuple[list[Step], bool | None]:
        """Send TERM, with retries while Slurm does not answer; return (running steps, the result of _signal)."""
        delivered, until = self._signal(alive, "TERM"), time.monotonic() + give_up_s
        while delivered is None and time.monotonic() < until:
            with self.change:
                self.change.wait(1.0)
                alive = [s for s in alive if s.alive]
            delivered = self._signal(alive, "TERM")
        return alive, delivered

    def _signal(self, steps: Iterable[Step], name: str) -> bool | None:
        """Signal the processes of the steps; False if some did not get it, None when Slurm did not answer."""
        for step in steps:
            if step.client and not step.step_id:  # it has no step id yet: its client withdraws it
                step.client.send_signal(signal.SIGTERM if name == "TERM" else signal.SIGKILL)
        ids = [s.step_id for s in steps if s.step_id]
        return self.slurm.signal(ids, name) if ids else True
