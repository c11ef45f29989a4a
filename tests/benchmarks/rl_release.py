#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long the CPU job of an RL run outlives training, on a real Slurm with real containers.

Usage: rl_release.py [RUNS]

``release_s`` is the time from the trainer's last line of code to the moment when Slurm no longer counts the job of the
runtime as running, and its containers and their storage are gone. A tenth of a second of it is how often it looks.
"""

from __future__ import annotations

import json
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cluster import wait_for
from rl_pairs import OVER, Pairs


def main():
    runs = int((sys.argv[1:] or ["10"])[0])
    rl, took = Pairs(pathlib.Path(tempfile.mkdtemp(prefix="rl-release-"))), []
    try:
        for number in range(runs):
            server = "--engine podman --image {container_image}"
            pair = rl.launch({**rl.settings(f"run{number}", "--episodes 2", server), **rl.with_podman()})
            pair.reach("training", "completed", 120)
            wait_for(lambda pair=pair: pair.state("runtime") in OVER, "the end of the runtime")
            took.append(round(time.time() - pair.seen()["ended_at"], 2))
            left = list(rl.local.glob("skyrl-*"))
            assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"} and not left, (
                pair.outputs(),
                left,
            )
            sys.stdout.write(f"{pair.name}: {took[-1]} s\n")
            sys.stdout.flush()
    finally:
        rl.close()
    print(json.dumps({"runs": runs, "release_s": {"median": statistics.median(took), "most": max(took)}}))


if __name__ == "__main__":
    main()
