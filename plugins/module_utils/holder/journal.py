# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""steps.jsonl, the journal of a run: writing and reading the events of its steps and its holder.

An event about a step is its record with ``t``, ``event`` and ``pid``. One about the holder is
``{"t", "event": "holder", "phase", ...}``; the phases are those named below.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any

from .records import Event
from .step import PASSING, Step
from .tails import TAIL_BYTES, tail
from .utc import go_on_from, utc_now

FILE = "steps.jsonl"
READ_BYTES = 1 << 28
KILL = 9
ENDS = 200  # number of the latest ends to keep
END_FIELDS = (
    "name", "tier", "digest", "nodes", "node", "attempt", "critical", "end_code", "exit_code", "signal", "reason",
    "expected",
)  # fmt: skip

BEGIN = "begin"  # the first event of each holder; earlier job attempts wrote ``output_begin`` bytes of the output
PAUSED = "paused"  # it did not run ``from`` .. ``to``
ENDING = "ending"  # the job ends: ``code`` and ``reason``
REQUEUE = "requeue"  # the job is requeued, for ``attempt`` of ``attempts``
ENDED = "ended"  # all steps have ended


class Journal:
    """Writes the events of one holder.

    :ivar trouble: the latest error while recording something, or None.
    """

    def __init__(self, run_dir: str) -> None:
        self.run_dir = run_dir
        self.trouble: str | None = None
        written = [str(event.get("t") or "") for event in events(run_dir, TAIL_BYTES)]
        with contextlib.suppress(ValueError):  # not ours
            go_on_from(max(written, default=""))

    def write(self, event: str, **facts: Any) -> None:
        """Append one line. A full disk must not end the service: answers report it instead."""
        try:
            with open(os.path.join(self.run_dir, FILE), "a", encoding="utf-8") as stream:
                stream.write(json.dumps(dict({"t": utc_now(), "event": event}, **facts)) + "\n")
        except OSError as error:
            self.trouble = f"{FILE}: {error}"

    def holder(self, phase: str, **facts: Any) -> None:
        """Write an event about the holder."""
        self.write("holder", phase=phase, **facts)


def json_files(run_dir: str, paths: Iterable[str] | None) -> dict[str, Any]:
    """Return {path: JSON value} of files in a run directory; None for files that are missing, outside or not JSON."""
    root = os.path.realpath(run_dir)
    found: dict[str, Any] = {}
    for path in paths or ():
        full = os.path.realpath(os.path.join(root, path))
        try:
            found[path] = json.loads(tail(full, TAIL_BYTES)) if full.startswith(root + os.sep) else None
        except (ValueError, RecursionError):
            found[path] = None
    return found


def set_logs_aside(run_dir: str, step: Step) -> None:
    """Keep the log of an earlier attempt of *step*: evidence is never overwritten."""
    for node in step.spec.get("nodes") or []:
        log, number = os.path.join(run_dir, step.spec["log"].replace("%N", node)), step.attempt - 1
        if os.path.exists(log) and step.started_at is None:
            while os.path.exists(f"{log}.{number}"):
                number += 1
            os.rename(log, f"{log}.{number}")


def events(run_dir: str, size: int = READ_BYTES) -> list[Event]:
    """Return all events of a run directory in order, from the last *size* bytes of its journal."""
    found = []
    for line in tail(os.path.join(run_dir, FILE), size).splitlines():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):  # truncated, for example by a full disk
            continue
        if isinstance(event, dict):
            found.append(event)
    return found


def step_events(run_dir: str) -> list[Event]:
    """Return the events about steps, in order."""
    return [event for event in events(run_dir) if event.get("name")]


def holder_events(run_dir: str) -> list[Event]:
    """Return the events of the latest holder about itself."""
    found: list[Event] = []
    for event in events(run_dir, TAIL_BYTES):
        if event.get("event") == "holder":
            found = [] if event.get("phase") == BEGIN else [*found, event]
    return found


def latest_events(run_dir: str) -> dict[str, Event]:
    """Return {name: the latest event} of the steps in a run directory's journal."""
    return {event["name"]: event for event in step_events(run_dir)}


class Ends:
    """The ends of parts of the service, also of restarted ones: a point must not be measured across them.

    :ivar listed: the latest ends, each ``{"from", "to", ...}`` (UTC; "from" is None if it never started) with the
        fields END_FIELDS.
    """

    def __init__(self, past: Iterable[Event] = ()) -> None:
        self.listed: list[dict[str, Any]] = []
        for event in past:
            if event.get("event") == "end":
                self.add(event)

    def add(self, record: Mapping[str, Any]) -> None:
        """Keep the end of a step, from its record, unless its tier is expected to end."""
        if record.get("tier") not in PASSING:
            end = {key: record.get(key) for key in END_FIELDS}
            end.update({"from": record.get("started_at"), "to": record.get("ended_at")})
            self.listed = [*self.listed[1 - ENDS :], end]

    def listed_still(self, listing: Mapping[str, Any], started_at: str | None) -> str | None:
        """Return why a *listing* of parts of the service (see probe.py) may name a dead one, else None.

        A part that ended suddenly could not deregister.

        :param started_at: when the step that keeps the list started (UTC), with an empty list; None: unknown.
        """
        since = max(utc_now(listing["kept_s"]), started_at or "")
        for end in reversed(self.listed):
            sudden = not end["expected"] or end["signal"] == KILL
            if sudden and end["tier"] == listing["tier"] and (end["to"] or "") > since:
                return f"{end['name']} has ended, and may be listed for up to {listing['kept_s']:g} s"
        return None
