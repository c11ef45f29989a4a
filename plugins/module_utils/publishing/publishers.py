# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishers: programs of the user that get word of a finished run, once.

Protocol 1: a JSON object on standard input, one on standard output. A publisher that fails changes nothing of the run.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Collection
from typing import IO, Any, NamedTuple

from ..files import read_object, write_text_atomic
from ..holder.secret_values import REDACTED, SHORTEST
from ..holder.utc import utc_now
from ..json_types import Json, JsonObject
from ..plain_text import cleaned, shown
from ..secrets.redaction import redact

PROTOCOL = 1
MOST_OUTPUT = 64 << 10  # bytes of standard output
FOLDER = os.path.join("logs", "publishers")
STATUSES = ("accepted", "published", "skipped")
FAILED = "failed"
MOST_LINKS = 100
LAST_WORDS = 4096  # bytes of standard error that are kept
GRACE_S = 1.0  # for the pipes after the program has ended: a child of it may hold them open


class Finished(NamedTuple):
    """A finished run, as publishers hear of it.

    :ivar content: a digest of its results: with another one it is told again.
    """

    run_dir: str
    job_id: str
    benchmark_type: str
    exit_code: int
    rollup_path: str | None
    content: str


def receipt_path(run_dir: str, name: str) -> str:
    """Return the path of the receipt of the publisher called *name*."""
    return os.path.join(run_dir, FOLDER, f"{name}.json")


def knows(publisher: JsonObject, run: Finished) -> bool:
    """Return whether the publisher has heard of the run as it is now, whatever came of it."""
    receipt = read_object(receipt_path(run.run_dir, publisher["name"])) or {}
    return receipt.get("content") == run.content and receipt.get("run_exit_code") == run.exit_code


def publish(publisher: JsonObject, run: Finished, secrets: Collection[str] = ()) -> JsonObject:
    """Tell the publisher of the run, and store and return the receipt; OSError if it cannot be stored.

    :param secrets: values that the receipt must not have.
    """
    message = {
        "protocol_version": PROTOCOL,
        "run_dir": run.run_dir,
        "log_dir": os.path.join(run.run_dir, "logs"),
        "job_id": run.job_id,
        "benchmark_type": run.benchmark_type,
        "run_exit_code": run.exit_code,
        "rollup_path": run.rollup_path,
    }
    begun, started = time.monotonic(), utc_now()
    ended = _Program(publisher["command"], run.run_dir).run(json.dumps(message), publisher["timeout_seconds"])
    status, links, problem = _answer(ended)
    receipt: JsonObject = {
        "protocol_version": PROTOCOL,
        "name": publisher["name"],
        "status": status,
        "links": links,
        "problem": problem,
        "exit_code": ended.exit_code,
        "last_words": ended.errors,
        "started_at": started,
        "duration_s": round(time.monotonic() - begun, 3),
        "run_exit_code": run.exit_code,
        "content": run.content,
    }
    kept: JsonObject = cleaned(redact(receipt), lambda text: shown(_without(text, secrets)))
    write_text_atomic(receipt_path(run.run_dir, publisher["name"]), json.dumps(kept, indent=2) + "\n")
    return kept


def _without(text: str, secrets: Collection[str]) -> str:
    for value in sorted(secrets, key=len, reverse=True):
        if len(value) >= SHORTEST:
            text = text.replace(value, REDACTED)
    return text


class _Ended(NamedTuple):
    """How a program ended: ``problem`` if it could not be run to its end, else None."""

    output: bytes
    errors: str
    exit_code: int | None
    problem: str | None


def _answer(ended: _Ended) -> tuple[str, Json, str | None]:
    """Return (status, links, problem) of a publisher that has ended."""
    problem = ended.problem
    if not problem and ended.exit_code:
        code = ended.exit_code
        problem = f"it ended by signal {-code}" if code < 0 else f"it ended with exit code {code}"
    answer: Json = None
    if not problem:
        try:
            answer = json.loads(ended.output.decode())
        except (ValueError, RecursionError):
            problem = "its output is not JSON" if ended.output.strip() else "it has written nothing"
    if not problem and (not isinstance(answer, dict) or answer.get("protocol_version") != PROTOCOL):
        problem = f"its output is no answer of protocol {PROTOCOL}"
    if not problem and answer.get("status") not in STATUSES:
        problem = f"its status is none of {', '.join(STATUSES)}"
    links = answer.get("links") if not problem else None
    if links is not None and not _are_links(links):
        problem = "its links are not a list or a mapping of text"
    return (FAILED, [], problem) if problem else (answer["status"], links or [], None)


def _are_links(links: Json) -> bool:
    """Return whether *links* is a list of texts or of flat mappings, or a mapping of texts, and not too long."""
    items = list(links.values()) if isinstance(links, dict) else links
    return (
        isinstance(items, list)
        and len(items) <= MOST_LINKS
        and all(
            isinstance(one, str) or isinstance(one, dict) and all(isinstance(text, str) for text in one.values())
            for one in items
        )
    )


class _Program:
    """A command without a shell, in a process group of its own."""

    def __init__(self, command: list[str], folder: str) -> None:
        self._command, self._folder = command, folder
        self._output, self._too_much = bytearray(), threading.Event()
        self._errors: deque[bytes] = deque(maxlen=LAST_WORDS)

    def run(self, message: str, timeout_s: float) -> _Ended:
        """Run it with *message* as its input, *timeout_s* seconds at most."""
        try:
            process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            return _Ended(b"", "", None, f"{self._command[0]} cannot be run: {getattr(error, 'strerror', 0) or error}")
        work = (
            (self._write, process.stdin, message.encode()),
            (self._read, process.stdout),
            (self._keep, process.stderr),
        )
        threads = [threading.Thread(target=do, args=arguments, daemon=True) for do, *arguments in work]
        for thread in threads:
            thread.start()
        problem = self._wait(process, timeout_s)
        for thread in threads[1:]:
            thread.join(GRACE_S)
        if self._too_much.is_set():
            problem = f"its output is longer than {MOST_OUTPUT} bytes"
        words = b"".join(list(self._errors)).decode(errors="replace")
        return _Ended(bytes(self._output), words, process.returncode, problem)

    def _wait(self, process: subprocess.Popen[bytes], timeout_s: float) -> str | None:
        """Wait for the end of the program; return why it was killed, with all that it has started, or None."""
        until, problem = time.monotonic() + timeout_s, None
        while process.poll() is None:
            if self._too_much.is_set() or time.monotonic() > until:
                problem = f"it did not end within {timeout_s:g} s"
                with contextlib.suppress(OSError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                break
            time.sleep(min(0.02, max(0.001, until - time.monotonic())))
        return problem

    @staticmethod
    def _write(pipe: IO[Any], data: bytes) -> None:
        with contextlib.suppress(OSError), pipe:
            pipe.write(data)

    def _read(self, pipe: IO[Any]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for data in iter(lambda: pipe.read1(4096), b""):  # type: ignore[attr-defined]
                self._output += data[: MOST_OUTPUT + 1 - len(self._output)]
                if len(self._output) > MOST_OUTPUT:
                    self._too_much.set()
                    return

    def _keep(self, pipe: IO[Any]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for data in iter(lambda: pipe.read1(4096), b""):  # type: ignore[attr-defined]
                self._errors.extend(data[at : at + 1] for at in range(len(data)))
