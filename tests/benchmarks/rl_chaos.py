#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random kills of RL runs on a real Slurm with real containers, and what is left after each.

Usage: rl_chaos.py [KILLS] [SEED]

Pairs run three at a time on the same nodes. Each is hit once: its runtime or its training, before the runtime is ready,
when it is, or in training; by SIGKILL of the program, by SIGKILL of the server or the trainer, or by scancel. Counted
are jobs, containers and folders that are left, wrong states of Slurm, and files with a key that are not the key file.
``release_s`` is the time from a kill to the end of both jobs.
"""

from __future__ import annotations

import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cluster import wait_for
from rl_pairs import OVER, Pairs

AT_ONCE = 3
# (side, how): {side: the states that are right}
RIGHT = {
    ("training", "scancel"): {"runtime": ["COMPLETED"], "training": ["CANCELLED"]},
    ("runtime", "scancel"): {"runtime": ["CANCELLED"], "training": ["FAILED"]},
    ("training", "program"): {"runtime": ["COMPLETED"], "training": ["FAILED"]},
    ("runtime", "program"): {"runtime": ["FAILED"], "training": ["FAILED"]},
    ("training", "child"): {"runtime": ["COMPLETED"], "training": ["FAILED"]},
    ("runtime", "child"): {"runtime": ["FAILED"], "training": ["FAILED"]},
}
MOMENTS = {"before": ("training", "waiting"), "ready": ("runtime", "ready"), "training": ("training", "running")}


def kill_child(pair, side):
    """Kill the server or the trainer of a pair."""
    word, mark = {"runtime": ("server.py", "runtime"), "training": ("trainer.py", "training")}[side]
    for path in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            line, env = (path / "cmdline").read_bytes(), (path / "environ").read_bytes()
        except OSError:
            continue
        if word.encode() in line and f"SLURM_JOB_ID={pair.jobs[side]}".encode() in env.split(b"\0"):
            os.kill(int(path.name), signal.SIGKILL)
            return True
    return False


def hit(pair, side, how, moment):
    """Hit a pair at its moment; return how it was hit in the end."""
    about, state = MOMENTS[moment]
    order = ["starting", "waiting", "ready", "running"]
    wait_for(lambda: pair.record(about).get("state") in order[order.index(state) :], f"{about} {state}", 60)
    if how == "child" and not kill_child(pair, side):
        how = "scancel"
    if how == "program":
        pair.kill(side)
    elif how == "scancel":
        pair.cancel(side)
    return how


def keys_elsewhere(folder, keys):
    """Return the files below *folder*, Slurm's own among them, that have one of the keys, but for the key files."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and path.name != "runtime_api_key.txt":
            with contextlib.suppress(OSError):
                content = path.read_bytes()
                found += [str(path)] if any(key in content for key in keys) else []
    return found


def command_lines():
    """Yield the command lines of all processes."""
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            yield path.read_text(errors="replace")


def main():
    kills, seed = (int(word) for word in [*sys.argv[1:], *("30", "1")[len(sys.argv) - 1 :]])
    dice, counts, releases = random.Random(seed), collections.Counter(), []
    keys = []
    rl = Pairs(pathlib.Path(tempfile.mkdtemp(prefix="rl-chaos-")))
    try:
        for first in range(0, kills, AT_ONCE):
            batch = []
            for number in range(first, min(first + AT_ONCE, kills)):
                server = "--engine podman --image {container_image}"
                settings = rl.settings(f"chaos{number}", "--episodes 100000 --seconds 0.2", server, cpus_for_runtime=8)
                settings.update(rl.with_podman(), cpus_per_worker=1)
                batch.append((rl.launch(settings), *dice.choice(list(RIGHT)), dice.choice(list(MOMENTS))))
            for pair, side, how, moment in batch:
                how, began = hit(pair, side, how, moment), time.monotonic()
                states = {}
                while any(state not in OVER for state in (states or {"": ""}).values()):
                    states = {one: pair.state(one) for one in pair.jobs}
                    if time.monotonic() - began > 120:
                        break
                    time.sleep(0.2)
                releases.append(round(time.monotonic() - began, 1))
                wrong = [one for one in states if states[one] not in RIGHT[side, how][one]]
                counts["wrong states"] += len(wrong)
                keys.append((pair.folder / "runtime_api_key.txt").read_bytes().strip())
                sys.stdout.write(f"{pair.name}: {how} of {side} at {moment}: {states} in {releases[-1]} s\n")
                sys.stdout.flush()
        counts["keys elsewhere"] = len(keys_elsewhere(rl.folder, keys))
        counts["jobs left"] = len(rl.jobs())
        until = time.monotonic() + 60
        while list(rl.local.iterdir()) and time.monotonic() < until:
            time.sleep(0.5)
        counts["folders left"] = len(list(rl.local.iterdir()))
        counts["container processes left"] = sum(str(rl.local) in line for line in command_lines())
    finally:
        rl.close()
    names = ("wrong states", "keys elsewhere", "jobs left", "folders left", "container processes left")
    median = statistics.median(releases)
    print(json.dumps({"kills": kills, **{name: counts[name] for name in names},
                      "release_s": {"median": median, "most": max(releases)}}))  # fmt: skip


if __name__ == "__main__":
    main()
