# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The coordination directory: what the two jobs tell each other, each file written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import tempfile
import time
from typing import Any, Dict

RUNTIME, TRAINING = "runtime", "training"
URL = "runtime_url.txt"
KEY = "runtime_api_key.txt"
READY = "runtime_ready.flag"
COMPLETE = "training_complete.flag"
ENVIRONMENT = "training.env"
JOBS = "jobs.json"  # {side: job id}, there before either job starts
COMPLETED, FAILED, CANCELLED, TIMEOUT, PREEMPTED = "completed", "failed", "cancelled", "timeout", "preempted"
ENDED = (COMPLETED, FAILED, CANCELLED, TIMEOUT, PREEMPTED)
ENDING = "ending"  # the runtime asks training to finish, because its own time limit is near

Record = Dict[str, Any]


def write(path: str, text: str) -> None:
    """Write a file that only its owner can read; a reader finds all of *text*, or what was there before."""
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".tmp_")  # made with the mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


class Folder:
    """The coordination directory at *path*, as the job of one *side* sees it."""

    def __init__(self, path: str, side: str) -> None:
        self.path, self.side = path, side
        self.job_id = os.environ.get("SLURM_JOB_ID", "")

    def __call__(self, name: str) -> str:
        return os.path.join(self.path, name)

    def text(self, name: str) -> str:
        """Return the content of a file without blanks at its ends, "" if it is not there."""
        try:
            with open(self(name), encoding="utf-8") as stream:
                return stream.read().strip()
        except OSError:
            return ""

    def has(self, name: str) -> bool:
        """Return whether a flag is set."""
        return os.path.exists(self(name))

    def put(self, name: str, text: str = "") -> None:
        """Write a file, or set a flag."""
        write(self(name), text)

    def record(self, name: str) -> Record:
        """Return the object in a JSON file, {} if it is not there."""
        try:
            value = json.loads(self.text(name) or "{}")
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def state(self, side: str) -> Record:
        """Return the last state that *side* wrote: its job_id, state, reason, exit_code, host and time, and the
        directory of the next pair, if there is one."""
        return self.record(f"{side}_state.json")

    def tell(self, state: str, reason: str = "", exit_code: int | None = None, **more: str) -> None:
        """Write the state of this side, with what *more* there is to say, and show it in the job's output."""
        record = {
            "job_id": self.job_id,
            "state": state,
            "reason": reason,
            "exit_code": exit_code,
            "host": socket.gethostname(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            **more,
        }
        say(f"{self.side}: {state}" + (f": {reason}" if reason else ""))
        self.put(f"{self.side}_state.json", json.dumps(record) + "\n")


def say(line: str) -> None:
    """Write one line to the output of the job."""
    os.write(1, f"[{time.strftime('%H:%M:%S')}] {line}\n".encode())
