# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Slurm of six nodes, the playbook, and many ways to break either.

A job's programs go through one script, which does what a *trap* says first: a piece of shell for workers (``mocker``),
frontends (``frontend``) or the load client (``client``). It may exit, hang, ignore signals or become another program.
"""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import zlib

from cluster import SANDBOX, Cluster, Played, wait_for

WRAPPER = """#!/bin/bash
case "$*" in
    *dynamo.mocker*) trap_=mocker ;;
    *dynamo.frontend*) trap_=frontend ;;
    */load_client*) trap_=client ;;
esac
if [ -n "$trap_" ] && [ -e {folder}/$trap_ ]; then . {folder}/$trap_; fi
exec {python} "$@"
"""
# What a site's health check does before a job begins on a node.
PROLOG = """#!/bin/sh
if [ -e {folder}/prolog.$SLURMD_NODENAME ]; then . {folder}/prolog.$SLURMD_NODENAME; fi
"""
# What a site wants done before each task of a step. What it prints after "print " counts as printed by the task.
TASK_PROLOG = """#!/bin/sh
if [ -e {folder}/task ]; then . {folder}/task; fi
"""
# The wall clock of a process, so many seconds ahead as a file says.
CLOCK = """\
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    long result = syscall(SYS_clock_gettime, clock, now);
    char text[32] = "";
    int file = clock == CLOCK_REALTIME ? open("OFFSET", O_RDONLY) : -1;
    if (file >= 0) {
        if (read(file, text, sizeof text - 1) > 0) now->tv_sec += atol(text);
        close(file);
    }
    return result;
}
"""
# What nvidia-smi prints for the questions of preflight. A trap changes the GPUs of one node.
NVIDIA_SMI = """#!/bin/sh
gpus=8 processes=
if [ -e {folder}/gpus.$SLURMD_NODENAME ]; then . {folder}/gpus.$SLURMD_NODENAME; fi
case "$*" in
    *--query-compute-apps=*) if [ -n "$processes" ]; then echo "$processes"; fi ;;
    *clocks.sm*) for i in $(seq 0 $((gpus - 1))); do
        echo "$i, NVIDIA H100, GPU-0a1b2c3d-000$i, 0000:0$i:00.0, 580.65, 81559, 1980, 1980, 2619, 700.00, 41, P0, 0"
    done ;;
    "nvlink -e") printf 'GPU 0: NVIDIA H100\\n\\t Link 0: Replay Errors: 2\\n' ;;
    *--query-gpu=*) for i in $(seq 0 $((gpus - 1))); do echo "$i, GPU-0a1b2c3d-000$i, 4"; done ;;
    *) exit 6 ;;
