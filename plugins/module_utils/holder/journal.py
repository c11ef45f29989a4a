# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""What has happened to the steps of a job: steps.jsonl, read again, and the ends that a measurement is judged by."""

from __future__ import annotations

import json
import os

from .basics import tail, utc_now

PASSING = ("benchmark", "preflight")  # the tiers whose steps end by themselves
KILL = 9
ENDS = 200  # so many ends are kept, the latest
TOLD = ("name", "tier", "digest", "nodes", "node", "attempt", "critical", "exit_code", "signal", "reason", "expected")


def json_files(run_dir, paths):
    """Return {path: JSON value} of files in a run directory; None for what is no JSON, not there or not inside it."""
    root, found = os.path.realpath(run_dir), {}
    for path in paths or ():
        full = os.path.realpath(os.path.join(root, path))
        try:
            found[path] = json.loads(tail(full, 1 << 20)) if full.startswith(root + os.sep) else None
        except ValueError:
            found[path] = None
    return found


def set_logs_aside(run_dir, step):
    """Keep the log of an earlier attempt of *step*: nothing ever writes over evidence."""
    for node in step.ask.get("nodes") or []:
        log, number = os.path.join(run_dir, step.ask["log"].replace("%N", node)), step.attempt - 1
        if os.path.exists(log) and step.started_at is None:
            while os.path.exists(f"{log}.{number}"):
                number += 1
            os.rename(log, f"{log}.{number}")


def events(run_dir):
    """Yield the events of the steps in a run directory's steps.jsonl, in order."""
    for line in tail(os.path.join(run_dir, "steps.jsonl"), 1 << 28).splitlines():
        try:
            event = json.loads(line)
            if event["name"]:
                yield event
        except (ValueError, KeyError, TypeError):
            continue  # a line that was cut, or one that is not about a step


def remembered(run_dir):
    """Return {name: the latest event} of the steps in a run directory's steps.jsonl."""
    return {event["name"]: event for event in events(run_dir)}


class Ends:
    """How parts of the service ended, also those that run again: a point must not have been measured meanwhile.

    :ivar listed: the latest of them, each ``{"from", "to", ...}`` (UTC; "from" is None when it never began) with what
        TOLD names.
    """

    def __init__(self, past=()):
        self.listed = []
        for event in past:
            if event.get("event") == "end":
                self.add(event)

    def add(self, record):
        """Keep the end of a step, from its record; one that ends by itself is no part of the service."""
        if record.get("tier") not in PASSING:
            end = {key: record.get(key) for key in TOLD}
            end.update({"from": record.get("started_at"), "to": record.get("ended_at")})
            self.listed = [*self.listed[1 - ENDS :], end]

    def listed_still(self, listing, began_at):
        """Return why a *listing* of parts of the service (see holder_probe.py) may name a dead one, else None.

        One that ended suddenly could not take its leave.

        :param began_at: when the step that keeps the list began (UTC), with an empty list; None: not known.
        """
        since = max(utc_now(listing["kept_s"]), began_at or "")
        for end in reversed(self.listed):
            sudden = not end["expected"] or end["signal"] == KILL
            if sudden and end["tier"] == listing["tier"] and (end["to"] or "") > since:
                return f"{end['name']} has ended, and may be listed for up to {listing['kept_s']:g} s"
        return None
