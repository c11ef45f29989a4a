#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes to start K steps: through the holder, by K bare background sruns, by one grouped srun.

Time runs from the request (or the first srun) to the moment the last task runs, which the task itself
writes down. The three ways take turns in the same allocation, so that ratios are fair on a busy machine.
Ansible's fixed cost of a stage that has nothing to do is reported beside it.

    tests/benchmarks/launch.py [--quick] [--steps 1,8,32,128] [--repeats 3]

Outside of a cluster it starts a sandbox of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver, slurm_job  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun  # noqa: E402

NODES = 4
GOAL = 1.15


def main():
    """Run the benchmark, print a table, exit 1 when the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="only K = 1 and 8, without Ansible's share")
    parser.add_argument("--steps", default="1,8,32,128", help="values of K")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    if subprocess.run(["sinfo", "-h"], capture_output=True, timeout=30, check=False).returncode:
        sys.exit(in_a_sandbox())
    counts = [1, 8] if options.quick else [int(text) for text in options.steps.split(",")]
    with tempfile.TemporaryDirectory(prefix="srt-launch-") as folder:
        os.chmod(folder, 0o755)
        rows, fixed = measure(folder, counts, options.repeats, not options.quick)
    print(f"\n{'K':>4} {'holder s':>9} {'K sruns s':>10} {'one srun s':>11} {'holder/sruns':>13} {'holder stop s':>14}")
    for row in rows:
        print(
            f"{row['k']:>4} {row['holder_s']:>9.3f} {row['bare_s']:>10.3f} {row['grouped_s']:>11.3f} "
            f"{row['ratio']:>13.2f} {row['stop_s']:>14.3f}"
        )
    for name, value in fixed.items():
        print(f"{name}: {value:.2f} s")
    if options.json:
        pathlib.Path(options.json).write_text(
            json.dumps({"rows": rows, "ansible": fixed}, indent=2) + "\n", encoding="utf-8"
        )
    slow = [row["k"] for row in rows if row["k"] >= 8 and row["ratio"] > GOAL]
    print(f"goal: at most {GOAL} times K bare sruns from K = 8 on: {'missed at K = ' + str(slow) if slow else 'met'}")
    return 1 if slow else 0


def in_a_sandbox():
    """Run this program again inside a sandbox that lives as long as it does."""
    folder = tempfile.mkdtemp(prefix="srt-launch-sandbox-")
    sandbox = [sys.executable, str(ROOT / "bin" / "sandbox")]
    try:
        subprocess.run([*sandbox, "start", "--nodes", str(NODES), "--dir", f"{folder}/s"], check=True)
        command = [sys.executable, __file__, *sys.argv[1:]]
        return subprocess.run([*sandbox, "exec", "--dir", f"{folder}/s", "--", *command], check=False).returncode
    finally:
        subprocess.run([*sandbox, "stop", "--dir", f"{folder}/s"], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder, counts, repeats, with_ansible):
    """Return (rows, Ansible's costs) measured in one allocation."""
    allocation = {
        "name": "launch-benchmark",
        "nodes": NODES,
        "ntasks": NODES * 32,
        "ntasks_per_node": 32,
        "time_limit": "01:00:00",
        "digest": "benchmark",
        "directives": {},
        "environment": {},
    }
    own = {"allocation": allocation, "state": "running", "output_dir": folder, "wait_timeout_s": 60.0}
    params = {**{name: option.get("default") for name, option in slurm_job.ARGUMENT_SPEC.items()}, **own}
    found = slurm_job.run(params, Context())["job"]
    try:
        bench = Bench(found)
        bench.holder(1)
        rows = []
        for k in counts:
            taken = {"holder_s": [], "bare_s": [], "grouped_s": [], "stop_s": []}
            for turn in range(repeats):
                # The one that goes first finds a cooler machine: they take turns in that, too.
                ways = (bench.holder, bench.bare, bench.grouped)
                for way in ways if turn % 2 else reversed(ways):
                    for name, seconds in way(k).items():
                        taken[name].append(seconds)
            row = {name: statistics.median(values) for name, values in taken.items()}
            row["ratio"] = statistics.median(h / b for h, b in zip(taken["holder_s"], taken["bare_s"]))
            rows.append(dict(row, k=k, repeats=repeats))
            print(f"K = {k}: holder {row['holder_s']:.3f} s, bare {row['bare_s']:.3f} s", file=sys.stderr, flush=True)
        return rows, bench.ansible() if with_ansible else {}
    finally:
        slurm_job.run(dict(params, state="absent"), Context())


class Bench:
    """The three ways to start K tasks that write down when they began and then sleep."""

    def __init__(self, found):
        self.job_id, self.run_dir = found["id"], found["run_dir"]
        self.nodes = [node["name"] for node in found["nodes"]]
        self.marks = pathlib.Path(self.run_dir, "marks")
        self.driver = driver.connect(self.job_id, self.run_dir, self.nodes[0])
        self.turn = 0

    def task(self):
        self.turn += 1
        shutil.rmtree(self.marks, ignore_errors=True)
        self.marks.mkdir()
        return ["bash", "-c", f"echo $EPOCHREALTIME > {self.marks}/$SLURM_STEP_ID.$SLURM_PROCID; exec sleep 3600"]

    def last(self, k, limit_s=120.0):
        """Return when the last of *k* tasks began."""
        until = time.monotonic() + limit_s
        while time.monotonic() < until:
            files = list(self.marks.iterdir())
            if len(files) >= k:
                texts = [path.read_text().strip() for path in files]
                if all(texts):
                    return max(float(text) for text in texts)
            time.sleep(0.05 if k < 32 else 0.25)
        raise SystemExit(f"only {len(list(self.marks.iterdir()))} of {k} tasks began in {limit_s:g} s")

    def step(self, i, argv):
        return {
            "name": f"w_{i}",
            "tier": "worker",
            "nodes": [self.nodes[i % len(self.nodes)]],
            "ntasks": 1,
            "argv": argv,
            "env": {"TURN": str(self.turn)},
            "log": f"logs/%N_w_{i}.out",
            "critical": False,
            "stop_grace_s": 10,
            "digest": str(self.turn),
        }

    def holder(self, k):
        """Return the seconds to start and to stop through the holder."""
        argv = self.task()
        asks = [srun.start_request(self.step(i, argv), self.job_id, self.run_dir) for i in range(k)]
        began = time.time()
        self.driver.request("start", steps=asks, wait_s=120)
        started = self.last(k) - began
        began = time.time()
        self.driver.request("stop", tiers=["worker"])
        return {"holder_s": started, "stop_s": time.time() - began}

    def bare(self, k):
        """Return the seconds to start by *k* background sruns of the very same command lines."""
        argv = self.task()
        lines = [
            shlex.join(srun.build_srun_argv(self.step(i, argv), self.job_id, self.run_dir)) + " 2>/dev/null &"
            for i in range(k)
        ]
        return {"bare_s": self.timed("\n".join(lines), k)}

    def grouped(self, k):
        """Return the seconds to start as tasks of one srun."""
        nodes = self.nodes[: min(k, len(self.nodes))]
        step = dict(self.step(0, self.task()), nodes=nodes, ntasks=k, srun_options={"overcommit": None})
        line = shlex.join(srun.build_srun_argv(step, self.job_id, self.run_dir))
        return {"grouped_s": self.timed(line + " 2>/dev/null &", k)}

    def timed(self, script, k):
        child = subprocess.Popen(["bash", "-c", f"echo $EPOCHREALTIME > {self.marks}.began\n{script}\nwait"])
        try:
            last = self.last(k)
            return last - float(pathlib.Path(f"{self.marks}.began").read_text())
        finally:
            output = subprocess.run(
                ["squeue", "-hs", "-j", self.job_id, "-o", "%i|%j"], capture_output=True, text=True, check=True
            )
            ours = [line.split("|")[0].strip() for line in output.stdout.splitlines() if "|w_" in line]
            if ours:
                subprocess.run(["scancel", "--signal=TERM", *ours], stderr=subprocess.DEVNULL, check=False)
            child.wait(timeout=60)

    def ansible(self):
        """Return Ansible's own costs: an empty play, and a play with one stage that has nothing to do."""
        plan = {
            "schema_version": 1,
            "job_id": self.job_id,
            "run_dir": self.run_dir,
            "nodes": [{"name": self.nodes[0]}],
            "holder_node": self.nodes[0],
            **dict.fromkeys(("parts", "endpoints", "processes", "files", "checks", "notes"), []),
            **dict.fromkeys(("spec", "groups", "digests"), {}),
            "benchmark": {"type": "manual", "points": []},
            "name": "launch",
            "health_timeout_s": 5.0,
            "frontend_url": "",
            "steps": [self.step(i, ["sleep", "3600"]) for i in range(8)],
        }
        path = pathlib.Path(self.run_dir, "plan.json")
        path.write_text(json.dumps(plan), encoding="utf-8")
        stage = {"name": "A stage", "srt.slurm.srun_worker": {"plan_path": str(path), "tier": "worker"}}
        play = {"name": "Play", "hosts": "localhost", "connection": "local", "gather_facts": False}
        times = {}
        for name, tasks in (
            ("first", [stage]),
            ("empty play", []),
            ("play with one stage, nothing to do", [stage]),
            ("play with ten stages, nothing to do", [stage] * 10),
        ):
            book = pathlib.Path(self.run_dir, "play.yml")
            book.write_text(json.dumps([dict(play, tasks=tasks)]), encoding="utf-8")
            began = time.time()
            program = pathlib.Path(sys.executable).parent / "ansible-playbook"
            done = subprocess.run(
                [str(program), str(book)],
                cwd=ROOT,
                capture_output=True,
                text=True,
                check=False,
                env=dict(os.environ, ANSIBLE_FORCE_COLOR="0"),
            )
            times[name] = time.time() - began
            if done.returncode:
                raise SystemExit(done.stdout + done.stderr)
        del times["first"]
        times["one more stage"] = (
            times["play with ten stages, nothing to do"] - times["play with one stage, nothing to do"]
        ) / 9
        return times


if __name__ == "__main__":
    sys.exit(main())
