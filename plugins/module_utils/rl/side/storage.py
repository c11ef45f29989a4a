# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The containers of one job: a storage of their own on the node, a service of podman, and their removal.

Nothing outside the job's own folder is ever looked at, so that other jobs of the user on the node keep theirs.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import time
from typing import Callable

from . import processes
from .coord import say
from .guard import Guard

START_S = 30.0
REMOVE_S = 60.0  # for one command
CLEAN_S = 90.0


class Storage:
    """The folder of the containers of the job *job_id* below *base*, a directory of the node."""

    def __init__(self, base: str, job_id: str, conf: str = "") -> None:
        self.path = os.path.join(base, f"skyrl-{os.getuid()}-{job_id}")
        self.conf = conf
        self.service: subprocess.Popen[bytes] | None = None
        self._guard: Guard | None = None

    def __call__(self, name: str) -> str:
        return os.path.join(self.path, name)

    @property
    def socket(self) -> str:
        """Return the address of the service."""
        return f"unix://{self('podman.sock')}"

    def make(self, guarded: bool = True) -> None:
        """Make the folder, and the command ``podman`` that works in it; OSError if the folder is there or cannot be.

        :param guarded: it is removed, too, if we are killed.
        """
        os.mkdir(self.path, 0o700)
        self._guard = Guard(self._clean) if guarded else None
        for name in ("root", "run", "tmp", "xdg", "bin"):
            os.mkdir(self(name), 0o700)
        program = shutil.which("podman")
        if not program:
            raise OSError("there is no podman on this node. Set container_engine to none if the server needs none")
        options = [f"--root={self('root')}", f"--runroot={self('run')}", f"--tmpdir={self('tmp')}"]
        with open(self("bin/podman"), "w", encoding="utf-8") as stream:
            # With CONTAINER_HOST podman would ask the service, and take no options about the storage.
            stream.write(f'#!/bin/sh\nunset CONTAINER_HOST\nexec {shlex.join([program, *options])} "$@"\n')
        os.chmod(self("bin/podman"), 0o700)
        os.symlink("podman", self("bin/docker"))
        with open(self("storage.conf"), "w", encoding="utf-8") as stream:
            stream.write(f'[storage]\ndriver = "overlay"\ngraphroot = "{self("root")}"\nrunroot = "{self("run")}"\n')

    def fetch(self, archive: str, image: str, check: Callable[[], None]) -> None:
        """Load an archive and pull an image, where they are given; OSError if that fails.

        *check* is called meanwhile; what it raises ends the command.
        """
        for words in (["load", "--input", archive] if archive else [], ["pull", image] if image else []):
            if not words:
                continue
            command = processes.start([self("bin/podman"), *words], self.environment())
            try:
                while command.poll() is None:
                    check()
                    processes.pause()
            finally:
                processes.stop(command, 1.0)
            if command.returncode:
                raise OSError(f"podman {' '.join(words)} failed; its messages are in the job's error output")

    def environment(self) -> dict[str, str]:
        """Return the environment of programs that use these containers."""
        env = dict(
            os.environ,
            PATH=f"{self('bin')}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            XDG_RUNTIME_DIR=self("xdg"),
            CONTAINERS_STORAGE_CONF=self("storage.conf"),
            DOCKER_HOST=self.socket,
            CONTAINER_HOST=self.socket,
        )
        return dict(env, CONTAINERS_CONF=self.conf) if self.conf else env

    def start(self) -> None:
        """Start the service; OSError if it does not come up."""
        argv = [self("bin/podman"), "system", "service", "--time=0", self.socket]
        self.service = processes.start(argv, self.environment())
        until = time.monotonic() + START_S
        while not os.path.exists(self("podman.sock")):
            if self.service.poll() is not None or time.monotonic() > until:
                raise OSError("podman system service did not start; its messages are above")
            processes.pause()

    def _call(self, *argv: str) -> int:
        try:
            done = subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                env=self.environment(),
                timeout=REMOVE_S,
                check=False,
            )
        except (OSError, subprocess.SubprocessError):
            return 1
        return done.returncode

    def remove(self) -> None:
        """Remove all containers of the job, and the folder."""
        self._clean()
        if self._guard:
            self._guard.dismiss()
            self._guard = None

    def _clean(self) -> None:
        if self.service:
            processes.stop(self.service, 5.0)
        podman, until = self("bin/podman"), time.monotonic() + CLEAN_S
        while os.path.isdir(self.path) and time.monotonic() < until:
            self._kill("podman")  # what still loads an image would make anew what is removed
            if os.path.exists(podman) and os.listdir(self("root")):
                self._call(podman, "rm", "--force", "--all", "--time", "0")
            self._kill("")
            for mount in reversed(self._mounts()):
                self._call("umount", "--lazy", mount)
            if os.path.exists(podman) and os.getuid():  # files of other users, which a rootless container made
                self._call(podman, "unshare", "rm", "-rf", self("root"), self("run"))
            shutil.rmtree(self.path, ignore_errors=True)
        if os.path.isdir(self.path):
            say(f"{self.path} could not be removed")

    def _kill(self, program: str) -> None:
        """Kill the processes of ours called *program*, "" for all, that have the folder in their command line."""
        for name in os.listdir("/proc"):
            with contextlib.suppress(OSError, ValueError):
                with open(f"/proc/{name}/comm", encoding="utf-8", errors="replace") as stream:
                    called = stream.read().strip()
                with open(f"/proc/{name}/cmdline", "rb") as line:
                    is_ours = f"{self.path}/".encode() in line.read()
                if is_ours and int(name) != os.getpid() and program in ("", called):
                    os.kill(int(name), signal.SIGKILL)

    def _mounts(self) -> list[str]:
        with open("/proc/self/mounts", encoding="utf-8", errors="replace") as stream:
            paths = [line.split()[1] for line in stream]
        return [path for path in paths if path.startswith(self.path + "/")]
