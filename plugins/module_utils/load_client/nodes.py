# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The load clients of several nodes find each other: the one of the first node leads, the others follow it.

The leader listens on a port of its own. Address, port and secret are in a file beside the result that only its owner
can read, until all have come.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import select
import socket
import stat
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Any, NamedTuple

from . import clocks
from .load import Stop
from .samples import Samples
from .sender import Outcome
from .wire import Message, Wire, WireError

SECRETS = ".secrets"
COME_S = 300.0  # for all nodes to come
LOOK_S = 0.2
SILENT_S = 30.0  # without a word, from which on a node counts as lost


class Meeting(NamedTuple):
    """Where the leader listens, as the file says it."""

    step: str
    address: str
    port: int
    secret: str


def step_id() -> str:
    """Return which step of which job this is: the file of another one does not count."""
    return ".".join(os.environ.get(name, "") for name in ("SLURM_JOB_ID", "SLURM_STEP_ID"))


def own_name(nodes: list[tuple[str, str]]) -> str:
    """Return the name of this node among *nodes*; ValueError if it is none of them."""
    name = os.environ.get("SLURMD_NODENAME") or os.uname().nodename
    if name not in dict(nodes):
        raise ValueError(f"--nodes has {', '.join(dict(nodes))}, but this node is {name} (SLURMD_NODENAME)")
    return name


def meeting_path(result: str) -> str:
    """Return the path of the file by which nodes find the leader; what is in such a directory is never published."""
    folder, name = os.path.split(os.path.abspath(result))
    return os.path.join(folder, SECRETS, f"{os.path.splitext(name)[0]}.clients.{step_id()}.json")


