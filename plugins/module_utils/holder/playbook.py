# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A playbook that runs inside the job: a child of the holder, which keeps the lease and ends the job after it."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import threading
from collections.abc import Callable

from .slurm_calls import clean_env

FILE = "play.json"
# The stage that the playbook has reached, {"stage": name}: its actions write it, to the path in this variable.
STAGE_FILE, STAGE_VARIABLE = "stage.json", "SRT_SLURM_STAGE_FILE"
KEPT = "kept"  # the stage after the playbook, if the service stays up
GRACE_S = 10.0


class Play(threading.Thread):
    """The playbook of ``play.json``: ``{argv, env, cwd, log, keep, retries}``, paths absolute.

    :param renew: called every second while it runs.
    :param on_end: called once with the reason after its end, unless the service is kept.
    :ivar keep: whether the service stays up after it.
    :ivar retries: how often the job may be requeued.
    :ivar code: its exit status as in a shell; None while it runs.
    :ivar was_stopped: whether it still ran when it was stopped.
    """

    def __init__(self, run_dir: str, renew: Callable[[], None], on_end: Callable[[str], None]) -> None:
        super().__init__(daemon=True)
        with open(os.path.join(run_dir, FILE), encoding="utf-8") as stream:
            self.spec = json.load(stream)
        self.renew, self.on_end = renew, on_end
        self.keep, self.retries = self.spec["keep"], int(self.spec.get("retries") or 0)
        self.stage_path = os.path.join(run_dir, STAGE_FILE)
        self.code: int | None = None
        self.child: subprocess.Popen[bytes] | None = None
        self.was_stopped = False

    def run(self) -> None:
        """Start the playbook and wait for its end."""
        spec = self.spec
        with contextlib.suppress(OSError):
            os.unlink(self.stage_path)  # of an earlier job attempt
        with open(spec["log"], "ab") as log:
            # When a job is cancelled, all processes of the batch script get TERM. The playbook must continue for
            # its last output, so it inherits a mask that blocks TERM; the mask of this thread has no other use.
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
            try:
                self.child = subprocess.Popen(
                    spec["argv"],
                    cwd=spec["cwd"],
                    env=dict(clean_env(), **spec["env"], **{STAGE_VARIABLE: self.stage_path}),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            except OSError as error:
                # The usual reason is a path, or the target of an environment's link, that only the submit host has.
                python = spec["argv"][0]
                behind = f" (which is {os.path.realpath(python)})" if os.path.islink(python) else ""
                text = (
                    f"{socket.gethostname()} cannot run {python}{behind}: {error.strerror}. The playbook needs a "
                    "Python with ansible-core that the nodes see under the same path: see playbooks/setup.yml."
                )
                log.write(f"{text}\n".encode())
                self.code = 127
                return self.on_end(f"its playbook could not be started: {text}")
        if self.was_stopped:
            self._signal(signal.SIGINT)
        while True:
            self.renew()
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self.child.wait(1.0)
                break
        self.code = 128 - code if code < 0 else code
        if self.keep:
            with contextlib.suppress(OSError), open(self.stage_path, "w", encoding="utf-8") as stream:
                json.dump({"stage": KEPT}, stream)
        else:
            self.on_end(f"its playbook ended with exit code {self.code}")
        return None

    def stop(self, rollup_s: float = 0.0) -> None:
        """End the playbook and its children, which first get *rollup_s* seconds to end on their own.

        A playbook notices that its job is ending from the holder's answers.
        """
        self.join(rollup_s)
        if self.code is not None:
            return
        self.was_stopped = True
        for _time in range(2):  # like Ctrl-C, which Ansible loses if it arrives during a fork
            self._signal(signal.SIGINT)
            self.join(GRACE_S / 2)
        if self.is_alive():
            left = descendants(self.child.pid) if self.child else []  # its workers have separate sessions
            self._signal(signal.SIGKILL)
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, signal.SIGKILL)
            self.join(GRACE_S)

    def add_line(self, text: str) -> None:
        """Add a line to the playbook's log, for users who follow it."""
        with contextlib.suppress(OSError), open(self.spec["log"], "a", encoding="utf-8") as log:
            log.write(text + "\n")

    def _signal(self, number: int) -> None:
        if self.child:
            with contextlib.suppress(OSError):
                os.killpg(self.child.pid, number)


def descendants(pid: int) -> list[int]:
    """Return the pids of the children of a process, of their children, and so on."""
    children: dict[int, list[int]] = {}
    found: list[int] = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended
            parent = pathlib.Path("/proc", name, "stat").read_bytes().rpartition(b")")[2].split()[1]
            children.setdefault(int(parent), []).append(int(name))
    last = [pid]
    while last:
        last = [child for parent in last for child in children.get(parent, ())]
        found += last
    return found
