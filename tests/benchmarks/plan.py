#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How fast jobs are read and planned. Prints a table with goals and ratios; exit code 1 when a goal is missed.

Usage: plan.py [--jobs N] [--no-playbook]

1. N mixed jobs (the examples, with changes) in one process: YAML text to checked spec to plan. Goal: 15 ms CPU each.
2. One job of 256 to 4,096 nodes with two workers a node. Goal: 2 s CPU at 4,096 nodes, growing linearly.
3. `bench.yml --check` against an empty playbook. Goal: at most 3 times its wall time for the quickstart, 4 times for
   512 nodes with 1,024 workers.
"""

import argparse
import copy
import gc
import itertools
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))

import yaml  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner  # noqa: E402
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec  # noqa: E402

NUMBERS = itertools.count()
EACH_MS, LARGE_S, CHECK_RATIO, LARGE_CHECK_RATIO, LINEAR = 15.0, 2.0, 3.0, 4.0, 1.3


def mixed_jobs(count, folder):
    """Write *count* different job files into *folder*; return their paths."""
    source = random.Random(7)
    originals = []
    for path in sorted((ROOT / "examples").rglob("*.yaml")):
        text = yaml.safe_load(path.read_text())
        job = text.get("job", text)
        if "model" in job and "sweep" not in job:
            originals.append(job)
    paths = []
    for number in range(count):
        job = copy.deepcopy(originals[number % len(originals)])
        job["name"] = f"job{number}"
        job.setdefault("environment", {}).update({f"VARIABLE_{n}": str(source.random()) for n in range(5)})
        path = pathlib.Path(folder) / f"{number}.yaml"
        path.write_text(yaml.safe_dump(job, sort_keys=False))
        paths.append(str(path))
    return paths, len(originals)


def many(count):
    """Return (CPU milliseconds for each of *count* mixed jobs, number of different examples)."""
    with tempfile.TemporaryDirectory() as folder:
        paths, kinds = mixed_jobs(count, folder)
        # A plain cluster file: none of this machine is looked for.
        cluster = pathlib.Path(folder) / "srtslurm.cfg"
        cluster.write_text("default_account: team\nmodel_paths: {a: /models/a}\nconfigs_dir: /configs\n")
        plan_one(paths[0], str(cluster))
        began = time.process_time()
        for path in paths:
            plan_one(path, str(cluster))
        return (time.process_time() - began) * 1000 / count, kinds


def plan_one(path, cluster):
    """Read, check and plan one job file."""
    params = {"job_file": path, "cluster_file": cluster, "check_paths": False, "rehearse": True}
    (job,) = job_spec.run(params, None)["jobs"]
    return planner.build(job["spec"], planner.imaginary_allocation(job["spec"]))


def large_job(nodes):
    """Return a job of *nodes* nodes with two workers a node."""
    return {
        # Another job each time: an answer that is remembered would be too good.
        "name": f"large{next(NUMBERS)}",
        "model": {"path": "/models/m", "container": "img:1", "precision": "fp8"},
        "resources": {
            "gpu_type": "h100", "gpus_per_node": 8,
            "prefill_nodes": nodes // 2, "prefill_workers": nodes,
            "decode_nodes": nodes // 2, "decode_workers": nodes,
        },
        "backend": {"type": "sglang", "sglang_config": {"prefill": {"tp-size": 4}, "decode": {"tp-size": 4}}},
        "benchmark": {"type": "sa-bench", "isl": 1024, "osl": 1024, "concurrencies": [64, 4096]},
    }  # fmt: skip


def large(nodes):
    """Return the CPU seconds to read and plan a job of *nodes* nodes with two workers a node."""
    job = large_job(nodes)
    gc.collect()
    began = time.process_time()
    (made,) = job_spec.run({"job": job, "check_paths": False, "rehearse": True}, None)["jobs"]
    plan = planner.build(made["spec"], planner.imaginary_allocation(made["spec"]))
    spent = time.process_time() - began
    assert len(plan["endpoints"]) == 2 * nodes
    return spent


def playbook(*argv):
    """Return the wall seconds of a playbook."""
    began = time.monotonic()
    environment = dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"))
    command = [sys.executable, "-m", "ansible", "playbook", *argv]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    return time.monotonic() - began


def check_seconds(rounds=5):
    """Return the median seconds of (--check of the quickstart, --check of 512 nodes, an empty playbook), in turns."""
    with tempfile.TemporaryDirectory() as folder:
        empty, large_file = pathlib.Path(folder) / "empty.yml", pathlib.Path(folder) / "large.yaml"
        empty.write_text("- hosts: localhost\n  gather_facts: false\n  tasks: []\n")
        large_file.write_text(yaml.safe_dump(large_job(512)))
        check = ["bench.yml", "-e", "check_paths=false", "--check", "-e"]
        jobs = [[*check, f"job_file={path}"] for path in (ROOT / "examples" / "quickstart.yaml", large_file)]
        turns = [[playbook(*argv) for argv in (*jobs, [str(empty)])] for _round in range(rounds)]
    return [statistics.median(column) for column in zip(*turns)]


def main():
    """Measure and print; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=1000, help="mixed jobs to plan (default: 1000)")
    parser.add_argument("--no-playbook", action="store_true", help="leave the playbook out")
    options = parser.parse_args()
    rows = []
    each, kinds = many(options.jobs)
    name = f"{options.jobs} mixed jobs ({kinds} kinds), CPU each"
    rows.append((name, f"{each:.1f} ms", f"{EACH_MS:g} ms", each / EACH_MS))
    times = {}
    for nodes in (256, 1024, 4096):
        times[nodes] = min(large(nodes) for _round in range(2))
        rows.append((f"{nodes} nodes, {2 * nodes} workers, CPU", f"{times[nodes]:.2f} s", "", None))
    rows[-1] = (*rows[-1][:2], f"{LARGE_S:g} s", times[4096] / LARGE_S)
    growth = times[4096] / times[1024] / 4
    rows.append(("growth from 1024 to 4096 nodes, 1 is linear", f"{growth:.2f}", f"{LINEAR:g}", growth / LINEAR))
    if not options.no_playbook:
        *checks, empty = check_seconds()
        for what, seconds, goal in zip(("one job", "512 nodes"), checks, (CHECK_RATIO, LARGE_CHECK_RATIO)):
            text = f"{seconds:.2f} s / {empty:.2f} s = {seconds / empty:.2f}"
            rows.append((f"--check of {what} / empty playbook", text, f"{goal:g}", seconds / empty / goal))
    width = max(len(row[0]) for row in rows)
    print(f"{'':<{width}}  {'measured':>24}  {'goal':>7}  of goal")
    for name, found, goal, ratio in rows:
        share = "" if ratio is None else f"{ratio:>6.0%}{'' if ratio <= 1 else '  MISSED'}"
        print(f"{name:<{width}}  {found:>24}  {goal:>7}  {share}")
    return 1 if any(row[3] is not None and row[3] > 1 for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
