# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Service gaps: whether the service matched the plan and was complete during a measurement."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class ServiceGaps:
    """The gaps of a measurement.

    :ivar critical: reasons that make the point invalid, in words.
    :ivar allowed: gaps of steps that are not critical.
    :ivar steps: names of the affected steps.
    """

    critical: list = field(default_factory=list)
    allowed: list = field(default_factory=list)
    steps: list = field(default_factory=list)


def gaps_between(steps, records, ends, begin, end):
    """Return the :class:`ServiceGaps` between two times (UTC text; all times are the holder's).

    The record of a restarted step does not show that it was lost; its ends do. A step counts as absent unless it is
    known to have run all the time.

    :param steps: the service's steps of the plan.
    :param records: {name: the holder's latest record of the step}.
    :param ends: the ends recorded by the holder, each ``{name, attempt, digest, from, to, reason, ...}``.
    """
    found, lives = ServiceGaps(), {}
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


def _of_one(step, lives, begin, end):
    """Return (gaps of one step, its differences from the plan); *lives* are its attempts, "to" None: running."""
    name = step["name"]
    present = [one for one in lives if one["from"] and one["from"] <= end and (one["to"] or "9") >= begin]
    if not present:
        why = next((one["reason"] for one in reversed(lives) if one["to"] and one["to"] <= end), None)
        return [f"{name} was not running" + (f": {why}" if why else "")], []
    told, other = [], []
    for one in present:
        if one["digest"] != step["digest"]:
            other = [f"{name} does not match the plan: it has other options"]
        if one["from"] >= begin:
            told.append(f"{name} was restarted during the measurement")
        if one["to"] and one["to"] <= end:
            told.append(f"{name} ended during the measurement: {one['reason']}")
    return told, other
