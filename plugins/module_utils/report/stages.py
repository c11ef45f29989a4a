# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the time of a run went: its stages one after the other, and its steps, from the journal. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from typing import NamedTuple

from ..holder import journal
from ..json_types import Json, JsonObject

BENCHMARK = "benchmark"
# The tiers of steps in the order of a run, {tier: its stage in words}.
TIERS = {
    "preflight": "preflight",
    "head_infra": "NATS and etcd",
    "worker": "workers",
    "frontend": "frontends",
    BENCHMARK: "measurement",
}
WAIT, HEALTH, BETWEEN, ROLLUP, END = "wait for nodes", "health", "between points", "rollup", "clean end"


class Part(NamedTuple):
    """A stretch of a run's time: a stage, or one attempt of a step; in seconds since 1970.

    :ivar kind: for a step its tier, for a stage its name.
    :ivar fault: how a step ended, if that was not expected.
    """

    name: str
    kind: str
    begin: float
    end: float
    fault: str = ""

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.end - self.begin


def seconds(stamp: Json) -> float | None:
    """Return a UTC time as seconds since 1970, None if it is none."""
    try:
        return datetime.datetime.fromisoformat(str(stamp).replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None


def stamp(when: float) -> str:
    """Return seconds since 1970 as a UTC time to the second."""
    return datetime.datetime.fromtimestamp(when, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def steps(events: Sequence[JsonObject]) -> list[Part]:
    """Return the attempts of steps, in order of their start; one that has no end lasts as long as the journal."""
    last: dict[tuple[str, Json], JsonObject] = {}
    for event in events:
        if isinstance(event.get("name"), str) and event.get("started_at"):
            attempt = event.get("attempt")
            last[event["name"], attempt if isinstance(attempt, int) else None] = event
    stamps = [one for one in (seconds(event.get("t")) for event in events) if one is not None]
    found = []
    for (name, attempt), event in last.items():
        begin, end = seconds(event["started_at"]), seconds(event.get("ended_at"))
        if begin is None:
            continue
        bad = event.get("state") == "ended" and not event.get("expected") and _failed(event)
        shown = f"{name} (attempt {attempt})" if isinstance(attempt, int) and attempt > 1 else str(name)
        stop = max(stamps, default=begin) if end is None else end
        fault = str(event.get("reason") or "ended") if bad else ""
        found.append(Part(shown, str(event.get("tier")), begin, max(begin, stop), fault))
    return sorted(found, key=lambda one: one.begin)


def _failed(event: JsonObject) -> bool:
    """Return whether the end of a step was a failure: only measurements and checks end by themselves."""
    passing = event.get("tier") in (BENCHMARK, "preflight")
    return not (passing and event.get("exit_code") == 0)


def stages(events: Sequence[JsonObject], submitted: float | None = None) -> list[Part]:
    """Return the stages of the last job attempt, one after the other, without gaps.

    :param submitted: when the job was submitted.
    """
    begins = [number for number, one in enumerate(events) if one.get("phase") == journal.BEGIN]
    own = events[begins[-1] :] if begins else events
    parts = steps(own)
    begin = seconds(own[0].get("t")) if own else None
    if begin is None:
        return []
    marks: list[tuple[float, str]] = []  # (begin, stage)
    if submitted is not None and submitted < begin and len(begins) == 1:
        marks.append((submitted, WAIT))
    marks.append((begin, "start"))
    for tier, stage in TIERS.items():
        starts = [part.begin for part in parts if part.kind == tier]
        if starts and tier != BENCHMARK:
            marks.append((min(starts), stage))
    marks += _measured(parts, own)
    ending = [seconds(one.get("t")) for one in own if one.get("phase") == journal.ENDING]
    marks += [(ending[0], END)] if ending and ending[0] is not None else []
    until = max(filter(None, (seconds(one.get("t")) for one in own)), default=begin)
    marks.sort(key=lambda mark: mark[0])
    ends = [*(mark[0] for mark in marks[1:]), until]
    found = [Part(stage, stage, mark, end) for (mark, stage), end in zip(marks, ends)]
    return [part for part in found if part.seconds > 0]


def _measured(parts: Sequence[Part], events: Sequence[JsonObject]) -> list[tuple[float, str]]:
    """Return when the service was waited for, when each point began, and what came after it."""
    points = [part for part in parts if part.kind == BENCHMARK]
    ready = [seconds(one.get("running_at")) for one in events if one.get("tier") == "frontend"]
    running = [one for one in ready if one is not None and (not points or one < points[0].begin)]
    found = [(max(running), HEALTH)] if running else []
    for number, part in enumerate(points):
        found.append((part.begin, f"{TIERS[BENCHMARK]} {part.name}"))
        found.append((part.end, BETWEEN if number + 1 < len(points) else ROLLUP))
    return found
