# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Slurm of four nodes and the playbook, as a user has them."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
SANDBOX = str(ROOT / "bin" / "sandbox")
SLURM = ("slurmctld", "slurmd", "slurmscriptd", "slurmstepd")  # names of processes that are no part of a run


class Cluster:
    """A sandbox, a tiny model, and ways to run commands and the playbook in it."""

    def __init__(self, folder, nodes, *options):
        self.folder = folder
        self.dir = str(folder / "sandbox")
        self.output = folder / "outputs"
        self.model = folder / "model"
        self.environment = dict(
            os.environ,
            PATH=f"{pathlib.Path(sys.executable).parent}:{os.environ['PATH']}",
            ANSIBLE_NOCOLOR="1",
            ANSIBLE_FORCE_COLOR="0",
        )
        subprocess.run([sys.executable, str(ROOT / "bin" / "make-tiny-model"), str(self.model)], check=True)
        subprocess.run([SANDBOX, "start", "--nodes", str(nodes), "--dir", self.dir, *options], check=True)

    def close(self):
        """Stop the sandbox."""
        subprocess.run([SANDBOX, "stop", "--dir", self.dir], check=True)

    def prefix(self, node=None):
        """Return the argv that runs a command inside the sandbox, on *node* if given."""
        return [f"{self.dir}/exec", *(["--node", node] if node else []), "--"]

    def run(self, *argv, node=None, check=True):
        """Run a command in the sandbox and return its standard output."""
        done = subprocess.run(
            [*self.prefix(node), *argv],
            cwd=ROOT,
            env=self.environment,
            text=True,
            capture_output=True,
            timeout=240,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{argv} gave {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def job_file(self, name, **changes):
        """Write a small job (1 prefill, 1 decode worker on 3 nodes) with top-level *changes*; return its path."""
        job = {
            "name": name,
            "model": {"path": str(self.model), "precision": "fp16"},
            "resources": {
                "gpu_type": "h100",
                "gpus_per_node": 8,
                "prefill_nodes": 1,
                "prefill_workers": 1,
                "decode_nodes": 2,
                "decode_workers": 2,
            },
            "slurm": {"time_limit": "00:20:00"},
            "backend": {"type": "mocker", "speedup_ratio": 1000},
            "frontend": {"type": "dynamo", "num_additional_frontends": 1, "args": {"router-mode": "kv"}},
            "benchmark": {
                "type": "sa-bench",
                "isl": 64,
                "osl": 8,
                "concurrencies": [2],
                "num_prompts_mult": 5,
                "num_warmup_mult": 1,
            },
        }
        job.update(changes)
        path = self.folder / f"{name}.yaml"
        path.write_text(json.dumps({"job": job}))
        return path

    def playbook_argv(self, job, *args):
        """Return the argv of the playbook for *job*."""
        return [*self.prefix(), "ansible-playbook", "bench.yml", "-e", f"@{job}", "-e", f"output_dir={self.output}",
                "-e", "wait_timeout_s=60", *args]  # fmt: skip

    def playbook(self, job, *args, env=None):
        """Run the playbook to its end."""
        return self.play(self.playbook_argv(job, *args), env)

    def play(self, argv, env=None):
        """Run the command line of a playbook (in the sandbox) to its end, with the variables *env* set there."""
        done = subprocess.run(
            self._with(env, argv),
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=600,
            check=False,
        )
        return Played(done.returncode, done.stdout)

    def _with(self, env, argv):
        """Return *argv*, which runs something in the sandbox, with the variables *env* set there."""
        inside = len(self.prefix())
        return [*argv[:inside], "env", *(f"{name}={value}" for name, value in (env or {}).items()), *argv[inside:]]

    def start_playbook(self, job, *args, env=None):
        """Start the playbook in a session of its own, for tests that interrupt it."""
        return subprocess.Popen(
            self._with(env, self.playbook_argv(job, *args)),
            cwd=ROOT,
            env=self.environment,
            text=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def jobs(self, name=None):
        """Return the ids of all jobs that Slurm lists, or of those called *name*."""
        return self.run("squeue", "--noheader", "--format=%i", *([f"--name={name}"] if name else [])).split()

    def steps(self, job_id):
        """Return {step name: step id} of the service's steps of a job, as Slurm lists them."""
        rows = self.run("squeue", "--steps", "--noheader", "--job", job_id, "--format=%i|%j").split()
        pairs = [row.split("|") for row in rows]
        return {name: step for step, name in pairs if step.rsplit(".", 1)[1].isdigit()}

    def processes(self):
        """Return what runs of this cluster's jobs and playbooks, each as "process id, program: command line".

        Most parts of a service do not name the run in their command line, and what outlived its step may have lost
        its name: they are known by where they work and write, too, and by the job in their environment. Slurm's own
        processes are left out.
        """
        found = []
        for path in sorted(pathlib.Path("/proc").glob("[0-9]*"), key=lambda one: int(one.name)):
            try:
                program = (path / "comm").read_text().strip()
                if program not in SLURM and int(path.name) != os.getpid() and self._ours(path):
                    line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
                    found.append(f"{path.name} {program}: {line}")
            except OSError:  # it has ended, or belongs to another user
                continue
        return found

    def _ours(self, path):
        """Return whether the process with this folder in /proc belongs to a run; OSError if that cannot be seen."""
        output = str(self.output)
        if output.encode() in (path / "cmdline").read_bytes():
            return True
        for link in ("cwd", "fd/1", "fd/2"):
            with contextlib.suppress(FileNotFoundError):  # a closed descriptor
                if f"{os.readlink(path / link)}/".startswith(f"{output}/"):
                    return True
        words = (path / "environ").read_bytes().split(b"\0")
        in_job = any(word.startswith(b"SLURM_JOB_ID=") for word in words)
        return in_job and f"SLURM_CONF={self.dir}/etc/slurm.conf".encode() in words

    def freeze(self, word, number=signal.SIGSTOP):
        """Stop the processes of the newest run whose command line has *word*, or SIGCONT them; return how many."""
        frozen = 0
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                if os.readlink(path / "cwd") == str(self.latest) and word.encode() in (path / "cmdline").read_bytes():
                    os.kill(int(path.name), number)
                    frozen += 1
            except OSError:
                continue
        return frozen

    def alone(self):
        """Wait until no process of ours is left."""
        wait_for(lambda: self.processes() == [], lambda: f"no process of ours to be left: {self.processes()}")

    @property
    def latest(self):
        """Return the newest run directory."""
        return (self.output / "latest").resolve()

    def end(self, job, *args):
        """End what a test left up."""
        played = self.playbook(job, "--tags", "teardown", *args)
        assert played.rc == 0, played.text
        assert self.jobs(job.stem) == []


class Played:
    """What one run of the playbook gave: exit code, text, and the recap as {host: {counter: n}}."""

    def __init__(self, rc, text):
        self.rc = rc
        self.text = text
        self.recap = {}
        for host, counters in re.findall(r"^(\S+)\s+: (ok=.*)$", text, re.M):
            self.recap[host] = {key: int(value) for key, value in re.findall(r"(\w+)=(\d+)", counters)}

    @property
    def changed(self):
        """Return how many tasks changed something."""
        return sum(counters["changed"] for counters in self.recap.values())

    @property
    def tasks(self):
        """Return the names of the tasks that ran, in order."""
        return re.findall(r"^TASK \[(.*?)\]", self.text, re.M)


def wait_for(condition, what, timeout_s=100):
    """Wait until *condition()* is true, looking often; fail with *what* (or what it gives) after *timeout_s*.

    That is long enough for a slow machine, and less than the lease (120 s): a job that nobody but its lease ended would
    not pass for one that was ended.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {timeout_s} s for: {what() if callable(what) else what}"
        time.sleep(0.05)


def interrupt(process, number=signal.SIGINT):
    """Send *number* to the playbook's whole process group, as a terminal does.

    Ctrl-C once more after a while, as a person does: Ansible hangs when a worker of it dies at a bad moment.
    """
    os.killpg(process.pid, number)
    if number == signal.SIGINT:
        threading.Thread(target=_again, args=(process,), daemon=True).start()


def _again(process, patience_s=20.0):
    until = time.monotonic() + patience_s
    while process.poll() is None:
        if time.monotonic() > until:
            os.killpg(process.pid, signal.SIGINT)
            return
        time.sleep(0.2)
