#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs of the whole playbook, each with one random fault at a random moment, on a sandbox Slurm.

Counted are finished results that were lost, steps, processes and allocations that were left, runs that reported success
although a point is not what it says, points that are called valid although a part of the service was dead while they
were measured, and failures that do not name the fault's step or node, or the job and why it ended: in the message that
the playbook ends with, or in the evidence that the holder kept of that job.

    tests/benchmarks/chaos.py [--runs 50] [--seed 1] [--fault NAME ...] [--json FILE]

A run whose fault came too late to hit anything does not count towards --runs. Exit code 1 when any goal is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import random
import re
import signal
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests" / "support"), str(ROOT / "collections")]

from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import standing  # noqa: E402
from cluster import Played, interrupt  # noqa: E402
from false_successes import falsely_valid  # noqa: E402
from faults import BENCHMARK, Faults  # noqa: E402

STEPS = ("prefill_0", "decode_0", "decode_1", "frontend_0", "frontend_1", "nginx", "nats", "etcd")
KILLS = {f"kill {step}": step for step in STEPS}
FAULTS = (
    *KILLS,
    "kill client",
    "kill srun",
    "stop client",
    "stop srun, kill step",
    "kill engine",
    "set clock",
    "kill holder",
    "kill controller",
    "interrupt controller",
    "kill controller + part",
    "cancel job",
    "node down",
    "restart slurmctld",
    "cut result",
)
# What the last message says of a job that was taken from under its playbook.
REASONS = {"cancel job": r"(?i:cancelled)", "kill holder": r"is over: .*node\d+ or the holder on it was lost"}
# After these the same playbook is run again, and goes on.
LEFT = ("kill controller", "interrupt controller", "kill controller + part")
HARMLESS = ("restart slurmctld", "cut result", "stop client", "set clock", *LEFT)
# Nobody reports these deaths: what was hit counts as dead from that moment on.
SILENT = ("stop srun, kill step", "kill engine")
LAUNCHER = f'"{sys.executable}" "$@"; exec sleep 600'  # it outlives its engine


TRIES = 4  # times as many runs as are to be hit, at most


