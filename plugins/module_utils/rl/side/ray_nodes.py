# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ray on the nodes of the training job: a head, and a worker for each other node, all of this job alone.

Ray's workers inherit both variables of the runtime from the ``ray start`` of their node. A worker reads them from the
coordination directory itself, so that they travel neither through Slurm nor through Ray.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

from . import processes
from .coord import URL, Folder, Record
from .environment import training_environment
from .guard import Guard, remove

ENDS_S = 5.0


def folder_of(job: Record, job_id: str) -> str:
    """Return the directory of Ray on each node; short, as Ray makes sockets in it."""
    return os.path.join(job["local_dir"], f"ray-{os.getuid()}-{job_id}")


class Ray:
    """Ray of one job. With one node the trainer starts it itself, in the directory that the environment names."""

    def __init__(self, folder: Folder, job: Record, env: dict[str, str]) -> None:
        self.folder, self.job = folder, job
        self.parts: list[subprocess.Popen[bytes]] = []
        self.path = folder_of(job, folder.job_id)
        env["RAY_TMPDIR"] = self.path
        os.makedirs(self.path, 0o700, exist_ok=True)
        nodes = int(os.environ.get("SLURM_JOB_NUM_NODES") or 1)
        if nodes > 1:
            self._start(env, nodes)

    def _start(self, env: dict[str, str], nodes: int) -> None:
        port, here = processes.any_port(), os.environ.get("SLURMD_NODENAME") or socket.gethostname()
        address = env["RAY_ADDRESS"] = f"{here}:{port}"
        head = [*self.job["ray_command"], "start", "--head", f"--port={port}", f"--node-ip-address={here}"]
        options = ["--include-dashboard=false", f"--ray-client-server-port={processes.any_port()}"]
        argv = [*head, *options, f"--temp-dir={self.path}", "--block"]
        self.parts.append(processes.start(argv, env, self.job.get("dir")))
        count = nodes - 1
        me = [sys.executable, "-I", "-X", "utf8", os.path.dirname(os.path.abspath(__file__))]
        step = [
            "srun",
            f"--nodes={count}",
            f"--ntasks={count}",
            "--ntasks-per-node=1",
            f"--exclude={here}",
            "--overlap",
        ]
        argv = [*step, "--kill-on-bad-exit=1", *me, "ray", self.folder.path, address]
        self.parts.append(processes.start(argv, dict(os.environ)))

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
    argv: list[str] = [*job["ray_command"], "start", f"--address={address}", "--block"]
    part: subprocess.Popen[bytes] = processes.start(argv, env, job.get("dir"))
    while part.poll() is None and not signals.ends:
        processes.pause()
    processes.stop(part, ENDS_S)
    remove(path)
    guard.dismiss()
    return processes.code_of(part)
