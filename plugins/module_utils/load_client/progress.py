# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The progress line and the progress file."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from .load import State

LINE_EVERY_S = 1.0
ZERO = time.time() - time.monotonic()


def utc_now() -> str:
    """Return the present time as ISO 8601 in UTC, with milliseconds and a Z.

    It goes on evenly, whatever is done to the clock of the machine meanwhile.
    """
    now = datetime.datetime.fromtimestamp(ZERO + time.monotonic(), datetime.timezone.utc)
    return now.strftime("%Y-%m-%dT%H:%M:%S.") + f"{now.microsecond // 1000:03d}Z"


def say(text: str, stream: TextIO) -> None:
    """Write one or more lines and flush; a full disk or a reader that has gone must not end the measurement."""
    with contextlib.suppress(OSError, ValueError):
        stream.write(text + "\n")
        stream.flush()


def write_atomic(path: str, text: str) -> None:
    """Replace *path* by *text*: atomically."""
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    temporary = f"{path}.tmp{os.getpid()}"
    try:
        with open(temporary, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(temporary, path)
    except BaseException:
        if os.path.exists(temporary):
            os.unlink(temporary)
        raise


class Progress:
    """Prints a line when it changed, at most once a second, and keeps the progress file current.

    :param path: of the progress file, or None.
    """

    def __init__(
        self,
        state: State,
        path: str | None = None,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._state = state
        self._path = path
        self._stream = stream or sys.stdout
        self._clock = clock
        self._line: str | None = None
        self._printed_at: float | None = None
        self._phase: str | None = None
        self._broken = False

    def tick(self) -> None:
        """Show the state if it is time; a change of phase is always shown."""
        now = self._clock()
        same_phase = self._state.phase == self._phase
        if same_phase and self._printed_at is not None and now - self._printed_at < LINE_EVERY_S:
            return
        self._show(now)

    def final(self, phase: str, exit_code: int, reason: str | None = None) -> None:
        """Show how the run ended."""
        self._state.phase = phase
        self._show(self._clock(), exit_code=exit_code, reason=reason)

    def data(self, now: float) -> dict[str, Any]:
        """Return the state as JSON-able dict; rates in tokens per second, times in seconds."""
        state = self._state
        now = now if state.ended is None else state.ended
        elapsed = now - state.started if state.started is not None else None
        return {
            "schema_version": 1,
            "state": state.phase,
            "concurrency": state.concurrency,
            "done": state.done,
            "total": state.warmup_total if state.phase == "warmup" else state.total,
            "running": state.running,
            "thinking": state.thinking,
            "errors": state.errors,
            "tokens": state.tokens,
            "output_tok_s": self._rate(now),
            "elapsed_s": None if elapsed is None else round(elapsed, 3),
            "left_s": self._left(elapsed),
            "updated_at": utc_now(),
        }

    def _show(self, now: float, **more: Any) -> None:
        data = dict(self.data(now), **more)
        line = format_line(data)
        if line != self._line:
            say(line, self._stream)
            self._line = line
        self._printed_at = now
        self._phase = self._state.phase
        if self._path and not self._broken:
            try:
                write_atomic(self._path, json.dumps(data) + "\n")
            except OSError as error:
                self._broken = True  # a full disk must not end the measurement
                say(f"progress file: {error}", sys.stderr)

    def _rate(self, now: float) -> float:
        """Return output tokens per second since the phase began: at the end that is the figure of the result."""
        state = self._state
        elapsed = now - (state.began if state.started is None else state.started)
        return round(state.tokens / elapsed, 1) if elapsed > 0 else 0.0

    def _left(self, elapsed: float | None) -> float | None:
        state = self._state
        if not elapsed or not state.settled or state.phase != "running":
            return 0.0 if state.phase == "done" else None
        by_tokens = (state.expected_tokens - state.settled) * elapsed / state.settled
        return round(max(0.0, by_tokens, state.last_arrival_s - elapsed), 1)


def format_line(data: dict[str, Any]) -> str:
    """Return the progress *data* as one line of text."""
    if data["state"] == "preparing":
        return f"c={data['concurrency']} preparing prompts"
    label = {"warmup": "warm-up ", "running": ""}.get(data["state"], data["state"] + ": ")
    errors = "1 error" if data["errors"] == 1 else f"{data['errors']} errors"
    line = f"c={data['concurrency']} {label}{data['done']}/{data['total']} done, {data['running']} running, "
    if data.get("thinking"):
        line += f"{data['thinking']} thinking, "
    line += f"{data['output_tok_s']:.0f} tok/s, {errors}"
    if data.get("left_s"):
        line += f", {data['left_s']:.0f} s left"
    if data.get("reason"):
        line += f"; {data['reason']}"
    return line