class Chaos:
    """One cluster and what happened in it."""

    def __init__(self, cluster, seed, faults=FAULTS):
        self.cluster, self.dice, self.faults = cluster, random.Random(seed), faults
        self.rows, self.number = [], 0
        self.length = self.undisturbed()

    @property
    def hits(self):
        """Return how many runs were hit in time."""
        return sum(row["hit"] for row in self.rows)

    def undisturbed(self):
        """Return how long a run without any fault takes, in seconds."""
        began = time.monotonic()
        played = self.cluster.playbook(self.job("calm"))
        if played.rc:
            raise SystemExit(played.text)
        return time.monotonic() - began

    def job(self, name, mult=60):
        """Write the job of one run, whose points have *mult* requests for each that runs at once."""
        benchmark = dict(BENCHMARK, concurrencies=[2, 4], osl=32, num_prompts_mult=mult)
        return self.cluster.job_file(name, benchmark=benchmark)

    def run(self):
        """Do one run with one fault; append a row of figures."""
        self.number += 1
        name, fault = f"chaos{self.number}", self.dice.choice(self.faults)
        moment = self.dice.uniform(0.5, 0.9 * self.length)
        job = self.job(name, *([400] if fault == "kill controller + part" else []))  # time for both
        if fault == "kill engine":
            self.cluster.trap("mocker", LAUNCHER)
        environment, self.set_clock = self.cluster.clock() if fault == "set clock" else ({}, None)
        process = self.cluster.start_playbook(job, env=environment)
        time.sleep(moment)
        row = {"run": self.number, "fault": fault, "moment_s": round(moment, 1), "named": None}
        hit = None
        while not hit and process.poll() is None:
            hit_at = time.time()
            hit = self.strike(fault, name, process)
            time.sleep(0.0 if hit else 0.1)  # what is to be hit is not there yet
        row["target"] = hit
        finished = self.finished(name)
        played = self.rest(process)
        row["rc"] = played.rc
        silent = [(hit["step"], hit_at)] if hit and fault in SILENT else []
        row["falsely_valid"] = self.falsely_valid(hit, hit_at, silent) if hit else []
        # A run that does well although it was hit by what it cannot survive was over already: no point shows the hit.
        row["hit"] = bool(hit and (played.rc or row["falsely_valid"] or fault in (*HARMLESS, "kill srun")))
        if fault in LEFT:  # the next run goes on
            played = self.cluster.playbook(job)
            row["rc"] = played.rc
        row["message"] = failure(played)
        if hit and played.rc > 0 and fault not in HARMLESS:
            row["named"] = self.names(fault, hit, row["message"])
        row["falsely_valid"] = (
            self.falsely_valid(hit, hit_at, silent) if hit else []
        )  # the next run may have more points
        row["false_success"] = bool(row["falsely_valid"]) or played.rc == 0 and not self.true_success(name)
        row["lost"] = sum(not self.intact(path, digest) for path, digest in finished)
        row["left"], row["gone_after_s"] = self.left(name)
        without_cause = played.rc and (not hit or fault in HARMLESS and fault != "cut result")
        row["failed_without_cause"] = bool(without_cause)
        if without_cause or row["named"] is False or row["left"] or row["lost"] or row["false_success"]:
            row["text"] = played.text[-3000:]
        self.heal()
        self.rows.append(row)
        print({key: value for key, value in row.items() if key != "text"}, flush=True)
        if "text" in row:
            print(row["text"], flush=True)

    def run_dir(self, name):
        """Return the newest run directory of the job called *name*, or None."""
        found = []
        for path in self.cluster.output.glob("[0-9]*/[0-9]*.json"):
            if path.stem == path.parent.name and json.loads(path.read_text()).get("job_name") == name:
                found.append(path.parent)
        return max(found, key=lambda path: int(path.name), default=None)

    def strike(self, fault, name, process):
        """Do *fault* now; return {step, node, job} of what was hit, None when there was nothing to hit."""
        cluster, run_dir = self.cluster, self.run_dir(name)
        jobs = cluster.jobs(name)
        target = {"step": None, "node": None, "job": jobs[0] if jobs else None}
        if fault == "kill controller" or fault == "interrupt controller":
            interrupt(process, signal.SIGKILL if fault == "kill controller" else signal.SIGINT)
            return target
        if fault == "restart slurmctld":
            cluster.sandbox("slurmctld", "stop")
            time.sleep(self.dice.uniform(1, 10))
            cluster.sandbox("slurmctld", "start")
            return target
        if not jobs or not run_dir or not (run_dir / "plan.json").exists():
            return None
        plan, running = cluster.plan(run_dir), cluster.steps(jobs[0])
        service = [step for step in plan["steps"] if step["name"] in running]
        parts = [step["name"] for step in service]
        clients = [point["step"]["name"] for point in plan["benchmark"]["points"] if point["step"]["name"] in running]
        if fault == "cancel job":
            cluster.run("scancel", jobs[0], check=False)
            return target
        if fault == "cut result":
            # What is cut after the rollup, the next run finds out, not this one.
            results = [] if (run_dir / "rollup.json").exists() else self.results(run_dir)[:1]
            for path in results:
                path.write_text(path.read_text()[:50])
            return target if results else None
        if fault == "kill holder":
            return target if self.kill_process(run_dir, "holder", "serve") else None
        if fault == "node down":
            nodes = sorted({step["nodes"][0] for step in service})
            if not nodes:
                return None
            target["node"] = self.dice.choice(nodes)
            cluster.run("scontrol", "update", f"nodename={target['node']}", "state=down", "reason=chaos")
            return target
        if fault == "set clock":
            self.set_clock(self.dice.choice((-3600, 3600)))
            return target
        if fault in ("stop client", "kill engine"):  # a service that is not up yet waits for an engine to its deadline
            return self.strike_process(fault, run_dir, target) if clients else None
        if fault == "kill client":
            names = clients
        elif fault in ("kill srun", "stop srun, kill step", "kill controller + part"):
            names = parts
        else:
            names = [name for name in parts if name == KILLS[fault]]
        if not names:
            return None
        if fault == "kill controller + part":
            if not clients:
                return None
            interrupt(process, signal.SIGKILL)
            process.wait()
        target["step"] = self.dice.choice(sorted(names))
        if fault == "kill srun":
            return target if self.kill_process(run_dir, "srun", f"--job-name={target['step']}") else None
        if fault == "stop srun, kill step" and not cluster.stop_client(target["step"], run_dir):
            return None
        cluster.run("scancel", "--signal=KILL", running[target["step"]], check=False)
        return target

    def strike_process(self, fault, run_dir, target):
        """Stop the load client for some seconds, or kill an engine below its launcher; return the target, or None."""
        if fault == "stop client":
            for pid in self.cluster.pids("python", "/load_client\0", run_dir=run_dir)[:1]:
                signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGSTOP)
                time.sleep(self.dice.uniform(1.5, 4))
                os.kill(pid, signal.SIGCONT)
                return target
            return None
        mode = self.dice.choice(("prefill", "decode"))
        for pid in sorted(self.cluster.engines(mode, run_dir))[:1]:
            log = pathlib.Path(os.readlink(f"/proc/{pid}/fd/1"))
            target["step"] = log.stem.partition("_")[2]
            signal.pidfd_send_signal(os.pidfd_open(pid), signal.SIGKILL)
            return target
        return None

    def kill_process(self, run_dir, *words):
        """Kill the first process that has all *words* and the run directory in its command line."""
        for path in sorted(pathlib.Path("/proc").glob("[0-9]*/cmdline"), key=lambda one: int(one.parent.name)):
            try:
                line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(run_dir) in line and all(word in line for word in words):
                signal.pidfd_send_signal(os.pidfd_open(int(path.parent.name)), signal.SIGKILL)
                return True
        return False

    def results(self, run_dir):
        """Return the result files of a run that have a verdict."""
        return [p for p in sorted(run_dir.glob("results/*/*.json")) if p.with_suffix(".verdict.json").exists()]

    def finished(self, name):
        """Return (path, digest) of the valid results of a job as they are now."""
        run_dir, found = self.run_dir(name), []
        for path in self.results(run_dir) if run_dir else []:
            try:
                verdict = json.loads(path.with_suffix(".verdict.json").read_text())
            except ValueError:
                continue
            if verdict.get("valid") and self.intact(path, verdict["digest"]):
                found.append((path, verdict["digest"]))
        return found

    def intact(self, path, digest):
        """Return whether a finished result still counts."""
        return not standing({"digest": digest, "result": path.name}, str(path)).reasons

    def true_success(self, name):
        """Return whether a run that reports success has complete results of all points, from the files alone."""
        run_dir = self.run_dir(name)
        for point in self.cluster.plan(run_dir)["benchmark"]["points"]:
            path = run_dir / point["result"]
            if not path.exists() or standing(point, str(path))[1]:
                return False
            raw = json.loads(path.read_text())
            if raw["completed"] < 0.99 * point["expect"]["num_prompts"]:
                return False
        return True

    def falsely_valid(self, target, since, silent):
        """Return which points of the job that was hit are valid although a part of the service was dead."""
        return falsely_valid(self.cluster.output / str(target["job"]), since, silent) if target["job"] else []

    def names(self, fault, target, message):
        """Return whether the last message or the kept evidence names what was hit, and for a job, why it ended."""
        kept = [json.loads(path.read_text()) for path in self.cluster.output.glob(f"{target['job']}/evidence/*.json")]
        step, node = target["step"], target["node"]
        if step:
            return any(one["step"] == step for one in kept) or bool(re.search(rf"\b{step}\b", message))
        if node:
            blamed = any(one["node"] == node and one["kind"] == "node" for one in kept)
            return blamed or bool(re.search(rf"\b{node}\b", message))
        return bool(re.search(rf"\b[Jj]ob {target['job']}\b.*{REASONS[fault]}", message, re.S))

    def rest(self, process):
        text = process.stdout.read()
        return Played(process.wait(timeout=300), text)

    def left(self, name):
        """Return (what is left of the job after its end: allocations and processes; when the last of it had gone).

        A step that slurmd launches in the moment in which slurmctld takes its job from it is found by Slurm alone, when
        the node reports its steps the next time: that may be a minute later.
        """
        began = time.monotonic()
        while time.monotonic() - began < 90:
            left = self.cluster.jobs(name) + self.cluster.processes()
            if not left:
                return [], round(time.monotonic() - began, 1)
            time.sleep(0.2)
        return left, float("inf")

    def heal(self):
        """Bring nodes back, and end what is left, so that the next run is independent of this one."""
        self.cluster.clear()
        if self.set_clock:
            self.set_clock(0)
        for job_id in self.cluster.jobs():
            self.cluster.run("scancel", job_id, check=False)
        down = self.cluster.run("sinfo", "--noheader", "--Node", "--states=down,drain", "--format=%N").split()
        for node in down:
            self.cluster.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)


