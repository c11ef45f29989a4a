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
    COMPLETE,
    COMPLETED,
    ENDING,
    FAILED,
    JOBS,
    KEY,
    PREEMPTED,
    READY,
    RUNTIME,
    TIMEOUT,
    URL,
    Folder,
    Record,
    say,
)
from .ends import LOST, TIME_OUT, Ended, told_to_end
from .environment import training_environment
from .guard import Guard, remove
from .ray_nodes import Ray, folder_of

KILL_S = 5.0
HEARS_S = 5.0  # a runtime that has ended says so, or Slurm does


class Training:
    """One training side; *job* is what the launcher wrote for it."""

    def __init__(self, folder: Folder, job: Record, signals: processes.Signals) -> None:
        self.folder, self.job, self.signals = folder, job, signals
        self.runtime: peer.Peer | None = None
        self.trainer: subprocess.Popen[bytes] | None = None
        self.ray: Ray | None = None
        self.early = False  # whether Slurm's limits end training before its end, so that another pair may go on
        self.next: tuple[str, str] | None = None  # the directory of that pair, and what to say of it

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
        # The runtime is released at once; what is left here takes a while.
        self._tell(end)
        if self.trainer:
            processes.stop(self.trainer, KILL_S)
        if self._resume():
            self._tell(end)
        if not self.folder.has(COMPLETE):
            self.folder.put(COMPLETE)
        if self.ray:
            self.ray.stop()
        guard.dismiss()
        return end.code

    def _tell(self, end: Ended) -> None:
        path, said = self.next or ("", "")
        more = {"next": path} if path else {}
        self.folder.tell(end.state, "; ".join(filter(None, [end.reason, said])), end.code, **more)

    def _resume(self) -> bool:
        """Submit the next pair, once, if training ends early and one more may come; return whether that was now."""
        left = int(self.job.get("chain") or 0)
        if not self.early or not left or self.next:
            return False
        self.next = chain.resume(self.folder, left)
        return True

    def _runtime(self) -> str:
        """Wait until the runtime is ready; return its address."""
        limit_s, given = self.job["ready_timeout_s"], self.job.get("runtime_url") or ""
        if not given:
            job_id = str(self.folder.record(JOBS).get(RUNTIME) or "")
            self.runtime = peer.Peer(self.folder, RUNTIME, job_id)
        until, wrong = time.monotonic() + limit_s, "it has not said that it is ready"
        while True:
            if self.signals.ends:
                raise self._told_to_end()
            if self.signals.warned:
                raise Ended(TIMEOUT, f"the time limit is near, and the runtime is not ready: {wrong}", TIME_OUT)
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

    def _told_to_end(self) -> Ended:
        """Return how training ends after SIGTERM: Slurm kills all after KillWait, so what matters most comes first.

        The runtime is released, the next pair submitted, and the trainer has the rest of the time for a checkpoint; one
        that was cancelled has no more than is needed to end in order.
        """
        end = told_to_end(self.folder)
        self.early = end.state in (PREEMPTED, TIMEOUT)
        self._tell(end)
        self.folder.put(COMPLETE)
        self._warn()
        self._resume()
        if self.trainer:
            processes.wait(self.trainer, self._checkpoint_s() if self.early else self.job["drain_timeout_s"])
        return end

    def _checkpoint_s(self) -> float:
        """Return how long the trainer may take for a checkpoint, without the time for the last episodes."""
        return max(0.0, float(self.job["warning_s"] - self.job["drain_timeout_s"]))

    def _check_runtime(self) -> None:
        end = self.runtime.end() if self.runtime else ""
        if not end:
            return
        if self.runtime and self.runtime.was_preempted():
            self.early = True
            self._warn()
            until = time.monotonic() + self._checkpoint_s()
            while self.trainer and self.trainer.poll() is None and time.monotonic() < until and not self.signals.ends:
                processes.pause()
            if self.signals.ends:
                raise self._told_to_end()
        raise Ended(FAILED, f"the runtime has ended: {end}", LOST)

    def _train(self, url: str) -> Ended:
        """Run the trainer to its end; return or raise Ended."""
        env = training_environment(self.folder, url)
        self.ray = Ray(self.folder, self.job, env)
        self.ray.start()
        health = peer.Health(url, self.folder.text(KEY)) if url else None
        self.ray.wait(lambda: self._check(health))
        say(f"training: starting the trainer: {self.job['command'][0]}")
        self.trainer = processes.start(self.job["command"], env, self.job.get("dir"))
        self.folder.tell("running")
        while self.trainer.poll() is None:
            self._check(health)
            if self.signals.warned or (self.runtime and self.runtime.state() == ENDING):
                return self._finish_early()
            processes.pause()
        code = processes.code_of(self.trainer)
        self._hear_of_other_causes(url if code else "")
        return Ended(FAILED, f"the trainer ended with exit code {code}", code) if code else Ended(COMPLETED, "", 0)

    def _check(self, health: peer.Health | None) -> None:
        """Raise Ended if we are told to end, or if what training needs is lost."""
        if self.signals.ends:
            raise self._told_to_end()
        self._check_runtime()
        if health and health.lost:
            raise Ended(FAILED, f"the runtime is lost: {health.lost}", LOST)
        lost = self.ray.lost() if self.ray else ""
        if lost:
            raise Ended(FAILED, lost, 1)

    def _hear_of_other_causes(self, url: str) -> None:
        """Raise Ended if the trainer ended because our job or the runtime does: it may have known before us."""
        until = time.monotonic() + HEARS_S
        while True:
            processes.pause()  # Slurm signals one process after the other
            if self.signals.ends:
                raise self._told_to_end()
            if not url or not self.runtime or time.monotonic() > until:
                return
            if not peer.is_healthy(url, self.folder.text(KEY), 2.0):
                return
            self._check_runtime()

    def _warn(self) -> None:
        """Ask the trainer itself, and not what it started, to write a checkpoint and end."""
        if self.trainer and self.trainer.poll() is None:
            os.kill(self.trainer.pid, signal.SIGTERM)

    def _finish_early(self) -> Ended:
        """Let the trainer write a checkpoint before the time limit; the job has not completed then."""
        trainer, self.early = cast("subprocess.Popen[bytes]", self.trainer), True
        say("training: the time limit is near: the trainer gets SIGTERM, to write a checkpoint")
        self._warn()
        until = time.monotonic() + self._checkpoint_s()
        while trainer.poll() is None and time.monotonic() < until and not self.signals.ends:
            self._check_runtime()
            processes.pause()
        if self.signals.ends:
            raise self._told_to_end()
        how = "did not end" if trainer.poll() is None else f"ended with exit code {processes.code_of(trainer)}"
        return Ended(TIMEOUT, f"the time limit was near; asked for a checkpoint, the trainer {how}", TIME_OUT)