class Link:
    """The leader's connection to the load client of another node.

    :ivar name: of the node.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire, self.name = wire, wire.name
        self._quiet_s: float | None = None  # how long it was waited for in vain; None before it begins to speak
        self.first = clocks.measure(self._ask)
        self.conversion = clocks.Conversion(self.first)

    def fileno(self) -> int:
        """Return what a selector waits for."""
        return self._wire.fileno()

    def send(self, kind: str, content: Any = None) -> None:
        """Send a message; a node that is gone is noticed elsewhere."""
        with contextlib.suppress(WireError):
            self._wire.send(kind, content)

    def begin(self, moment: float) -> None:
        """Say when to begin; *moment* is of our clock."""
        self.send("begin", self.conversion.theirs(moment))

    def recv(self) -> tuple[str, Any]:
        """Return (kind, content) of the next message; EOFError if the node is gone."""
        try:
            message = self._wire.recv()
            if message.kind == "outcome":
                self.conversion = clocks.Conversion(self.first, clocks.measure(self._ask))
                return "outcome", self._outcome(message)
        except (WireError, ValueError, KeyError, TypeError) as error:
            raise EOFError(str(error)) from None
        return message.kind, message.content

    def waited(self, spoke: bool, seconds: float) -> None:
        """Take note that it was waited for, and whether it *spoke*."""
        if spoke:
            self._quiet_s = 0.0
        elif self._quiet_s is not None:
            self._quiet_s += seconds

    def silent(self) -> bool:
        """Return whether it has said nothing for too long."""
        return self._quiet_s is not None and self._quiet_s > SILENT_S

    def end(self) -> None:
        """Let the other side end."""
        self.send("bye")
        self._wire.close()

    def about(self) -> dict[str, Any]:
        """Return what a result says of the node."""
        clock = self.conversion
        return {
            "node": self.name,
            "clock_offset_s": round(clock.first.offset_s, 9),
            "clock_uncertainty_s": round(clock.uncertainty_s, 9),
            "clock_drift_s": round(clock.drift_s, 9),
        }

    def _ask(self) -> float:
        self._wire.send("clock")
        while True:
            message = self._wire.recv()
            if message.kind == "time":  # counts may come before
                return float(message.content)

    def _outcome(self, message: Message) -> Outcome:
        said = message.content
        samples = Samples()
        for name in Samples.ARRAYS:
            setattr(samples, name, message.arrays[name])
        for name in ("start", "first", "last"):
            setattr(samples, name, self.conversion.convert(message.arrays[name]))
        samples.check()
        samples.errors = [str(one) for one in said["errors"]]
        samples.models.update({str(name): int(count) for name, count in said["models"].items()})
        samples.texts = said["texts"]
        stop = Stop(*said["stop"]) if said["stop"] else None
        if stop:
            stop.reason = f"node {self.name}: {stop.reason}"
        moments = (None if said[name] is None else self.conversion.ours(said[name]) for name in ("started", "ended"))
        started, ended = moments
        return Outcome(
            stop,
            samples,
            int(said["failed_warmup"]),
            None,
            started,
            ended,
            {"each": [one and {**one, "node": self.name} for one in said["each"]]},
        )


def gather(options: Namespace, tick: Callable[[], None], limit_s: float = COME_S) -> list[Link]:
    """Return the links to all nodes but the first, which is this one; Stop if one does not come."""
    (name, address), *others = options.nodes
    secret, path = secrets.token_hex(32), meeting_path(options.result)
    wires: dict[str, Wire] = {}
    family = socket.getaddrinfo(address, None, type=socket.SOCK_STREAM)[0][0]
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((address, 0), family=family, backlog=64))
        _write(path, Meeting(step_id(), address, listener.getsockname()[1], secret))
        stack.callback(_forget, path)
        until = time.monotonic() + limit_s
        while len(wires) < len(others):
            tick()
            if time.monotonic() > until:
                missing = [one for one, _address in others if one not in wires]
                raise Stop("failed", 1, f"the load client on {', '.join(missing)} did not come within {limit_s:.0f} s")
            if not select.select([listener], [], [], LOOK_S)[0]:
                continue
            connection, _peer = listener.accept()
            try:
                wire = Wire(connection)
                wire.accept(secret.encode(), {one for one, _address in others} - set(wires))
                wires[wire.name] = wire
            except (WireError, OSError):  # whoever it was
                connection.close()
    links = []
    for one, _address in others:
        try:
            links.append(Link(wires[one]))
        except (WireError, ValueError, TypeError) as error:
            raise lost(one, error) from None
    return links


def lost(name: str, why: object = "") -> Stop:
    """Return the end of a measurement by the loss of a node."""
    return Stop("failed", 1, f"the load client on node {name} ended without a result" + (f" ({why})" if why else ""))


def about(nodes: list[tuple[str, str]], links: list[Link], clients: int) -> list[dict[str, Any]]:
    """Return what a result says of the *nodes*, whose clocks are compared with that of the first one."""
    here = {"node": nodes[0][0], "clock_offset_s": 0.0, "clock_uncertainty_s": 0.0, "clock_drift_s": 0.0}
    found = [here, *(link.about() for link in links)]
    return [{**one, "clients": len(range(place, clients, len(nodes)))} for place, one in enumerate(found)]


class Leader:
    """The connection of a follower to the first node."""

    def __init__(self, options: Namespace, limit_s: float = COME_S) -> None:
        self.name = own_name(options.nodes)
        meeting = _found(meeting_path(options.result), limit_s)
        self._wire = Wire(socket.create_connection((meeting.address, meeting.port), timeout=GREET_S))
        self._wire.greet(meeting.secret.encode(), self.name, options.nodes[0][0])

    def fileno(self) -> int:
        """Return what a selector waits for."""
        return self._wire.fileno()

    def send(self, kind: str, content: Any = None) -> None:
        """Send a message."""
        self._wire.send(kind, content)

    def hear(self) -> Message | None:
        """Take the next message, and return it unless it was answered here."""
        message = self._wire.recv()
        if message.kind != "clock":
            return message
        self._wire.send("time", time.perf_counter())
        return None

    def wait_for(self, kind: str) -> Any:
        """Return the content of the next message of this *kind*; WireError if there is none."""
        while True:
            if not select.select([self._wire], [], [], SILENT_S)[0]:
                continue  # the leader prepares, or others still measure; keep-alives tell whether it is there
            message = self.hear()
            if message and message.kind == kind:
                return message.content
            if message and message.kind in ("bye", "stop"):
                raise WireError(f"the leader says {message.kind}: {message.content or ''}")

    def hand_over(self, outcome: Outcome) -> None:
        """Send what this node measured, and wait until the leader has it."""
        samples, stop = outcome.samples, outcome.stop
        content = {
            "stop": [stop.phase, stop.exit_code, stop.reason] if stop else None,
            "failed_warmup": outcome.failed_warmup,
            "started": outcome.started,
            "ended": outcome.ended,
            "each": outcome.facts.get("clients_health") or [],
            "errors": samples.errors,
            "models": dict(samples.models),
            "texts": samples.texts,
        }
        self._wire.send("outcome", content, {name: getattr(samples, name) for name in Samples.ARRAYS})
        with contextlib.suppress(WireError):
            self.wait_for("bye")


GREET_S = 10.0


def _write(path: str, meeting: Meeting) -> None:
    os.makedirs(os.path.dirname(path), mode=0o700, exist_ok=True)
    new = f"{path}.new"
    _remove(new)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as stream:
        stream.write(json.dumps(meeting._asdict()))
    os.replace(new, path)


def _forget(path: str) -> None:
    _remove(path)
    with contextlib.suppress(OSError):  # there may be files of others
        os.rmdir(os.path.dirname(path))


def _remove(path: str) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)


def _found(path: str, limit_s: float) -> Meeting:
    """Return what the file *path* says, once it is there; WireError after *limit_s* seconds."""
    until = time.monotonic() + limit_s
    while True:
        with contextlib.suppress(FileNotFoundError), open(path, encoding="utf-8") as stream:
            seen = os.fstat(stream.fileno())
            if seen.st_uid != os.getuid() or stat.S_IMODE(seen.st_mode) & 0o077:
                raise WireError(f"{path} could be of somebody else: its owner or its mode is not ours")
            return Meeting(**json.load(stream))
        if time.monotonic() > until:
            raise WireError(f"{path} did not appear within {limit_s:.0f} s: the first node has not begun")
        time.sleep(LOOK_S)
