#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection costs beside bare commands, as ratios of figures from one run on a sandbox Slurm.

    start     allocation granted to last of 32 workers started, against a batch script of 32 background sruns
    same      the same, against a batch script that starts NATS and etcd first, too, and waits until they answer
    launch    the same for the worker stage alone: request to the holder to last worker started
    measure   all healthy to first measured request, module start included (seconds)
    rerun     the whole playbook with nothing to do, against an empty playbook
    stop      32 workers stopped, against 32 background scancel

Workers are programs that write down when they began and sleep. The ways take turns; medians are shown. The controller
talks to the holder through its socket, as on the first node of a job, or through srun, as from a login node.

    tests/benchmarks/overhead.py [--repeats 3] [--workers 32] [--transport srun] [--json FILE]
"""

from __future__ import annotations

import argparse
import datetime
import glob
import json
import pathlib
import re
import shlex
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "tests" / "benchmarks")]

from cluster import wait_for  # noqa: E402
from end_to_end import granted_at  # noqa: E402
from faults import BENCHMARK, Faults  # noqa: E402

GOALS = {"start": 1.15, "same": None, "launch": 1.15, "measure": 1.5, "rerun": 6.0, "stop": None}
SRUN = "srun --overlap --nodes=1 --ntasks=1 --mpi=none --cpu-bind=none --input=none --output=/dev/null"
STOP = """
import json, sys, time
sys.path.insert(0, sys.argv[1])
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.stages import srun_worker
params = {key: option.get("default") for key, option in srun_worker.ARGUMENT_SPEC.items()}
params.update(plan_path=sys.argv[2], tier="worker", state="stopped")
began = time.time()
srun_worker.run(params, Context())
print(time.time() - began)
"""


class Overhead:
    """The measurements, on one cluster."""

    def __init__(self, cluster, workers):
        self.cluster, self.workers = cluster, workers
        self.marks = cluster.folder / "marks"
        self.begin = f"echo $EPOCHREALTIME > {self.marks}/$SLURM_JOB_ID.$SLURM_STEP_ID"
        self.number, self.plan = 0, None

    def last(self):
        """Return when the last worker began."""
        files = wait_for(self._marks, "all workers to begin", timeout_s=120)
        return max(float(text) for text in files)

    def _marks(self):
        texts = [path.read_text().strip() for path in self.marks.iterdir()]
        return texts if len(texts) >= self.workers and all(texts) else None

    def clear(self):
        """Forget what began."""
        self.marks.mkdir(exist_ok=True)
        for path in self.marks.iterdir():
            path.unlink()

    def ours(self):
        """Return {start, launch, stop} in seconds, by the playbook."""
        self.clear()
        self.number += 1
        cluster = self.cluster
        cluster.trap("mocker", f"{self.begin}; exec sleep 600")
        nodes = self.workers // 8
        job = cluster.job_file(
            f"many{self.number}",
            resources={"gpus_per_node": 8, "agg_nodes": nodes, "agg_workers": self.workers, "gpus_per_agg": 1},
        )
        process = cluster.start_playbook(job, "-e", "keep=600", "--tags", "allocation,preflight,head_infra,worker")
        cluster.until(process, "srt.slurm.worker :")
        stage = time.time()
        process.stdout.read()
        if process.wait(timeout=120):
            raise SystemExit("the playbook failed")
        last, job_id = self.last(), cluster.latest.name
        taken = {"start": last - granted_at(cluster.dir, job_id), "launch": last - stage}
        self.plan = cluster.latest / "plan.json"
        taken["stop"] = float(cluster.run(sys.executable, "-c", STOP, str(ROOT / "collections"), str(self.plan)))
        cluster.run("scancel", job_id)
        cluster.clear()
        wait_for(lambda: cluster.jobs() == [], "the job to be gone")
        return taken

    def bare(self):
        """Return {start, launch, stop} in seconds, by a batch script of background sruns, and by scancel."""
        job_id, taken = self.submit("", "")
        steps = sorted(self.cluster.steps_of(job_id))
        stop = f"for s in {' '.join(steps)}; do scancel --signal=TERM $s & done; wait; "
        stop += f"while squeue -hs -j {job_id} -o %i | grep -vq batch; do sleep 0.02; done"
        began = time.time()
        self.cluster.run("bash", "-c", stop)
        taken["stop"] = time.time() - began
        self.away(job_id)
        return taken

    def same(self):
        """Return {start} in seconds, by a batch script that does the same: NATS, etcd, then the workers."""
        plan = json.loads(self.plan.read_text())
        infra = [step for step in plan["steps"] if step["tier"] == "head_infra"]
        checks = [check for step in infra for check in step["ready"]]
        host = '"${hosts[0]}"'
        # Secrets are references in the plan; here any value will do.
        first = [f"export {name}={shlex.quote(str(value))}" for step in infra for name, value in step["env"].items()]
        first += [f"{SRUN} --nodelist={host} {shlex.join(step['argv'])} &" for step in infra]
        # The plan's own addresses and ports; etcd also has to say that it is healthy, as our check wants.
        wait = [f"until (: </dev/tcp/{c['host']}/{c['port']}) 2>/dev/null; do sleep 0.02; done" for c in checks]
        wait += [
            f"until curl -fs http://{c['host']}:{c['port']}{c['path']} >/dev/null; do sleep 0.02; done"
            for c in checks
            if c["kind"] == "http"
        ]
        job_id, taken = self.submit("\n".join(first + wait), f"--nodelist={','.join(n['name'] for n in plan['nodes'])}")
        self.away(job_id)
        return {"start": taken["start"]}

    def submit(self, before, option):
        """Run a batch script of background sruns of all workers; return (job id, {start, launch} in seconds)."""
        self.clear()
        cluster, nodes = self.cluster, self.workers // 8
        task = shlex.quote(f"{self.begin}; exec sleep 600")
        lines = ["#!/bin/bash", "hosts=($(scontrol show hostnames))", before]
        lines += [f"echo $EPOCHREALTIME > {cluster.folder}/stage"]
        lines += [f"{SRUN} --nodelist=${{hosts[{i % nodes}]}} bash -c {task} &" for i in range(self.workers)]
        script = cluster.folder / "bare.sh"
        script.write_text("\n".join([*lines, "wait", ""]))
        job_id = cluster.run(
            "sbatch",
            "--parsable",
            f"--nodes={nodes}",
            "--exclusive",
            "--gpus-per-node=8",
            "--output=/dev/null",
            *([option] if option else []),
            str(script),
        ).strip()
        last = self.last()
        stage = float((cluster.folder / "stage").read_text())
        return job_id, {"start": last - granted_at(cluster.dir, job_id), "launch": last - stage}

    def away(self, job_id):
        """End a job of bare steps."""
        self.cluster.run("scancel", job_id, check=False)
        wait_for(lambda: self.cluster.jobs() == [], "the job to be gone")

    def measure(self):
        """Return the seconds from all healthy to the first measured request, and of a rerun, and of an empty play."""
        cluster = self.cluster
        cluster.clear()
        job = cluster.job_file("small", benchmark=dict(BENCHMARK, num_warmup_mult=0))
        first, rerun, empty = [], [], []
        book = cluster.folder / "empty.yml"
        book.write_text(json.dumps([{"name": "Empty", "hosts": "localhost", "gather_facts": False, "tasks": []}]))
        for _turn in range(3):
            process = cluster.start_playbook(job, "-e", "keep=600", "-e", "force=true")
            cluster.until(process, "ready after")
            healthy = time.time()
            process.stdout.read()
            if process.wait(timeout=120):
                raise SystemExit("the playbook failed")
            (path,) = [p for p in glob.glob(f"{cluster.latest}/results/*/*.json") if re.search(r"gen_\d+\.json$", p)]
            began = json.loads(pathlib.Path(path).read_text())["started_at"].replace("Z", "+00:00")
            first.append(datetime.datetime.fromisoformat(began).timestamp() - healthy)
            rerun.append(self.timed(cluster.playbook_argv(job, "-e", "keep=600")))
            empty.append(self.timed([*cluster.prefix(), "ansible-playbook", str(book)]))
        cluster.end(job)
        return statistics.median(first), statistics.median(rerun), statistics.median(empty)

    def timed(self, argv):
        """Return the seconds that a command takes; SystemExit if it fails or changes something."""
        began = time.time()
        done = subprocess.run(
            argv, cwd=ROOT, env=self.cluster.environment, capture_output=True, text=True, timeout=300, check=False,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if done.returncode or re.search(r"changed=[1-9]", done.stdout):
            raise SystemExit(done.stdout + done.stderr)
        return time.time() - began


class Bare(Faults):
    """A cluster that also lists steps without a name of ours."""

    def steps_of(self, job_id):
        """Return the ids of the steps of a job."""
        rows = self.run("squeue", "--steps", "--noheader", "--job", job_id, "--format=%i").split()
        return [row for row in rows if row.rsplit(".", 1)[1].isdigit()]


def main():
    """Measure, print the table, exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--workers", type=int, default=32, help="a multiple of 8")
    parser.add_argument("--transport", choices=["socket", "srun"], default="socket", help="to the holder")
    parser.add_argument("--json", help="also write the figures to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the sandbox is stopped then, too
    taken = {"ours": [], "bare": [], "same": []}
    with tempfile.TemporaryDirectory(prefix="srt-overhead-") as folder:
        cluster = Bare(pathlib.Path(folder), max(4, options.workers // 8))
        try:
            if options.transport == "socket":
                del cluster.environment["SRT_SLURM_TRANSPORT"]
            one = Overhead(cluster, options.workers)
            for turn in range(options.repeats):
                for way in ("ours", "same", "bare") if turn % 2 else ("bare", "ours", "same"):
                    taken[way].append(getattr(one, way)())
            first, rerun, empty = one.measure()
        finally:
            cluster.close()
    ratios, figures = {"measure": first, "rerun": rerun / empty}, {"rerun_s": rerun, "empty_s": empty}
    for key in ("start", "launch", "stop"):
        for way, turns in taken.items():
            if key in turns[0]:
                figures[f"{key}_{way}_s"] = statistics.median(turn[key] for turn in turns)
        ratios[key] = figures[f"{key}_ours_s"] / figures[f"{key}_bare_s"]
    ratios["same"] = figures["start_ours_s"] / figures["start_same_s"]
    for name, value in figures.items():
        print(f"{name:14} {value:8.2f}")
    for name, goal in GOALS.items():
        print(f"{name:14} {ratios[name]:8.2f}   {f'goal: at most {goal:g}' if goal else 'no goal'}")
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps({"seconds": figures, "ratios": ratios}, indent=1) + "\n")
    return 1 if any(goal and ratios[name] > goal for name, goal in GOALS.items()) else 0


if __name__ == "__main__":
    sys.exit(main())
