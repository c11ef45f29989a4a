# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which deployment of the service measured a point, and whether repeats that are to be of several ones are.

A deployment is the workers and frontends of a job as they were started: all that began from ``first`` to ``since``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from ..benchmarks.repeats import REPEAT
from ..json_types import Json, JsonObject
from .verdict import INVALID, PASSED, VALID, Deployment, Verdict


def of_verdict(verdict: Verdict, job_id: str) -> Deployment | None:
    """Return the deployment that measured the point of *verdict* in the run of *job_id*, None if it is unknown.

    A verdict of an earlier version does not tell: whatever ran before the measurement ended may have been it.
    """
    found = verdict.get("deployment")
    if found or verdict.get("origin"):
        return found
    return {"job_id": job_id, "first": "", "since": verdict.get("ended_at") or ""}


def overlap(one: Deployment, other: Deployment) -> bool:
    """Return whether a step may be part of both."""
    return one["job_id"] == other["job_id"] and one["first"] <= other["since"] and other["first"] <= one["since"]


def in_words(one: Deployment) -> str:
    """Return a deployment as text: since when all of it runs, and in which job."""
    return f"job {one['job_id']} since {one['since']}"


def number(records: Iterable[Mapping[str, Json]]) -> int:
    """Return how many deployments measured the points of *records*, without those that are unknown."""
    return len({in_words(record["deployment"]) for record in records if record.get("deployment")})


class Measured(NamedTuple):
    """A point that counts: its label, which repeat it is (None: none), and the deployment that measured it."""

    label: str
    repeat: int | None
    deployment: Deployment | None


def shared(points: Iterable[Measured]) -> dict[str, str]:
    """Return {label of a point: that of an earlier one} where one deployment measured two repeats."""
    found: dict[str, str] = {}
    apart: list[tuple[Measured, Deployment]] = []
    for point in points:
        own = point.deployment
        if own is None or point.repeat is None:
            continue
        clash = next((one for one, other in apart if one.repeat != point.repeat and overlap(own, other)), None)
        if clash:
            found[point.label] = clash.label
        else:
            apart.append((point, own))
    return found


def keep_apart(records: Sequence[JsonObject]) -> None:
    """Let points of *records*, in their order, not count that were measured by the deployment of another repeat."""
    counting = [record for record in records if record["state"] in (VALID, PASSED)]
    clashes = shared(Measured(one["label"], one.get(REPEAT), one.get("deployment")) for one in counting)
    for record in counting:
        if record["label"] in clashes:
            why = f"was measured by the same deployment as {clashes[record['label']]}, in spite of repeat_redeploy"
            record.update(valid=False, state=INVALID, invalid_reasons=[why])
