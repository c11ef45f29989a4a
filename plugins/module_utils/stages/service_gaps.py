# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Was the service that of the plan, and whole, for all of the time in which a point was measured? Knows no holder."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..holder.records import StepRecord
from ..json_types import JsonObject
from ..plan_file import Step


@dataclass
class ServiceGaps:
    """How it was not.

    :ivar critical: what makes the point invalid, in words.
    :ivar allowed: gaps of steps that the job can do without.
    :ivar steps: names of the steps of either.
    """

    critical: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def gaps_between(
    steps: Iterable[Step], records: Mapping[str, StepRecord], ends: Iterable[JsonObject], begin: str, end: str
) -> ServiceGaps:
    """Return the :class:`ServiceGaps` between two times (UTC text; all times are the holder's).

    A step that died and runs again since has a record that tells nothing of it: its ends do. A step whose presence is
    not known for the whole time was not there.

    :param steps: the service's steps of the plan.
    :param records: {name: the holder's latest record of the step}.
    :param ends: what the holder remembers of ends, each ``{name, attempt, digest, from, to, reason, ...}``.
    """
    found = ServiceGaps()
    lives: dict[str, dict[int, JsonObject]] = {}
    for one in ends:
        lives.setdefault(one["name"], {})[one["attempt"]] = one
    for step in steps:
        its, record = lives.get(step["name"], {}), records.get(step["name"])
        if record:
            to = record["ended_at"] if record["state"] == "ended" else None
            its[record["attempt"]] = dict(record, to=to, **{"from": record["started_at"]})
        told, other = _of_one(step, [its[attempt] for attempt in sorted(its)], begin, end)
        (found.critical if step.get("critical", True) else found.allowed).extend(told)
        found.critical += other
        if told or other:
            found.steps.append(step["name"])
    return found


def _of_one(step: Step, lives: list[JsonObject], begin: str, end: str) -> tuple[list[str], list[str]]:
    """Return (gaps of one step, how it was another one); *lives* are its attempts in order, "to" None: it runs."""
    name = step["name"]
    present = [one for one in lives if one["from"] and one["from"] <= end and (one["to"] or "9") >= begin]
    if not present:
        why = next((one["reason"] for one in reversed(lives) if one["to"] and one["to"] <= end), None)
        return [f"{name} was not running" + (f": {why}" if why else "")], []
    told, other = [], []
    for one in present:
        if one["digest"] != step["digest"]:
            other = [f"{name} is not the one of the plan: it has other options"]
        if one["from"] >= begin:
            told.append(f"{name} was started anew during the measurement")
        if one["to"] and one["to"] <= end:
            told.append(f"{name} ended during the measurement: {one['reason']}")
    return told, other
