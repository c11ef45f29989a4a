#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small trainer: episodes in sandboxes of the runtime, and a checkpoint after each and on SIGTERM.

It writes what it found in its environment, but for the key, into seen.json beside the checkpoints.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import signal
import sys
import time
import urllib.request

import ray


def call(path, **body):
    """Ask the runtime; return its answer."""
    request = urllib.request.Request(
        os.environ["SANDBOX_REMOTE_RUNTIME_API_URL"] + path, json.dumps(body).encode() if body is not None else None
    )
    request.add_header("Authorization", f"Bearer {os.environ['ALLHANDS_API_KEY']}")
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
        return json.loads(answer.read())


def main():
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--episodes", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=0)
    parser.add_argument("--exit", type=int, default=0)
    parser.add_argument("--checkpoints", type=pathlib.Path, required=True)
    parser.add_argument("--until", type=pathlib.Path, help="train at least until there is this file")
    parser.add_argument("--final", type=float, default=0, help="seconds between the last episode and the end")
    parser.add_argument("--ray", action="store_true", help="ask Ray for its nodes")
    args, rest = parser.parse_known_args()
    seen = {name: value for name, value in os.environ.items() if name != "ALLHANDS_API_KEY"}
    state = {"episodes": 0, "warned": False, "arguments": rest, "environment": seen}
    before = args.checkpoints / "seen.json"
    if before.exists():  # it goes on from the last checkpoint
        state["episodes"] = state["resumed_from"] = json.loads(before.read_text())["episodes"]

    def checkpoint():
        new = args.checkpoints / f".seen.{os.getpid()}"
        new.write_text(json.dumps(state))
        new.replace(args.checkpoints / "seen.json")

    def warned(*_args):
        state["warned"] = True
        checkpoint()
        sys.stdout.write("checkpoint written on SIGTERM\n")
        sys.stdout.flush()
        os._exit(0)

    signal.signal(signal.SIGTERM, warned)
    if args.ray:
        state["nodes"] = ray.nodes(os.environ["RAY_ADDRESS"])
    checkpoint()
    for number in itertools.count(state["episodes"]):
        if number >= args.episodes and (not args.until or args.until.exists()):
            break
        sandbox = call("/start", task=number)["id"]
        answer = call("/run", id=sandbox, command="echo hello from a sandbox")
        assert answer["output"] == "hello from a sandbox\n", answer
        call("/stop", id=sandbox)
        state["episodes"] = number + 1
        checkpoint()
        sys.stdout.write(f"step {number + 1}/{args.episodes}\n")
        sys.stdout.flush()
        time.sleep(args.seconds)
    time.sleep(args.final)
    state["ended_at"] = time.time()
    checkpoint()
    raise SystemExit(args.exit)


if __name__ == "__main__":
    main()
