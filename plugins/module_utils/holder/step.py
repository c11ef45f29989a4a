# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One attempt of a step, and its record."""

from __future__ import annotations

import os
import subprocess
import time
from typing import cast

from .records import StepRecord, StepRequest

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
UNREPORTED = "unreported"  # its client, which was stopped or hangs, did not report it
UNSEEN = "unseen"  # it ended while no holder was there
WITH_JOB = "with_job"  # the job ended before its end was recorded


# Variable of steps whose tasks tell when they begin: each makes an empty file, this path with a dot and its number.
BEGUN = "SRT_BEGUN"


def srun_file(run_dir: str, name: str, attempt: int | None, suffix: str) -> str:
    """Return the path of a file about one attempt: ``err`` (messages of its client) or ``begun`` (see BEGUN)."""
    return os.path.join(run_dir, "logs", ".srun", f"{name}.{attempt}.{suffix}")


def number_of(step_id: str | None) -> int:
    """Return 7 for the step id ``42.7``, -1 for none."""
    return int(step_id.rsplit(".", 1)[1]) if step_id else -1


class Step:
    """One attempt of a step: its request and its state.

    :param spec: the request that started it.
    :param newer_than: the number of the step id of the attempt before.
    """

    def __init__(self, spec: StepRequest, attempt: int = 1, newer_than: int = -1) -> None:
        self.spec, self.name, self.attempt, self.newer_than = spec, spec["name"], attempt, newer_than
        self.client: subprocess.Popen[bytes] | None = None
        self.seq, self.made_at, self.restarted = 0, time.monotonic(), 0
        self.state, self.expected = "starting", False
        self.unreported = False  # Slurm no longer runs it, and its client says nothing
        self.step_id: str | None = None
        self.node: str | None = None
        self.end_code: str | None = None
        self.exit_code: int | None = None
        self.signal: int | None = None
        self.reason: str | None = None
        self.started_at: str | None = None
        self.running_at: str | None = None
        self.ended_at: str | None = None

    @property
    def alive(self) -> bool:
        return self.state != "ended"

    @property
    def tier(self) -> str | None:
        return self.spec.get("tier")

    def next_attempt(self, spec: StepRequest | None = None) -> Step:
        """Return the attempt that follows this one."""
        return Step(spec or self.spec, self.attempt + 1, number_of(self.step_id))

    def record(self) -> StepRecord:
        """Return the record of the protocol: SPEC_FIELDS and STATE_FIELDS."""
        spec, nodes = self.spec, self.spec.get("nodes") or []
        log = (spec.get("log") or "").replace("%N", nodes[0] if nodes else "%N")
        state = {key: getattr(self, key) for key in STATE_FIELDS}
        kept = {key: spec.get(key) for key in SPEC_FIELDS}
        return cast("StepRecord", dict(kept, **state, critical=bool(spec.get("critical")), log=log))

    def grace_s(self, wanted: float | None = None) -> float:
        """Return the seconds between TERM and KILL."""
        return float(wanted if wanted is not None else self.spec.get("stop_grace_s") or 10)
