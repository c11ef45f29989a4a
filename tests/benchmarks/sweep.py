#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time of a sweep against one job for each combination, on the same real Slurm, one after the other.

Two services, three concurrencies and two repeats, each repeat of a deployment of its own: twelve measurements. The
sweep runs them in one allocation and starts the service four times. The other way is twelve runs of bench.yml, each
with an allocation and a service of its own. Both measure the same points, with engines that are simulated: a model that
takes minutes to load makes the difference larger.

    .venv/bin/python tests/benchmarks/sweep.py
"""

from __future__ import annotations

import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

from cluster import Cluster  # noqa: E402

SERVICES, LEVELS, REPEATS = (64, 256), (2, 3, 4), (1, 2)


def job(model, name, seqs, **benchmark):
    """Return a job with one prefill and one decode worker on two nodes."""
    return {
        "name": name,
        "model": {"path": str(model), "precision": "fp16"},
        "resources": {
            "gpu_type": "h100",
            "gpus_per_node": 8,
            "prefill_nodes": 1,
            "prefill_workers": 1,
            "decode_nodes": 1,
            "decode_workers": 1,
        },
        "slurm": {"time_limit": "00:20:00"},
        "backend": {"type": "mocker", "speedup_ratio": 1000, "max_num_seqs": seqs},
        "benchmark": {"type": "sa-bench", "isl": 64, "osl": 16, "num_prompts_mult": 20, **benchmark},
    }


def play(cluster, playbook, path, output):
    """Run a playbook; return (seconds, directories of the allocations)."""
    argv = [*cluster.prefix(), "ansible-playbook", playbook, "-e", f"job_file={path}", "-e", f"output_dir={output}"]
    began = time.monotonic()
    done = subprocess.run(
        argv, cwd=ROOT, env=cluster.environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(done.stdout[-4000:] + done.stderr[-2000:])
    return time.monotonic() - began, [one.parent for one in output.glob("*/steps.jsonl")]


def counted(run_dirs):
    """Return (allocations, starts of workers, measurements) of *run_dirs*."""
    events = [json.loads(line) for one in run_dirs for line in (one / "steps.jsonl").read_text().splitlines()]
    tiers = [event.get("tier") for event in events if event["event"] == "start"]
    return len(run_dirs), tiers.count("worker"), tiers.count("benchmark")


def main():
    """Run both ways and print them."""
    with tempfile.TemporaryDirectory(prefix="srt_sweep_") as name:
        cluster = Cluster(pathlib.Path(name), 2)
        try:
            base = job(cluster.model, "grid", "{seqs}", concurrencies=list(LEVELS), repeats=2, repeat_redeploy=True)
            path = cluster.folder / "grid.json"
            path.write_text(json.dumps({"job": {**base, "sweep": {"seqs": list(SERVICES)}}}))
            shared, shared_dirs = play(cluster, "playbooks/sweep.yml", path, cluster.folder / "sweep")
            alone, alone_dirs = 0.0, []
            for seqs, level, repeat in itertools.product(SERVICES, LEVELS, REPEATS):
                name = f"alone_{seqs}_{level}_{repeat}"
                path, output = cluster.folder / f"{name}.json", cluster.folder / name
                path.write_text(json.dumps({"job": job(cluster.model, name, seqs, concurrencies=[level], seed=repeat)}))
                seconds, run_dirs = play(cluster, "bench.yml", path, output)
                alone, alone_dirs = alone + seconds, alone_dirs + run_dirs
            for what, seconds, run_dirs in (("sweep", shared, shared_dirs), ("one job each", alone, alone_dirs)):
                allocations, workers, measured = counted(run_dirs)
                print(f"{what:>13}: {seconds:6.1f} s, {allocations:2} allocations, {workers:2} starts of workers, "
                      f"{measured} measurements")  # fmt: skip
            print(f"        ratio: {alone / shared:.2f}")
        finally:
            cluster.close()


if __name__ == "__main__":
    main()
