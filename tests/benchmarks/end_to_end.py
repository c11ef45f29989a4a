#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time from the allocation granted to the first measured request, all parts real.

Two shapes: 2+2 workers on 5 nodes and 8+8 workers on 17 nodes, each with a dedicated infra node, several
frontends and nginx. The clock starts when slurmctld says that it started the job (its own log, milliseconds)
and stops at the start of the measurement that the load client recorded. The time of every stage is printed
beside it, from the moment its task line appeared.

    .venv/bin/python tests/benchmarks/end_to_end.py [--runs N] [--shape 2x5] [--shape 8x17]
"""

from __future__ import annotations

import argparse
import datetime
import glob
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOALS_S = {"2x5": 5.0, "8x17": 14.0}


def job_text(workers, nodes, model):
    """Return the job of a shape: *workers* prefill and *workers* decode workers on *nodes* nodes."""
    return json.dumps(
        {
            "job": {
                "name": f"e2e-{workers}x{nodes}",
                "model": {"path": str(model), "precision": "fp16"},
                "resources": {
                    "gpu_type": "h100",
                    "gpus_per_node": 8,
                    "prefill_nodes": workers,
                    "prefill_workers": workers,
                    "decode_nodes": workers,
                    "decode_workers": workers,
                },
                "slurm": {"time_limit": "00:20:00"},
                "infra": {"etcd_nats_dedicated_node": True},
                "backend": {"type": "mocker", "speedup_ratio": 1000},
                "frontend": {"type": "dynamo", "num_additional_frontends": 1, "args": {"router-mode": "kv"}},
                "benchmark": {
                    "type": "sa-bench",
                    "isl": 128,
                    "osl": 16,
                    "concurrencies": [4],
                    "num_prompts_mult": 10,
                    "num_warmup_mult": 0,
                },
            }
        }
    )


def granted_at(sandbox_dir, job_id):
    """Return the time at which slurmctld started *job_id*, as seconds since the epoch."""
    for path in glob.glob(f"{sandbox_dir}/**/slurmctld.log", recursive=True):
        for line in pathlib.Path(path).read_text(errors="replace").splitlines():
            if re.search(rf"(Allocate|Started|_start_job).*JobId={job_id}\b", line):
                stamp = re.match(r"\[([0-9T:.-]+)\]", line).group(1)
                return datetime.datetime.fromisoformat(stamp).timestamp()
    raise SystemExit(f"slurmctld.log of {sandbox_dir} does not say when job {job_id} started")


def one_run(shape, workers, nodes, model, scratch):
    """Run the shape once in a sandbox of its own; return (seconds, {stage: seconds})."""
    sandbox = [str(ROOT / "bin" / "sandbox")]
    sandbox_dir = str(scratch / "sandbox")
    job = scratch / "job.yaml"
    job.write_text(job_text(workers, nodes, model))
    output = scratch / "outputs"
    subprocess.run(
        [*sandbox, "start", "--nodes", str(nodes), "--dir", sandbox_dir], check=True, stdout=subprocess.DEVNULL
    )
    try:
        command = [
            *sandbox, "exec", "--dir", sandbox_dir, "--",
            "ansible-playbook", "bench.yml", "-e", f"@{job}", "-e", f"output_dir={output}",
        ]  # fmt: skip
        environment = dict(
            os.environ, PATH=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}", ANSIBLE_NOCOLOR="1"
        )
        marks = []
        lines = []
        with subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            for line in process.stdout:
                lines.append(line)
                match = re.match(r"(?:TASK|PLAY) \[(.*?)\]|PLAY (RECAP)", line)
                if match:
                    marks.append((time.time(), match.group(1) or match.group(2)))
        if process.returncode:
            raise SystemExit("".join(lines[-60:]))
        run_dir = output / "latest"
        (result_path,) = [p for p in glob.glob(f"{run_dir}/results/*/*.json") if re.search(r"gpus_\d+[^.]*\.json$", p)]
        result = json.loads(pathlib.Path(result_path).read_text())
        first = datetime.datetime.fromisoformat(result["started_at"].replace("Z", "+00:00")).timestamp()
        stages = {name: after[0] - start for (start, name), after in zip(marks, marks[1:])}
        return first - granted_at(sandbox_dir, os.path.basename(os.path.realpath(run_dir))), stages
    finally:
        subprocess.run([*sandbox, "stop", "--dir", sandbox_dir], check=True, stdout=subprocess.DEVNULL)


def main():
    """Run the shapes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--shape", action="append", choices=sorted(GOALS_S))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="srt_e2e_") as folder:
        model = pathlib.Path(folder) / "model"
        subprocess.run(
            [sys.executable, str(ROOT / "bin" / "make-tiny-model"), str(model)], check=True, stdout=subprocess.DEVNULL
        )
        for shape in options.shape or sorted(GOALS_S):
            workers, nodes = (int(part) for part in shape.split("x"))
            seconds = []
            for run in range(options.runs):
                scratch = pathlib.Path(folder) / f"{shape}_{run}"
                scratch.mkdir()
                total, stages = one_run(shape, workers, nodes, model, scratch)
                seconds.append(total)
            print(f"\n{workers}+{workers} workers on {nodes} nodes: allocation granted to first measured request")
            listed = " ".join(f"{value:.2f}" for value in seconds)
            print(f"  runs (s)  {listed}   median {statistics.median(seconds):.2f}   goal < {GOALS_S[shape]:g}")
            print("  stages of the last run (s):")
            for name, duration in stages.items():
                if duration >= 0.005:
                    print(f"    {duration:6.2f}  {name}")


if __name__ == "__main__":
    main()
