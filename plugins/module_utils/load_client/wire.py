# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Messages between the load clients of several nodes: JSON and arrays of numbers over TCP, nothing that is executed.

Both sides prove that they know the secret of their step before either reads more than a greeting. The secret itself is
never sent.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import struct
import sys
from array import array
from collections.abc import Mapping
from typing import Any, NamedTuple

GREETING_BYTES = 4096  # the longest message of who has not proved anything
GREETING_S = 3.0  # and how long it may take
MOST_BYTES = 4 << 30
PATIENCE_S = 60.0  # for the rest of a message that has begun
CODES = frozenset("bdfhq")
SIZE = struct.Struct(">Q")


class WireError(Exception):
    """The other side is gone, or is not who it should be."""


class Message(NamedTuple):
    """What was sent."""

    kind: str
    content: Any
    arrays: dict[str, array[Any]]


class Wire:
    """One connection.

    :ivar name: of the node at its other end.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.name = ""
        self._socket = connection
        self._most = GREETING_BYTES
        connection.settimeout(GREETING_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3)):
            if hasattr(socket, name):
                connection.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def fileno(self) -> int:
        """Return what a selector waits for."""
        return self._socket.fileno()

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self._socket.close()

    def send(self, kind: str, content: Any = None, arrays: Mapping[str, array[Any]] | None = None) -> None:
        """Send a message; WireError if the other side is gone."""
        parts = {name: [values.typecode, len(values)] for name, values in (arrays or {}).items()}
        head = json.dumps({"kind": kind, "content": content, "arrays": parts, "order": sys.byteorder}).encode()
        try:
            self._socket.sendall(SIZE.pack(len(head)) + head)
            for values in (arrays or {}).values():
                self._socket.sendall(memoryview(values).cast("B"))
        except OSError as error:
            raise WireError(f"cannot send: {error}") from None

    def recv(self) -> Message:
        """Return the next message; WireError if there will be none."""
        (size,) = SIZE.unpack(self._exactly(SIZE.size))
        if size > self._most:
            raise WireError(f"a message of {size} bytes")
        try:
            head = json.loads(self._exactly(size))
            kind, content = str(head["kind"]), head["content"]
            parts: dict[str, tuple[str, int]] = dict(head["arrays"])
            swapped = head["order"] != sys.byteorder
            return Message(kind, content, {name: self._array(*two, swapped=swapped) for name, two in parts.items()})
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise WireError(f"not a message: {error!r}") from None

    def _array(self, code: str, count: int, swapped: bool) -> array[Any]:
        if (
            code not in CODES
            or isinstance(count, bool)
            or not isinstance(count, int)
            or not 0 <= count * array(code).itemsize <= self._most
        ):
            raise WireError("not an array of numbers")
        values = array(code)
        values.frombytes(self._exactly(count * values.itemsize))
        if swapped:
            values.byteswap()
        return values

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        try:
            while len(parts) < size:
                data = self._socket.recv(min(size - len(parts), 1 << 20))
                if not data:
                    raise WireError("the connection was closed")
                parts += data
        except OSError as error:
            raise WireError(f"cannot receive: {error}") from None
        return bytes(parts)

    # ---- who is who

    def accept(self, secret: bytes, names: Mapping[str, Any] | set[str]) -> None:
        """Let one of *names* in that knows the *secret*; WireError otherwise."""
        ours = secrets.token_hex(16)
        self.send("who", ours)
        hello = self.recv()
        said = hello.content if isinstance(hello.content, dict) else {}
        name, theirs, proof = (str(said.get(key, "")) for key in ("name", "nonce", "proof"))
        if not hmac.compare_digest(proof.encode(), _proof(secret, "client", name, ours, theirs)) or name not in names:
            raise WireError("it does not know the secret of the step")
        self.send("welcome", _proof(secret, "server", name, ours, theirs).decode())
        self._trust(name)

    def greet(self, secret: bytes, name: str, other: str) -> None:
        """Prove to be the node *name*, and that *other* is who it should be."""
        nonce, theirs = secrets.token_hex(16), str(self.recv().content)
        proof = _proof(secret, "client", name, theirs, nonce).decode()
        self.send("hello", {"name": name, "nonce": nonce, "proof": proof})
        answer = str(self.recv().content)
        if not hmac.compare_digest(answer.encode(), _proof(secret, "server", name, theirs, nonce)):
            raise WireError(f"{other} does not know the secret of the step")
        self._trust(other)

    def _trust(self, name: str) -> None:
        self.name, self._most = name, MOST_BYTES
        self._socket.settimeout(PATIENCE_S)


def _proof(secret: bytes, *words: str) -> bytes:
    return hmac.new(secret, "\0".join(words).encode(), hashlib.sha256).hexdigest().encode()