esac
"""
# Jobs of "urgent" take the nodes of others: those of "gpu" go back into the queue if they may, those of "spot" do not,
# and those of "grace" get a signal before.
SLURM_CONF = (
    "Prolog={prolog}",
    "TaskProlog={task_prolog}",
    "PreemptType=preempt/partition_prio",
    "PreemptMode=REQUEUE",
    "PartitionName=urgent Nodes=node[001-00{nodes}] PriorityTier=100 MaxTime=INFINITE State=UP",
    "PartitionName=spot Nodes=node[001-00{nodes}] PreemptMode=CANCEL MaxTime=INFINITE State=UP",
    "PartitionName=grace Nodes=node[001-00{nodes}] GraceTime=20 MaxTime=INFINITE State=UP",
)
BENCHMARK = {
    "type": "sa-bench", "isl": 64, "osl": 8, "concurrencies": [2], "num_prompts_mult": 5, "num_warmup_mult": 1,
}  # fmt: skip
# Some seconds of load: time enough to break something meanwhile.
LONG = dict(BENCHMARK, osl=64, num_prompts_mult=1500)
NODES = 6


class Faults(Cluster):
    """A cluster that can be broken in many ways."""

    def __init__(self, folder, nodes=NODES):
        self.disk = folder / "sandbox" / "disk"  # a small one that all nodes share
        self.traps = folder / "traps"
        self.traps.mkdir()
        scripts = {"prolog": PROLOG, "task_prolog": TASK_PROLOG}
        for name, text in scripts.items():
            (folder / name).write_text(text.format(folder=self.traps))
            (folder / name).chmod(0o755)
        paths = {name: folder / name for name in scripts}
        lines = [line.format(nodes=nodes, **paths) for line in SLURM_CONF]
        words = [word for line in lines for word in ("--slurm-conf", line)]
        super().__init__(folder, nodes, "--small-disk-mb", "24", *words)
        # Nodes and login share a machine here, where a controller would reach the holder without Slurm.
        self.environment["SRT_SLURM_TRANSPORT"] = "srun"
        self.python = folder / "python"
        self.python.write_text(WRAPPER.format(folder=self.traps, python=sys.executable))
        self.python.chmod(0o755)

    def trap(self, program, shell):
        """Let *program* (mocker, frontend, client) run *shell* before it begins, or instead; ``task`` is any task."""
        (self.traps / program).write_text(shell + "\n")

    def clear(self):
        """Take all traps away."""
        for path in self.traps.iterdir():
            path.unlink()

    def job_file(self, name, **changes):
        """Write a job whose programs can be trapped; its points are like those of no other name."""
        benchmark = dict(changes.pop("benchmark", BENCHMARK), seed=zlib.crc32(name.encode()) % 100000)
        return super().job_file(name, python=str(self.python), benchmark=benchmark, **changes)

    def sandbox(self, *words, check=True):
        """Run a command of the sandbox, such as ``node node002 cut``."""
        subprocess.run([SANDBOX, *words, "--dir", self.dir], check=check, timeout=120)

    def plan(self, run_dir=None):
        """Return the plan of the newest run."""
        return json.loads(((run_dir or self.latest) / "plan.json").read_text())

    def node_of(self, step, run_dir=None):
        """Return the first node of a step of the plan."""
        return next(one["nodes"][0] for one in self.plan(run_dir)["steps"] if one["name"] == step)

    def evidence(self, step, attempt=1, run_dir=None):
        """Return the evidence that the holder kept."""
        return json.loads(((run_dir or self.latest) / "evidence" / f"{step}.{attempt}.json").read_text())

    def rollup(self, run_dir=None):
        """Return the rollup of the newest run."""
        return json.loads(((run_dir or self.latest) / "rollup.json").read_text())

    def kill(self, job_id, *steps, signal_="KILL"):
        """Signal the processes of steps."""
        running = self.steps(job_id)
        self.run("scancel", f"--signal={signal_}", *[running[step] for step in steps])

    def pids(self, program, *words, run_dir=None):
        """Return the processes of a *program* whose command line has all *words* and the newest run's directory."""
        found, wanted = [], [*words, str(run_dir or self.latest)]
        for path in sorted(pathlib.Path("/proc").glob("[0-9]*"), key=lambda one: int(one.name)):
            try:
                line = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            if line[0].endswith(program) and all(word in "\0".join(line) for word in wanted):
                found.append(int(path.name))
        return found

    def kill_holder(self):
        """Kill the process that serves the newest run."""
        for pid in self.pids("python3", "\0serve\0"):
            os.kill(pid, signal.SIGKILL)

    def stop_client(self, step, run_dir=None):
        """Stop the srun client of a step (it is two processes); return whether there is one."""
        pids = self.pids("srun", f"--job-name={step}\0", run_dir=run_dir)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        return bool(pids)

    def engines(self, word, run_dir=None):
        """Return the processes of simulated workers whose command line has *word*."""
        found = []
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                if os.readlink(path / "cwd") == str(run_dir or self.latest) and b"dynamo.mocker" in words:
                    found += [int(path.name)] if word.encode() in words and b"python" in words[0] else []
            except OSError:
                continue
        return found

    def usable(self):
        """Resume nodes that Slurm has drained since a test broke them, and tell whether all wait for jobs.

        Where a node was cut off, or is slow, its slurmd says late that it could not kill a task.
        """
        # sinfo of this version goes on to call a node mixed that was drained while steps ran on it.
        shown = self.run("scontrol", "--oneliner", "show", "node")
        states = dict(re.findall(r"^NodeName=(\S+) .*? State=(\S+)", shown, re.M))
        for name in (name for name, state in states.items() if re.search("DRAIN|DOWN|FAIL", state)):
            self.run("scontrol", "update", f"NodeName={name}", "State=RESUME", check=False)
        return set(states.values()) == {"IDLE"}

    def submit(self, job, *args):
        """Submit *job* with its playbook; return (job id, run directory)."""
        argv = ["ansible-playbook", "playbooks/submit.yml", "-e", f"@{job}", "-e", f"output_dir={self.output}", *args]
        # Its playbook runs beside the holder, also on a real cluster.
        text = self.run("env", "--unset=SRT_SLURM_TRANSPORT", *argv)
        job_id = re.search(r"Job (\d+) \(.*?\) was submitted", text).group(1)
        return job_id, self.output / job_id

    def preempt(self, nodes=NODES, seconds=2):
        """Submit a job that takes the nodes of others."""
        self.run("sbatch", "--partition=urgent", f"--nodes={nodes}", "--exclusive", "--job-name=urgent",
                 "--output=/dev/null", f"--wrap=sleep {seconds}")  # fmt: skip

    def gpus(self, **nodes):
        """Return an environment in which nodes have an nvidia-smi; ``node002="gpus=7"`` (shell) changes one of them."""
        folder = self.folder / "nvidia"
        folder.mkdir(exist_ok=True)
        (folder / "nvidia-smi").write_text(NVIDIA_SMI.format(folder=self.traps))
        (folder / "nvidia-smi").chmod(0o755)
        for node, shell in nodes.items():
            (self.traps / f"gpus.{node}").write_text(shell + "\n")
        return {"PATH": f"{folder}:{self.environment['PATH']}"}

    def clock(self):
        """Return (an environment for a playbook whose holder has a clock of its own, how to set it by seconds)."""
        folder = self.folder / "clock"
        folder.mkdir(exist_ok=True)
        (folder / "clock.c").write_text(CLOCK.replace("OFFSET", str(folder / "offset")))
        library, real = folder / "clock.so", shutil.which("python3", path=self.environment["PATH"])
        subprocess.run(["cc", "-shared", "-fPIC", "-o", library, folder / "clock.c"], check=True)
        wrapper = f'#!/bin/sh\ncase "$*" in *"/holder serve "*) export LD_PRELOAD={library} ;; esac\nexec {real} "$@"\n'
        (folder / "python3").write_text(wrapper)
        (folder / "python3").chmod(0o755)
        return (
            {"PATH": f"{folder}:{self.environment['PATH']}"},
            lambda seconds: (folder / "offset").write_text(f"{seconds}\n"),
        )

    def until(self, process, text, timeout_s=180):
        """Read the lines of a playbook until one holds *text*; return all that was read."""
        seen, end = [], time.monotonic() + timeout_s
        for line in process.stdout:
            seen.append(line)
            if text in line:
                return "".join(seen)
            assert time.monotonic() < end, "".join(seen)
        raise AssertionError(f"the playbook ended before {text!r}: {''.join(seen)}")

    def rest(self, process, seen=""):
        """Wait for the end of a playbook; return what it gave."""
        text = seen + process.stdout.read()
        return Played(process.wait(timeout=120), text)

    def measuring(self, job, *args, step="bench_c2"):
        """Start the playbook and return it, its job and its output once the first point is measured."""
        process = self.start_playbook(job, *args)
        seen = self.until(process, "srt.slurm.benchmark :")
        job_id = self.latest.name
        wait_for(lambda: self.progress() > 0, f"{step} to have completed requests")
        return process, job_id, seen

    def progress(self):
        """Return how many requests of the newest run's points are done."""
        done = 0
        for path in self.latest.glob("results/*/*.progress.json"):
            try:
                record = json.loads(path.read_text())
            except ValueError:
                continue
            done += (record.get("done") or 0) if record.get("state") == "running" else 0
        return done

    def gone(self, name):
        """Nothing is left of the jobs called *name*."""
        wait_for(lambda: self.jobs(name) == [], f"{name} to leave the queue")
        self.alone()

    def listen(self, node, port):
        """Let a foreign process listen on *port* of *node*; return its process."""
        code = f"import socket,time; s=socket.socket(); s.setsockopt(1,2,1); s.bind(('',{port})); s.listen(); "
        code += "print('ready',flush=True); time.sleep(600)"
        process = subprocess.Popen(
            [*self.prefix(node), sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert process.stdout.readline().strip() == "ready"
        return process

    def commands(self, **scripts):
        """Return an environment in which Slurm commands run *scripts* first; {real} is the true program."""
        folder = self.folder / f"commands{len(list(self.folder.glob('commands*')))}"
        folder.mkdir()
        for name, text in scripts.items():
            real = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
            (folder / name).write_text("#!/bin/bash\n" + text.replace("{real}", real) + f'\nexec {real} "$@"\n')
            (folder / name).chmod(0o755)
        return {"PATH": f"{folder}:{self.environment['PATH']}"}


def stop(process, number=signal.SIGTERM):
    """End a process that was started in a session of its own."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    process.wait(timeout=30)


def failed(played, *texts):
    """Assert that a run failed and said each of *texts*."""
    assert played.rc != 0, played.text
    for text in texts:
        assert re.search(text, played.text), f"{text!r} is not in: {played.text}"
    return played
