# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runtime side: containers of this job, the server, and an end as soon as training has ended."""

from __future__ import annotations

import os
import socket
import subprocess
import time

from . import peer, processes
from .coord import (
    COMPLETE,
    COMPLETED,
    ENDING,
    FAILED,
    JOBS,
    KEY,
    READY,
    TIMEOUT,
    TRAINING,
    URL,
    Folder,
    Record,
    say,
)
from .ends import TIME_OUT, Ended, told_to_end
from .environment import SECRET
from .storage import Storage

TRIES = 5  # with another port, if somebody takes the chosen one before the server does
KILL_S = 2.0  # for a server whose episodes nobody waits for: Slurm may kill us before long
FLAG_S = 3.0  # a flag without a state: an older trainer, or one that is about to write its state


class Runtime:
    """One runtime side; *job* is what the launcher wrote for it."""

    def __init__(self, folder: Folder, job: Record, signals: processes.Signals) -> None:
        self.folder, self.job, self.signals = folder, job, signals
        self.storage: Storage | None = None
        self.server: subprocess.Popen[bytes] | None = None
        self.port, self.contested = 0, False
        self.training: peer.Peer | None = None
        self.flagged_at = 0.0

    def run(self) -> int:
        """Do all; return the exit code of the job."""
        job_id = "" if self.job.get("smoke") else str(self.folder.record(JOBS).get(TRAINING) or "")
        try:
            self.folder.tell("starting")
            self._make_storage()
            self.training = peer.Peer(self.folder, TRAINING, job_id) if job_id else None
            self._fill_storage()
            self._start()
            self._announce()
            end = self._watch()
        except Ended as ended:
            end = ended
        except OSError as error:
            end = Ended(FAILED, str(error), 1)
        # Training learns of it at once; what is left here takes a while.
        self.folder.tell(end.state, end.reason, end.code)
        if job_id and self.folder.state(TRAINING).get("job_id") != job_id:
            peer.cancel_if_pending(job_id)  # it waits for its nodes, and would find no runtime there
        self._stop(self.job["drain_timeout_s"] if end.state == COMPLETED else KILL_S)
        say("runtime: all has ended")
        return end.code

    def _make_storage(self) -> None:
        if self.job["container_engine"] == "podman":
            storage = Storage(self.job["local_dir"], self.folder.job_id, self.job.get("containers_conf") or "")
            storage.make()
            self.storage = storage

    def _fill_storage(self) -> None:
        if self.storage:
            self.storage.fetch(self.job.get("image_archive") or "", self.job.get("image") or "", self._check)
            self.storage.start()

    def _environment(self) -> dict[str, str]:
        env = self.storage.environment() if self.storage else dict(os.environ)
        env.update(RUNTIME_PORT=str(self.port), SKYRL_COORD_DIR=self.folder.path)
        key = self.folder.text(KEY)
        return dict(env, **{SECRET: key}) if key else env

    def _start(self) -> None:
        """Start the server and wait until it is well; Ended if it is not in time."""
        for attempt in range(TRIES):
            self.port = self._port(attempt)
            argv = [one.replace("{port}", str(self.port)) for one in self.job["command"]]
            say(f"runtime: starting the server on port {self.port}: {argv[0]}")
            self.server = processes.start(argv, self._environment(), self.job.get("dir"))
            if self._is_up():
                return
            free = processes.is_free(self.port) and not self.contested
            processes.pause()  # Slurm signals one process after the other, perhaps us last
            self._check()
            code = processes.code_of(self.server)
            if self.job["port_is_fixed"] or free:
                raise Ended(FAILED, f"the server ended with exit code {code} before it was ready", code or 1)
            say(f"runtime: the server ended with exit code {code}, and port {self.port} is taken: trying another")
        raise Ended(FAILED, f"no free port was found in {TRIES} tries", 1)

    def _port(self, attempt: int) -> int:
        wanted = int(self.job["port"])
        if wanted and not attempt and processes.is_free(wanted):
            return wanted
        if wanted and self.job["port_is_fixed"]:
            remedy = "Set runtime_port to 0 to have a free one chosen."
            raise Ended(FAILED, f"port {wanted} is taken on {socket.gethostname()}. {remedy}", 1)
        return processes.any_port()

    def _is_up(self) -> bool:
        """Wait for the server's health; return False if it has ended."""
        until, wrong = time.monotonic() + self.job["start_timeout_s"], "it was not asked yet"
        self.contested = False
        while self.server is not None and self.server.poll() is None:
            self._check()
            if processes.listeners(self.port) and not processes.listens(self.server, self.port):
                self.contested = True  # that one may be gone when ours has ended for it
            wrong = peer.is_healthy(f"http://127.0.0.1:{self.port}", self.folder.text(KEY), 2.0)
            # Another job's server may answer on this port while ours has not noticed yet that it is taken.
            if not wrong and processes.listens(self.server, self.port):
                return True
            if time.monotonic() > until:
                limit = f"{self.job['start_timeout_s']:g} s"
                raise Ended(TIMEOUT, f"the server was not healthy in {limit}: {wrong}", TIME_OUT)
            processes.pause()
        return False

    def _announce(self) -> None:
        name = socket.getfqdn()
        host = os.environ.get("SLURMD_NODENAME", name) if name.startswith("localhost") else name
        self.folder.put(URL, f"http://{host}:{self.port}\n")
        self.folder.put(READY)
        self.folder.tell("ready", f"http://{host}:{self.port}")

    def _check(self) -> None:
        """Raise Ended if we are told to end, or if training has ended, at whatever moment."""
        if self.signals.ends:
            raise told_to_end(self.folder)
        end = self.training.end() if self.training else ""
        if end:
            raise Ended(COMPLETED, f"training has ended: {end}", 0)
        if self.training and self.folder.has(COMPLETE):
            self.flagged_at = self.flagged_at or time.monotonic()
            if time.monotonic() - self.flagged_at > FLAG_S:
                raise Ended(COMPLETED, f"training has ended: {COMPLETE} is there", 0)

    def _check_parts(self) -> None:
        service = self.storage.service if self.storage else None
        ended = [one for one in (self.server, service) if one is not None and one.poll() is not None]
        if not ended:
            return
        processes.pause()  # Slurm signals one process after the other, perhaps us last
        self._check()
        if self.server is not None and self.server in ended:
            code = processes.code_of(self.server)
            raise Ended(FAILED, f"the server ended with exit code {code}", code or 1)
        raise Ended(FAILED, "podman's service ended", 1)

    def _watch(self) -> Ended:
        """Serve until training has ended; Ended if something else comes first."""
        if self.job.get("smoke"):
            return Ended(COMPLETED, "the server answered /health", 0)
        began: float | None = None  # training may wait for its nodes for long
        warned, limit_s = False, self.job["complete_timeout_s"]
        while True:
            self._check()
            self._check_parts()
            if began is None and self.training and self.training.state():
                began = time.monotonic()
            if began is not None and time.monotonic() - began > limit_s:
                return Ended(TIMEOUT, f"training has not ended in {limit_s:g} s (training_complete_timeout)", TIME_OUT)
            if self.signals.warned and not warned:
                if began is None:
                    return Ended(TIMEOUT, "the time limit is near, and no training runs", TIME_OUT)
                warned = True
                self.folder.tell(ENDING, "the time limit of the runtime is near: training is asked to finish")
            processes.pause()

    def _stop(self, grace_s: float) -> None:
        """End the server, which has a bounded time for its last episodes, and remove the containers."""
        if self.server:
            processes.stop(self.server, grace_s)
        if self.storage:
            self.storage.remove()
