# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Watching the other side: its state in the coordination directory, its job in Slurm, and the server's health."""

from __future__ import annotations

import contextlib
import re
import subprocess
import threading
import time
import urllib.error
import urllib.request

from .coord import ENDED, PREEMPTED, Folder, Record

ASK_S = 3.0  # between two questions to Slurm
CALL_S = 10.0
HEALTH_S = 3.0  # between two looks at the server
HEALTH_CALL_S = 10.0
PATIENCE_S = 20.0  # without one good answer the server is lost
FIELD = re.compile(r"(?:^| )(JobState|Reason|PreemptTime)=(\S+)")
# The other states are those of a job that waits or runs; a job that is completing has ended.
OVER = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "COMPLETING",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)


def job_state(job_id: str, timeout_s: float = CALL_S) -> str | None:
    """Return the state of a job, "" if Slurm no longer knows it, None if Slurm does not answer.

    A job that is about to be preempted, or that has reached its time limit, has that state at once.
    """
    argv = ["scontrol", "--oneliner", "show", "job", job_id]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", timeout=timeout_s, check=False
        )
    except (OSError, subprocess.SubprocessError):
        return None
    if done.returncode:
        return "" if "Invalid job id" in done.stderr + done.stdout else None
    fields = dict(reversed(FIELD.findall(done.stdout)))
    if fields.get("PreemptTime", "None") != "None":
        return "PREEMPTED"
    if fields.get("JobState") == "COMPLETING" and fields.get("Reason") == "TimeLimit":
        return "TIMEOUT"
    return fields.get("JobState")


def cancel_if_pending(job_id: str) -> None:
    """Cancel a job that has not started; one that runs is left alone."""
    argv = ["scancel", "--state=PENDING", job_id]
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        subprocess.run(argv, stdin=subprocess.DEVNULL, timeout=CALL_S, check=False)


def is_healthy(url: str, key: str = "", timeout_s: float = HEALTH_CALL_S) -> str:
    """Return "" if the server at *url* says that it is well, else what is wrong. No proxy is asked."""
    request = urllib.request.Request(url.rstrip("/") + "/health")
    if key:
        request.add_header("Authorization", f"Bearer {key}")
        request.add_header("X-API-Key", key)
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=timeout_s) as answer:
            return "" if answer.status == 200 else f"it answered {answer.status}"
    except (OSError, ValueError, urllib.error.URLError) as error:
        return str(error)


class Peer:
    """The job of the other side. Slurm is asked in a thread: its commands may hang while slurmctld is away."""

    def __init__(self, folder: Folder, side: str, job_id: str) -> None:
        self.folder, self.side, self.job_id = folder, side, job_id
        self._slurm, self._preempted = "", False
        if job_id:
            threading.Thread(target=self._ask, daemon=True).start()

    def _ask(self) -> None:
        while not self._slurm:
            state = job_state(self.job_id)
            if state == "" or state in OVER:
                self._preempted = state == "PREEMPTED"
                self._slurm = (
                    f"its job {self.job_id} is {state}" if state else f"Slurm no longer knows job {self.job_id}"
                )
            time.sleep(ASK_S)

    def _said(self) -> Record:
        """Return what the other job wrote last, {} if it has written nothing."""
        record = self.folder.state(self.side)
        return record if record.get("job_id") == self.job_id else {}

    def state(self) -> str:
        """Return the state that the other job wrote last, "" if it has written none."""
        return str(self._said().get("state", ""))

    def end(self) -> str:
        """Return how the other side has ended, "" as long as it may be at work."""
        said = self._said()
        if said.get("state") in ENDED:
            return " ".join(filter(None, [str(said["state"]), f"({said['reason']})" if said.get("reason") else ""]))
        return self._slurm

    def was_preempted(self) -> bool:
        """Return whether the other side has ended because Slurm gave its nodes to another job."""
        return self.state() == PREEMPTED or self._preempted


class Health:
    """The health of a server, looked at in a thread. ``lost`` says why it counts as lost, "" if it does not."""

    def __init__(self, url: str, key: str) -> None:
        self.url, self._key, self.lost = url, key, ""
        threading.Thread(target=self._look, daemon=True).start()

    def _look(self) -> None:
        good_at = time.monotonic()
        while not self.lost:
            wrong = is_healthy(self.url, self._key)
            if not wrong:
                good_at = time.monotonic()
            elif time.monotonic() - good_at > PATIENCE_S:
                self.lost = f"{self.url}/health: {wrong}"
            time.sleep(HEALTH_S)
