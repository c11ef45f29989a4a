# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of the holder's records and answers. Times are ISO 8601 in UTC, also in time spans."""

from __future__ import annotations

from typing import Any, TypedDict


class StepRecord(TypedDict):
    """The latest attempt of a step, as in steps.jsonl and in every answer.

    ``attempt`` counts from 1. ``state`` is starting, running, unowned (it runs without a client of ours) or ended.
    ``node`` is the one that it ended on. ``expected``: its end was requested. ``log`` is relative to
    the run directory, with the first node for ``%N``. Unknown values are None.
    """

    name: str
    tier: str | None
    digest: str | None
    nodes: list[str] | None
    critical: bool
    restarts: int | None
    log: str
    stop_grace_s: float | None
    deadline_s: float | None
    state: str
    attempt: int
    step_id: str | None
    node: str | None
    started_at: str | None
    running_at: str | None
    ended_at: str | None
    exit_code: int | None
    signal: int | None
    end_code: str | None
    reason: str | None
    expected: bool


class CheckRecord(TypedDict):
    """How far a check is: whether it is done, after so many attempts and seconds, and why the last one failed."""

    name: str
    done: bool
    attempts: int
    last_error: str | None
    elapsed_s: float


class LeaseRecord(TypedDict):
    """The length of the lease and the time left, in seconds."""

    lease_s: float
    left_s: float


class _Answers(TypedDict, total=False):
    error: str
    actions: list[dict[str, str]]
    checks: list[CheckRecord]
    completed: bool
    ended: list[StepRecord]
    progress: dict[str, Any]
    requeue: bool
    restarts: int


class Answer(_Answers):
    """The answer to one request. What depends on the operation may be absent.

    ``seq`` numbers the changes that this holder (``instance_id``) has reported; ``steps`` are the records that changed
    since the answer that the request says is known. ``ending`` says why the job ends: ``{"code", "reason"}``.
    ``trouble`` is what could not be recorded. ``pauses`` are ``{"from", "to", "s"}`` of the times in which the holder
    did not run, ``ends`` those of steps of the service. ``actions`` are ``{"name", "action"}`` for each requested step.
    """

    v: int
    ok: bool
    job_id: str
    instance_id: str
    now: str
    seq: int
    ending: dict[str, str] | None
    trouble: str | None
    lease: LeaseRecord
    pauses: list[dict[str, Any]]
    ends: list[dict[str, Any]]
    steps: list[StepRecord]
