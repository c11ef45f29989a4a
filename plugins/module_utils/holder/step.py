# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt of a step, and its record."""

from __future__ import annotations

import time

TIERS = ("head_infra", "worker", "frontend", "benchmark")  # in the order in which they start
PASSING = ("benchmark", "preflight")  # the tiers whose steps are expected to end
# Fields of a record from the request that started the step.
SPEC_FIELDS = ("name", "tier", "digest", "nodes", "critical", "restarts", "log", "stop_grace_s", "deadline_s")
# Fields that change during the attempt.
STATE_FIELDS = (
    "state", "attempt", "step_id", "node", "started_at", "running_at", "ended_at", "end_code", "exit_code", "signal",
    "reason", "expected",
)  # fmt: skip

# How a step ended (``end_code``); ``reason`` is the text for the user.
EXITED = "exited"  # with ``exit_code``
KILLED = "killed"  # by ``signal``
NODE_FAILED = "node_failed"
SRUN_FAILED = "srun_failed"  # srun could not be run, or failed
STOPPED_EARLY = "stopped_early"  # stopped before it started
CLIENT_KILLED = "client_killed"  # a signal ended its srun, and the step with it
UNKNOWN = "unknown"  # it had no client
UNSEEN = "unseen"  # it ended while no holder was there
WITH_JOB = "with_job"  # the job ended before its end was recorded


def number_of(step_id: str | None) -> int:
    """Return 7 for the step id ``42.7``, -1 for none."""
    return int(step_id.rsplit(".", 1)[1]) if step_id else -1


class Step:
    """One attempt of a step: its request and its state.

    :param spec: the request that started it.
    :param newer_than: the number of the step id of the attempt before.
    """

    def __init__(self, spec, attempt=1, newer_than=-1):
        self.spec, self.name, self.attempt, self.newer_than = spec, spec["name"], attempt, newer_than
        self.client, self.seq, self.made_at, self.restarted = None, 0, time.monotonic(), 0
        self.state, self.expected = "starting", False
        self.step_id = self.node = self.end_code = self.exit_code = self.signal = self.reason = None
        self.started_at = self.running_at = self.ended_at = None

    @property
    def alive(self):
        return self.state != "ended"

    @property
    def tier(self):
        return self.spec.get("tier")

    def next_attempt(self, spec=None):
        """Return the attempt that follows this one."""
        return Step(spec or self.spec, self.attempt + 1, number_of(self.step_id))

    def record(self):
        """Return the record of the protocol: SPEC_FIELDS and STATE_FIELDS."""
        spec, nodes = self.spec, self.spec.get("nodes") or []
        log = (spec.get("log") or "").replace("%N", nodes[0] if nodes else "%N")
        state = {key: getattr(self, key) for key in STATE_FIELDS}
        return dict({key: spec.get(key) for key in SPEC_FIELDS}, **state, critical=bool(spec.get("critical")), log=log)

    def grace_s(self, wanted=None):
        """Return the seconds between TERM and KILL."""
        return float(wanted if wanted is not None else self.spec.get("stop_grace_s") or 10)
