# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The training side: it waits for the runtime, runs the trainer, and watches the runtime as long as that works."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import cast

from . import chain, peer, processes
from .coord import (
    CANCELLED,
    COMPLETE,
    COMPLETED,
    ENDING,
    FAILED,
    JOBS,
    KEY,
    READY,
    RUNTIME,
    TIMEOUT,
    URL,
    Folder,
    Record,
    say,
)
from .environment import training_environment
from .guard import Guard, remove
from .ray_nodes import Ray, folder_of
from .runtime import SIGNALLED, TIME_OUT, Ended

LOST = 69  # EX_UNAVAILABLE: the exit code of a training whose runtime was lost
KILL_S = 5.0


class Training:
    """One training side; *job* is what the launcher wrote for it."""

    def __init__(self, folder: Folder, job: Record, signals: processes.Signals) -> None:
        self.folder, self.job, self.signals = folder, job, signals
        self.runtime: peer.Peer | None = None
        self.trainer: subprocess.Popen[bytes] | None = None
        self.ray: Ray | None = None
        self.early = False  # whether the trainer was asked to finish before its end

    def run(self) -> int:
        """Do all; return the exit code of the job. Whatever happens, the runtime learns of the end."""
        guard = Guard(lambda: remove(folder_of(self.job, self.folder.job_id)))
        try:
            self.folder.tell("waiting")
            url = "" if self.job.get("smoke") else self._runtime()
            end = self._train(url)
        except Ended as ended:
            end = ended
        except OSError as error:
            end = Ended(FAILED, str(error), 1)
        if self.trainer:
            processes.stop(self.trainer, KILL_S)
        # The runtime is released at once; what is left here takes a while.
        self.folder.tell(end.state, end.reason, end.code)
        left = int(self.job.get("chain") or 0)
        if self.early and left:
            self.folder.tell(end.state, f"{end.reason}; {chain.resume(self.folder, left)}", end.code)
        if not self.folder.has(COMPLETE):
            self.folder.put(COMPLETE)
        if self.ray:
            self.ray.stop()
        guard.dismiss()
        return end.code

    def _runtime(self) -> str:
        """Wait until the runtime is ready; return its address."""
        limit_s, given = self.job["ready_timeout_s"], self.job.get("runtime_url") or ""
        if not given:
            job_id = str(self.folder.record(JOBS).get(RUNTIME) or "")
            self.runtime = peer.Peer(self.folder, RUNTIME, job_id)
        until, wrong = time.monotonic() + limit_s, "it has not said that it is ready"
        while True:
            self._check_signals()
            self._check_runtime()
            url = given or (self.folder.text(URL) if self.folder.has(READY) else "")
            if url:
                wrong = peer.is_healthy(url, self.folder.text(KEY), 5.0)
                if not wrong:
                    say(f"training: the runtime at {url} is ready")
                    return url
            if time.monotonic() > until:
                raise Ended(TIMEOUT, f"the runtime was not ready in {limit_s:g} s: {wrong}", TIME_OUT)
            processes.pause()

    def _check_signals(self) -> None:
        if self.signals.ends:
            raise Ended(CANCELLED, "the job was cancelled, preempted, or reached its time limit", SIGNALLED)

    def _check_runtime(self) -> None:
        end = self.runtime.end() if self.runtime else ""
        if end:
            raise Ended(FAILED, f"the runtime has ended: {end}", LOST)

    def _train(self, url: str) -> Ended:
        """Run the trainer to its end; Ended if something else comes first."""
        env = training_environment(self.folder, url)
        self.ray = Ray(self.folder, self.job, env)
        health = peer.Health(url, self.folder.text(KEY)) if url else None
        say(f"training: starting the trainer: {self.job['command'][0]}")
        self.trainer = processes.start(self.job["command"], env, self.job.get("dir"))
        self.folder.tell("running")
        while self.trainer.poll() is None:
            if self.signals.ends:
                # Slurm kills all after KillWait; the trainer has that long to write a checkpoint, without the runtime.
                self.folder.tell(CANCELLED, "the job was told to end")
                self.folder.put(COMPLETE)
                self._warn()
                processes.wait(self.trainer, self.job["drain_timeout_s"])
                self._check_signals()
            self._check_runtime()
            if health and health.lost:
                raise Ended(FAILED, f"the runtime is lost: {health.lost}", LOST)
            lost = self.ray.lost()
            if lost:
                raise Ended(FAILED, lost, 1)
            if self.signals.warned or (self.runtime and self.runtime.state() == ENDING):
                return self._finish_early()
            processes.pause()
        code = processes.code_of(self.trainer)
        if code:
            self._check_signals()
            return Ended(FAILED, f"the trainer ended with exit code {code}", code)
        return Ended(COMPLETED, "", 0)

    def _warn(self) -> None:
        """Ask the trainer itself, and not what it started, to write a checkpoint and end."""
        os.kill(cast("subprocess.Popen[bytes]", self.trainer).pid, signal.SIGTERM)

    def _finish_early(self) -> Ended:
        """Let the trainer write a checkpoint before the time limit; the job has not completed then."""
        trainer, self.early = cast("subprocess.Popen[bytes]", self.trainer), True
        say("training: the time limit is near: the trainer gets SIGTERM, to write a checkpoint")
        self._warn()
        until = time.monotonic() + max(0.0, self.job["warning_s"] - self.job["drain_timeout_s"])
        while trainer.poll() is None and time.monotonic() < until and not self.signals.ends:
            self._check_runtime()
            processes.pause()
        how = "did not end" if trainer.poll() is None else f"ended with exit code {processes.code_of(trainer)}"
        return Ended(TIMEOUT, f"the time limit was near; asked for a checkpoint, the trainer {how}", TIME_OUT)
