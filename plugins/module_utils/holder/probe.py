# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes of a service: open ports, HTTP responses and their content.

A check is data, so that this file is independent of the service::

    {name, kind: tcp|http|log|file, host, port, timeout_s, after: [names],
     method, path, headers, body, status: [200], expect: [{label, path, where, min|nonempty|equals}],
     listing: {tier, by, kept_s}, greets, live, pattern}

``listing``: the answer is a list of the parts in a tier, kept by the step *by*. A part that ended suddenly remains
listed for *kept_s* seconds. ``greets``: the server behind an open port sends something at once. ``live``: the
path of a page that such a server must still answer if it has answered it once.

Checks of kind log and file have no port: the log at *path* has a line that matches *pattern*, or the file is there.
"""

from __future__ import annotations

import contextlib
import http.client
import io
import json
import os
import re
import socket
import time
from typing import Any, Callable

from .records import CheckRecord

FIRST_PAUSE_S, LONGEST_PAUSE_S, HELD_S = 0.05, 2.0, 0.5
LIVE_S, ANY_STATUS = 5.0, range(100, 600)
MOST_BYTES = 16 << 20  # of an answer, headers included; a listing of 8,192 workers has 3 MiB


def lookup(value: Any, path: str | None) -> Any:
    """Return the value at the dotted *path* (digits are list indexes), or None."""
    for part in [p for p in (path or "").split(".") if p]:
        if isinstance(value, list):
            value = value[int(part)] if part.isdigit() and int(part) < len(value) else None
        else:
            value = value.get(part) if isinstance(value, dict) else None
    return value


def evaluate(expect: dict[str, Any], body: Any) -> str | None:
    """Return None if *body* fulfils one expectation, otherwise a text such as ``decode 1/2``."""
    label, value = expect.get("label") or expect.get("path") or "answer", lookup(body, expect.get("path"))
    if expect.get("where") and isinstance(value, list):
        wanted = [(key, want if isinstance(want, list) else [want]) for key, want in expect["where"].items()]
        value = [item for item in value if all(lookup(item, key) in want for key, want in wanted)]
    if expect.get("min") is not None:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        got = value if number else len(value) if isinstance(value, (list, dict, str)) else 0
        return None if got >= expect["min"] else f"{label} {got}/{expect['min']}"
    if expect.get("equals") is not None and value != expect["equals"]:
        return f"{label} is {json.dumps(value)[:80]}, not {json.dumps(expect['equals'])[:80]}"
    return f"{label} is empty" if expect.get("nonempty") and not value else None


def probe(check: dict[str, Any]) -> str | None:
    """Return None if *check* is fulfilled now, otherwise the reason, whatever the service sends."""
    limit_s = float(check.get("timeout_s") or 5)
    if check["kind"] in ("log", "file"):
        return _seen(check)
    address = (check["host"], int(check["port"]))
    text = ""
    try:
        if check["kind"] == "tcp":
            with socket.create_connection(address, timeout=limit_s) as connection:
                connection.settimeout(limit_s)
                return "it accepts connections, but sends nothing" if _is_mute(check, connection) else None
        status, text = fetch(address, check, limit_s)
        if status not in (check.get("status") or [200]):
            return f"HTTP {status}: {text[:200]}".rstrip(": \n")
        faults = [evaluate(expect, json.loads(text)) for expect in check.get("expect") or ()]
        return ", ".join(fault for fault in faults if fault) or None
    except (OSError, http.client.HTTPException) as error:
        return str(getattr(error, "strerror", None) or error or type(error).__name__)
    except (ValueError, RecursionError):
        return f"the answer is not JSON: {text[:200]}"
    except Exception as error:  # a thread that ended here would never ask again
        return f"{type(error).__name__}: {error}"


def _seen(check: dict[str, Any]) -> str | None:
    """Return None if the file of a check is there, and has its line if it is a log; otherwise the reason."""
    path = check["path"]
    if check["kind"] == "file":
        return None if os.path.exists(path) else f"{path} is not there"
    try:
        with open(path, "rb") as stream:
            stream.seek(check.get("begin") or 0)
            text = stream.read()
    except OSError as error:
        return f"{path}: {error.strerror}"
    found = re.search(check["pattern"].encode(), text)
    return None if found else f"no line of its log matches {check['pattern'][:80]}"


class Prober:
    """Probes, and knows who has answered before: a process that was stopped, or one of others, has open ports, too."""

    def __init__(self) -> None:
        self._answered: set[tuple[Any, ...]] = set()
        self._begins: dict[tuple[str, int], int] = {}  # where the lines of a later start of a part begin in its log

    def probe(self, check: dict[str, Any], life: int = 0) -> str | None:
        """Return None if *check* is fulfilled now, otherwise the reason.

        :param life: the number of the start of the part; another one may have no server for ``live``.
        """
        if check["kind"] == "log":
            return probe({**check, "begin": self._begin(check["path"], life)})
        error = probe(check)
        if error or not check.get("live"):
            return error
        http_check = {**check, "kind": "http", "path": check["live"], "status": ANY_STATUS, "timeout_s": LIVE_S}
        silent, who = probe(http_check), (check["name"], check["host"], check["port"], life)
        if silent is None:
            self._answered.add(who)
        return silent if who in self._answered else None

    def _begin(self, path: str, life: int) -> int:
        """Return where to read a log: that of a later start goes on behind the lines of the first."""
        if life > 1 and (path, life) not in self._begins:
            self._begins[path, life] = os.path.getsize(path) if os.path.exists(path) else 0
        return self._begins.get((path, life), 0)


def _is_mute(check: dict[str, Any], connection: socket.socket) -> bool:
    """Return whether a server that greets does not, such as a process that was stopped: the kernel still accepts."""
    try:
        return bool(check.get("greets")) and not connection.recv(1)
    except socket.timeout:
        return True


class Received(io.RawIOBase):
    """What a socket receives, until a deadline and up to a number of bytes, whoever reads it."""

    def __init__(self, sock: socket.socket, limit_s: float, until: float) -> None:
        super().__init__()
        self.sock, self.limit_s, self.until, self.left = sock, limit_s, until, MOST_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left_s = self.until - time.monotonic()
        if not self.left:
            raise OSError(f"the answer has more than {MOST_BYTES >> 20} MiB")
        if left_s > 0:
            self.sock.settimeout(left_s)
            with contextlib.suppress(socket.timeout):
                size = self.sock.recv_into(memoryview(buffer)[: self.left])
                self.left -= size
                return size
        raise socket.timeout(
            "timed out" if self.left == MOST_BYTES else f"the answer did not end in {self.limit_s:g} s"
        )


def fetch(address: tuple[str, int], check: dict[str, Any], limit_s: float) -> tuple[int, str]:
    """Return (status, text) of one HTTP request, limited to *limit_s* in total and to MOST_BYTES."""
    body, until = check.get("body"), time.monotonic() + limit_s
    headers = {"Content-Type": "application/json"} if body is not None else {}
    connection = http.client.HTTPConnection(address[0], address[1], timeout=limit_s)
    try:
        connection.request(
            check.get("method") or "GET",
            check.get("path") or "/",
            None if body is None else json.dumps(body),
            dict(headers, **(check.get("headers") or {})),
        )
        answer = http.client.HTTPResponse(connection.sock, method=check.get("method") or "GET")
        answer.fp = io.BufferedReader(Received(connection.sock, limit_s, until))
        answer.begin()
        parts = [answer.read(65536)]
        while parts[-1]:
            parts.append(answer.read(65536))
        return answer.status, b"".join(parts).decode(errors="replace")
    finally:
        connection.close()


class Wait:
    """The checks that one long poll waits for; its state lives from slice to slice.

    :param hold: function of a check; returns why its answer does not count yet, or None.
    """

    def __init__(
        self, checks: list[dict[str, Any]], hold: Callable[[dict[str, Any]], str | None] = lambda check: None
    ) -> None:
        self.began, self.hold = time.monotonic(), hold
        fresh = {
            "done": False,
            "busy": False,
            "due": 0.0,
            "pause": FIRST_PAUSE_S,
            "attempts": 0,
            "elapsed": None,
            "error": None,
        }
        self.checks = {check["name"]: dict(check, **fresh) for check in checks}

    def due(self, now: float) -> tuple[list[dict[str, Any]], float]:
        """Return the checks to probe now, and the seconds until the next one is due."""
        todo = [
            c
            for c in self.checks.values()
            if not c["done"]
            and not c["busy"]
            and all(self.checks[name]["done"] for name in c.get("after") or () if name in self.checks)
        ]
        for check in (c for c in todo if c["due"] <= now):
            why = self.hold(check)
            if why:
                check.update(error=why, attempts=check["attempts"] + 1, due=now + HELD_S)
        return [c for c in todo if c["due"] <= now], min([c["due"] - now for c in todo if c["due"] > now], default=1.0)

    def take(self, check: dict[str, Any], error: str | None) -> None:
        """Record the outcome of one probe; the pauses grow from probe to probe."""
        now = time.monotonic()
        check.update(
            busy=False,
            attempts=check["attempts"] + 1,
            error=error,
            due=now + check["pause"],
            pause=min(LONGEST_PAUSE_S, check["pause"] * 1.3),
        )
        if error is None:
            check.update(done=True, elapsed=now - self.began)

    def left(self) -> int:
        """Return the number of checks that are not done."""
        return sum(not c["done"] for c in self.checks.values())

    def records(self) -> list[CheckRecord]:
        """Return {name, done, attempts, elapsed_s, last_error} of each check, in the order of the request."""
        passed = time.monotonic() - self.began
        return [
            {
                "name": c["name"],
                "done": c["done"],
                "attempts": c["attempts"],
                "last_error": c["error"],
                "elapsed_s": round(passed if c["elapsed"] is None else c["elapsed"], 3),
            }
            for c in self.checks.values()
        ]
