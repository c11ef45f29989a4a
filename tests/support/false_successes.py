# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which results of a run are called valid although a part of the service was dead while they were measured.

From the run directory alone: the verdicts say when a point was measured, the holder's steps.jsonl when steps began and
ended. All of it is UTC of one machine.
"""

from __future__ import annotations

import datetime
import json


def moment(text):
    """Return a time of ours, ISO 8601, as seconds."""
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def events(run_dir):
    """Return the events about steps in a run's steps.jsonl."""
    path, found = run_dir / "steps.jsonl", []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        try:
            event = json.loads(line)
        except ValueError:  # cut, the holder was killed
            continue
        found += [event] if event.get("name") else []
    return found


def deaths(journal, since):
    """Return {(name, tier, ended)} of steps that ended at or after *since* and should not have."""
    found = set()
    for event in journal:
        if event.get("state") == "ended" and event.get("ended_at") and not event.get("expected"):
            passed = event["tier"] in ("benchmark", "preflight") and event.get("exit_code") == 0
            if not passed and moment(event["ended_at"]) >= since:
                found.add((event["name"], event["tier"], moment(event["ended_at"])))
    return found


def falsely_valid(run_dir, since, silent=()):
    """Return texts about valid points during which a step was dead that ended after *since* (seconds).

    *silent*: (step, when) of deaths that the holder may not have noticed.

    A point that was measured again when the step ran again is none. Neither is one that ended between *since* and what
    the holder noticed of the death: the step may have lived that long.
    """
    path = run_dir / "plan.json"
    if not path.exists():
        return []
    journal, found = events(run_dir), []
    starts = [(e["name"], moment(e["started_at"])) for e in journal if e.get("started_at")]
    for point in json.loads(path.read_text(encoding="utf-8"))["benchmark"]["points"]:
        try:
            verdict = json.loads((run_dir / point["result"]).with_suffix(".verdict.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if not (verdict["valid"] and verdict["started_at"] and verdict["ended_at"]) or verdict.get("origin"):
            continue
        begin, end = moment(verdict["started_at"]), moment(verdict["ended_at"])
        for name, tier, died in sorted({*deaths(journal, since), *((name, "", when) for name, when in silent)}):
            if tier == "preflight" or tier == "benchmark" and name != point["step"]["name"]:
                continue
            again = any(one == name and died < started <= begin for one, started in starts)
            if end >= died and not again:
                found.append(f"{point['step']['name']} is valid, {name} died {died - begin:+.1f} s after it began")
    return found
