# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service gaps: whether the service matched the plan and was complete during a measurement."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from ..holder.records import StepRecord
from ..json_types import JsonObject
from ..plan_file import Step
from ..plan_profiling import EXPORTER


@dataclass
class ServiceGaps:
    """The gaps of a measurement.

    :ivar critical: reasons that make the point invalid, in words.
    :ivar allowed: gaps of steps that are not critical.
    :ivar steps: names of the affected steps.
    """

    critical: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)
    steps: list[str] = field(default_factory=list)


def gaps_between(
    steps: Iterable[Step],
    records: Mapping[str, StepRecord],
    ends: Iterable[JsonObject],
    begin: str,
    end: str,
    breaks: Iterable[JsonObject] = (),
) -> ServiceGaps:
    """Return the :class:`ServiceGaps` between two times (UTC text; all times are the holder's).

    The record of a restarted step does not show that it was lost; its ends do. A step counts as absent unless it is
    known to have run all the time.

    :param steps: the service's steps of the plan.
    :param records: {name: the holder's latest record of the step}.
    :param ends: the ends recorded by the holder, each ``{name, attempt, digest, from, to, reason, ...}``.
    :param breaks: the ends of servers whose steps may live on, each ``{name, at, reason}``.
    """
    found = ServiceGaps()
    attempts: dict[str, dict[int, JsonObject]] = {}
    broken = list(breaks)
    for one in ends:
        attempts.setdefault(one["name"], {})[one["attempt"]] = one
    for step in steps:
        if step.get("kind") == EXPORTER:  # what it would have told is missing, and nothing else
            continue
        by_number, record = attempts.get(step["name"], {}), records.get(step["name"])
        if record:
            to = record["ended_at"] if record["state"] == "ended" else None
            by_number[record["attempt"]] = dict(record, to=to, **{"from": record["started_at"]})
        lives = [by_number[number] for number in sorted(by_number)]
        gaps, differences = _of_one(step, lives, begin, end)
        gaps = gaps or _afterwards(step["name"], lives, broken, begin, end)
        (found.critical if step.get("critical", True) else found.allowed).extend(gaps)
        found.critical += differences
        if gaps or differences:
            found.steps.append(step["name"])
    return found


def _of_one(step: Step, attempts: list[JsonObject], begin: str, end: str) -> tuple[list[str], list[str]]:
    """Return (gaps of one step, its differences from the plan); "to" of *attempts* is None for one that runs."""
    name = step["name"]
    present = [one for one in attempts if one["from"] and one["from"] <= end and (one["to"] or "9") >= begin]
    if not present:
        why = next((one["reason"] for one in reversed(attempts) if one["to"] and one["to"] <= end), None)
        return [f"{name} was not running" + (f": {why}" if why else "")], []
    gaps, differences = [], []
    for one in present:
        if one["digest"] != step["digest"]:
            differences = [f"{name} does not match the plan: it has other options"]
        if one["from"] >= begin:
            gaps.append(f"{name} was restarted during the measurement")
        if one["to"] and one["to"] <= end:
            gaps.append(f"{name} ended during the measurement: {one['reason']}")
    return gaps, differences


def _afterwards(name: str, attempts: list[JsonObject], breaks: list[JsonObject], begin: str, end: str) -> list[str]:
    """Return why a step that ran all the time may not have served all the time.

    What ended shortly after the measurement may have ended in it: who reports an end may be late.
    """
    latest = attempts[-1]
    if latest["to"]:
        return [f"{name} had ended when the measurement was over: {latest['reason']}"]
    found = next((one for one in breaks if one["name"] == name and begin <= one["at"] <= end), None)
    return [f"{name} stopped serving during the measurement: {found['reason']}"] if found else []
