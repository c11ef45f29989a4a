# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The types of the holder's records and answers. Times are ISO 8601 in UTC, also in time spans."""

from __future__ import annotations

from typing import Any, Dict, TypedDict

# A line of steps.jsonl: ``t`` (UTC), ``event``, and what belongs to it. One about a step has its whole StepRecord.
Event = Dict[str, Any]
# A request of a controller: ``v``, ``op``, and the fields of its operation (see operations.py).
Request = Dict[str, Any]
# How to start a step, see slurm/srun.py: what its record has of it, ``srun_argv`` and ``srun_env``.
StepRequest = Dict[str, Any]
# A time in which the holder did not run (UTC), and its length in seconds.
Pause = TypedDict("Pause", {"from": str, "to": str, "s": float})


class JobEnd(TypedDict):
    """Why a job ends: a code of job_ends.py, and the same for people."""

    code: str
    reason: str


class EndFacts(TypedDict, total=False):
    """What is known of the end of some step attempts only."""

    node: str
    exit_code: int
    signal: int


class StepEnd(EndFacts):
    """How a step attempt ended: a code of step.py, and the same for people. ``node`` is the one that it ended on."""

    end_code: str
    reason: str


class Evidence(TypedDict):
    """What is known of a step attempt that ended, see faults.evidence."""

    step: str
    step_id: str | None
    attempt: int | None
    node: str | None
    end_code: str | None
    exit_code: int | None
    signal: int | None
    reason: str | None
    kind: str | None
    retryable: bool
    permanent: bool
    fatal: str | None
    tail: list[str]
    srun: list[str]
    log: str


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
    looked: bool
    calls: list[dict[str, Any]] | None
    called: bool


class Known(TypedDict):
    """What a controller knows already: the holder's answer (``instance_id``) up to its ``seq``."""

    seq: int
    instance_id: str


class Refusal(TypedDict):
    """The answer to a request of another protocol."""

    v: int
    ok: bool
    job_id: str
    error: str


class Answer(_Answers):
    """The answer to one request. What depends on the operation may be absent.

    ``seq`` numbers the changes that this holder (``instance_id``) has reported; ``steps`` are the records that changed
    since the answer that the request says is known. ``ending`` says why the job ends: ``{"code", "reason"}``.
    ``trouble`` is what could not be written down. ``pauses`` are ``{"from", "to", "s"}`` of the times in which the
    holder did not run, ``ends`` those of steps of the service, ``breaks`` those of their servers (see witness.py).
    ``actions`` are ``{"name", "action"}`` for each step of the request.
    """

    v: int
    ok: bool
    job_id: str
    instance_id: str
    now: str
    seq: int
    ending: JobEnd | None
    trouble: str | None
    lease: LeaseRecord
    pauses: list[Pause]
    ends: list[dict[str, Any]]
    breaks: list[dict[str, Any]]
    steps: list[StepRecord]
