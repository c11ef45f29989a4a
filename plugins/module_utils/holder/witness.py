# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Connections to the parts of a service: one that is lost, and cannot be made anew at once, shows that a server ended.

Its step may live on: a launcher that starts its engine again hides the loss from everybody who asks later. Nothing is
sent, so that the service has no work with it. A server may close such a connection after a while; it accepts another.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Mapping, Sequence
from typing import Any

from .utc import utc_now

CONNECT_S = 2.0  # a server without load accepts at once
AGAIN_S = 0.5  # pause before another try
BREAKS = 200  # number of the latest ones to keep


class Witness:
    """Watches the parts of a service, each ``{name: [host, port]}``, in a thread.

    :ivar breaks: ``{"name", "at", "reason"}`` of each part whose server ended (UTC), while it was watched.
    """

    def __init__(self) -> None:
        self.breaks: list[dict[str, Any]] = []
        self._parts: dict[str, tuple[str, int]] = {}
        self._lock = threading.Lock()
        self._wake, self._woken = socket.socketpair()
        self._thread: threading.Thread | None = None
        self._connections: dict[str, socket.socket] = {}

    def watch(self, parts: Mapping[str, Sequence[Any]]) -> None:
        """Watch exactly *parts* from now on; those that were watched already still are."""
        with self._lock:
            self._parts = {name: (str(host), int(port)) for name, (host, port) in parts.items()}
            if self._parts and not self._thread:
                self._thread = threading.Thread(target=self._run, daemon=True)
                self._thread.start()
        with contextlib.suppress(OSError):
            self._wake.send(b"!")

    def _run(self) -> None:
        """Watch until the end of the process; a part that could not be reached is tried again and again."""
        selector = selectors.DefaultSelector()
        selector.register(self._woken, selectors.EVENT_READ, None)
        where: dict[str, tuple[str, int]] = {}
        while True:
            with self._lock:
                parts = dict(self._parts)
            for name in [name for name in where if parts.get(name) != where[name]]:
                self._leave(selector, name)
                del where[name]
            for name, address in parts.items():
                where[name] = address
                if name not in self._connections:
                    self._connect(selector, name, address)
            missing = any(name not in self._connections for name in parts)
            for key, _events in selector.select(AGAIN_S if missing else None):
                if key.data is None:
                    self._woken.recv(4096)
                elif _is_closed(self._connections[key.data]):
                    self._leave(selector, key.data)
                    if not self._connect(selector, key.data, where[key.data]):
                        self._note(key.data, where[key.data])

    def _connect(self, selector: selectors.BaseSelector, name: str, address: tuple[str, int]) -> bool:
        """Return whether a connection to the part could be made."""
        try:
            connection = socket.create_connection(address, timeout=CONNECT_S)
        except OSError:
            return False
        self._connections[name] = connection
        selector.register(connection, selectors.EVENT_READ, name)
        return True

    def _leave(self, selector: selectors.BaseSelector, name: str) -> None:
        connection = self._connections.pop(name, None)
        if connection:
            selector.unregister(connection)
            connection.close()

    def _note(self, name: str, address: tuple[str, int]) -> None:
        with self._lock:
            if name in self._parts:
                reason = f"its server at {address[0]}:{address[1]} ended"
                self.breaks = [*self.breaks[1 - BREAKS :], {"name": name, "at": utc_now(), "reason": reason}]


def _is_closed(connection: socket.socket) -> bool:
    """Return whether the server closed a connection; what it may send is of no interest."""
    try:
        return not connection.recv(4096)
    except socket.timeout:
        return False
    except OSError:
        return True