def failure(played):
    """Return the message of the last task that failed, "" if none did."""
    found = re.findall(r"^fatal: \[.*?\]: FAILED! => (.*)$", played.text, re.M)
    return found[-1] if found else ""


def main():
    """Run, print the figures, exit 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=50, help="so many runs whose fault hits something")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no further run after so long")
    parser.add_argument("--fault", action="append", choices=FAULTS, help="only this one; may be given again")
    parser.add_argument("--json", help="also write the rows to this file")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the sandbox is stopped then, too
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="srt-chaos-") as folder:
        cluster = Faults(pathlib.Path(folder))
        try:
            chaos = Chaos(cluster, options.seed, options.fault or FAULTS)
            while chaos.hits < options.runs and chaos.number < TRIES * options.runs:
                if time.monotonic() - began > 60 * options.minutes:
                    break
                chaos.run()
        finally:
            cluster.close()
    rows = chaos.rows
    if options.json:
        pathlib.Path(options.json).write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    failures = [row for row in rows if row["rc"]]
    unnamed = [row["run"] for row in rows if row["named"] is False]
    figures = {
        "runs that a fault hit": chaos.hits,
        "runs besides whose fault came too late": len(rows) - chaos.hits,
        "runs that failed": len(failures),
        "seconds until the last step had gone, at most": max(row["gone_after_s"] for row in rows),
        "finished results lost": sum(row["lost"] for row in rows),
        "steps, processes or allocations left": sum(len(row["left"]) for row in rows),
        "false successes": sum(row["false_success"] for row in rows),
        "failures that do not name the fault": len(unnamed),
        "failures of runs that nothing, or something harmless, hit": sum(r["failed_without_cause"] for r in rows),
    }
    for name, value in figures.items():
        print(f"{name:58} {value}")
    return 1 if any(list(figures.values())[4:]) else 0


if __name__ == "__main__":
    sys.exit(main())
