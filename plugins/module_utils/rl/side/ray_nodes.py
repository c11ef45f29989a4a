# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ray on the nodes of the training job: a head, and a worker for each other node, all of this job alone.

Ray's workers inherit both variables of the runtime from the ``ray start`` of their node. A worker reads them from the
coordination directory itself, so that they travel neither through Slurm nor through Ray.
"""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from typing import Callable

from . import processes
from .coord import FAILED, URL, Folder, Record, say
from .ends import Ended
from .environment import RAY, training_environment
from .guard import Guard, remove

ENDS_S = 5.0
JOIN_S = 300.0  # in which all nodes must have joined
SILENT_S = 90.0  # after which a ``ray status`` that names no node is asked no more
STATUS_S = 30.0
NODE = re.compile(r"^\s+\d+ node_\w+", re.MULTILINE)  # of ray status


def folder_of(job: Record, job_id: str) -> str:
    """Return the directory of Ray on each node; short, as Ray makes sockets in it."""
    return os.path.join(job["local_dir"], f"ray-{os.getuid()}-{job_id}")


def address_of(node: str) -> str:
    """Return the address of a node for the others, its name if it knows only one for itself."""
    try:
        found = socket.gethostbyname(node)
    except OSError:
        return node
    return node if found.startswith("127.") else found


def command(job: Record, env: dict[str, str], more: list[str]) -> list[str]:
    """Return ``ray start`` for one node: on nodes that jobs share, no port and no CPU or GPU of another job."""
    argv = [*job["ray_command"], "start", *more, "--block"]
    # Ray's own range of ports for its workers is the same in each job; with 0 the system chooses.
    argv += ["--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={processes.any_port()}"]
    counts = (("--num-cpus", "TRAINING_CPUS"), ("--num-gpus", "GPUS_PER_NODE"))
    return [*argv, *(f"{option}={env[name]}" for option, name in counts if env.get(name))]


class Ray:
    """Ray of one job. With one node the trainer starts it itself, in the directory that the environment names."""

    def __init__(self, folder: Folder, job: Record, env: dict[str, str]) -> None:
        self.folder, self.job = folder, job
        self.parts: list[subprocess.Popen[bytes]] = []
        self.env = env
        self.nodes = 1 if job.get("smoke") else int(os.environ.get("SLURM_JOB_NUM_NODES") or 1)
        self.path = env["RAY_TMPDIR"] = folder_of(job, folder.job_id)

    def start(self) -> None:
        """Make the directory, and start the head and the workers, if there are more nodes."""
        os.makedirs(self.path, 0o700, exist_ok=True)
        if self.nodes == 1:
            return
        env = self.env
        name = os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        here, port = address_of(name), processes.any_port()
        address = env[RAY] = f"{here}:{port}"
        head = ["--head", f"--port={port}", f"--node-ip-address={here}", f"--temp-dir={self.path}"]
        head += ["--include-dashboard=false", f"--ray-client-server-port={processes.any_port()}"]
        self.parts.append(processes.start(command(self.job, env, head), env, self.job.get("dir")))
        count = self.nodes - 1
        me = [sys.executable, "-I", "-X", "utf8", os.path.dirname(os.path.abspath(__file__))]
        step = [
            "srun",
            f"--nodes={count}",
            f"--ntasks={count}",
            "--ntasks-per-node=1",
            f"--exclude={name}",
            f"--cpus-per-task={os.environ.get('SLURM_CPUS_PER_TASK', '1')}",  # srun does not take it from the job
            "--overlap",
        ]
        argv = [*step, "--kill-on-bad-exit=1", *me, "ray", self.folder.path, address]
        self.parts.append(processes.start(argv, dict(os.environ)))

    def wait(self, check: Callable[[], None]) -> None:
        """Wait until all nodes have joined: a trainer counts GPUs when it starts. Ended if they do not.

        *check* is called meanwhile; what it raises ends the wait.
        """
        began, joined = time.monotonic(), 1 if self.nodes == 1 else 0
        while joined < self.nodes:
            check()
            joined, waited_s = self._joined(), time.monotonic() - began
            if not joined and waited_s > SILENT_S:
                say("training: ray status does not say which nodes have joined; the trainer starts")
                return
            if waited_s > JOIN_S:
                raise Ended(FAILED, f"{joined} of {self.nodes} nodes have joined Ray in {JOIN_S:g} s", 1)
            processes.pause()

    def _joined(self) -> int:
        argv = [*self.job["ray_command"], "status", f"--address={self.env[RAY]}"]
        try:
            done = subprocess.run(
                argv, stdin=subprocess.DEVNULL, capture_output=True, env=self.env, cwd=self.job.get("dir") or None,
                timeout=STATUS_S, check=False,
            )  # fmt: skip
        except (OSError, subprocess.SubprocessError):
            return 0
        return len(NODE.findall(done.stdout.decode(errors="replace")))

    def lost(self) -> str:
        """Return which part of Ray has ended, "" if none has."""
        for part, name in zip(self.parts, ("head", "workers")):
            if part.poll() is not None:
                return f"Ray's {name} ended with exit code {processes.code_of(part)}"
        return ""

    def stop(self) -> None:
        """End all parts and remove the directory of this node."""
        for part in reversed(self.parts):
            processes.stop(part, ENDS_S)
        remove(self.path)


def worker(folder: Folder, job: Record, address: str, signals: processes.Signals) -> int:
    """Run Ray on one more node until it ends, or we are told to; return its exit code."""
    env = training_environment(folder, job.get("runtime_url") or folder.text(URL))
    path = folder_of(job, folder.job_id)
    os.makedirs(path, 0o700, exist_ok=True)
    guard = Guard(lambda: remove(path))
    env["RAY_TMPDIR"] = path
    env[RAY] = address
    part = processes.start(command(job, env, [f"--address={address}"]), env, job.get("dir"))
    while part.poll() is None and not signals.ends:
        processes.pause()
    processes.stop(part, ENDS_S)
    remove(path)
    guard.dismiss()
    return processes.code_of(part)
