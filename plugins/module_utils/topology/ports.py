# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port numbers: fixed ones for services, counted ones for workers, each used once per node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, Optional

from ..failures import Error

HIGHEST = 65535

# A counter of ports: the family's name and the node, or None if it counts across the job.
Counter = tuple[str, Optional[str]]


class PortConflict(Error):
    """Two services of the job have the same fixed port on one node."""


@dataclass(frozen=True)
class Family:
    """A kind of worker port.

    :param name: the key of its first port in the job's ``ports`` section.
    :param scope: "node" counts from the base on each node; "job" counts across the job.
    :param who: the owners: each "process", each "leader", or the leaders of "prefill" endpoints.
    :param shared: the other ranks of the endpoint get the leader's number.
    :param size: consecutive ports per owner.
    """

    name: str
    scope: str = "node"
    who: str = "process"
    shared: bool = False
    size: int = 1


WORKER_FAMILIES = (
    Family("system", scope="job"),
    Family("http", who="leader"),
    Family("bootstrap", who="prefill", shared=True),
    Family("kv_events", scope="job"),
)


class Owner(NamedTuple):
    """Who has a port: a ``process`` has one of the family ``kind``; a fixed port has its key alone, ports.frontend."""

    kind: str
    process: str = ""

    def __str__(self) -> str:
        return f"{self.kind} of {self.process}" if self.process else self.kind


class PortBook:
    """Assigns ports and records their owners. The numbers depend only on the order of the calls."""

    def __init__(self, bases: Mapping[str, int]) -> None:
        self.bases = bases
        self.owners: dict[tuple[str, int], Owner] = {}
        self._next: dict[Counter, int] = {}

    def reserve(self, node: str, port: int, owner: Owner) -> int:
        """Reserve a fixed *port*; PortConflict if it has another owner on that node."""
        taken = self.owners.setdefault((node, port), owner)
        if taken != owner:
            raise PortConflict(
                f"Port {port} on {node} is used by both {taken} and {owner}. Change one of them under ports in the job."
            )
        return port

    def free(self, node: str, port: int, size: int = 1) -> bool:
        """Return whether *size* ports from *port* on are free on *node*."""
        return self._last_taken(node, port, size) is None

    def _last_taken(self, node: str, port: int, size: int) -> int | None:
        """Return the last of *size* ports from *port* on that is taken on *node*, or None."""
        if size == 1:  # the usual case
            return port if (node, port) in self.owners else None
        numbers = range(port + size - 1, port - 1, -1)
        return next((number for number in numbers if (node, number) in self.owners), None)

    def keep(self, node: str, port: int | None, owner: Owner, size: int = 1) -> int | None:
        """Reserve the port of an earlier plan if it is still free; return it, else None."""
        if not isinstance(port, int) or port + size - 1 > HIGHEST or not self.free(node, port, size):
            return None
        return self._take(node, port, owner, size)

    def take(self, node: str, family: Family, owner: Owner) -> int:
        """Return the next free port of *family* on *node*."""
        counter = (family.name, node if family.scope == "node" else None)
        base = self.bases[family.name]
        port = self._next.get(counter, base)
        # The size comes from the job and may be any number: ports beyond the last one are never checked.
        while port + family.size - 1 <= HIGHEST:
            taken = self._last_taken(node, port, family.size)
            if taken is None:
                break
            port = taken + 1
        else:
            row = f" ({family.size} in a row)" if family.size > 1 else ""
            raise Error(
                f"No {family.name} port{row} is left for {owner}: counting from {base} passed "
                f"{HIGHEST}. Lower ports.{family.name} in the job."
            )
        self._next[counter] = port + family.size
        return self._take(node, port, owner, family.size)

    def in_the_way(self, node: str, family: Family, wish: int, port: int) -> list[str]:
        """Return the kinds of ports because of which *family* has *port* on *node* instead of *wish*, the next number.

        Kinds are the names of families, and "ports.frontend" or the like for a fixed port.
        """
        numbers = range(wish, max(port, wish + family.size)) if port > wish else ()
        owners = (self.owners.get((node, number)) for number in numbers)
        return sorted({owner.kind for owner in owners if owner} - {family.name})

    def _take(self, node: str, port: int, owner: Owner, size: int) -> int:
        self.owners[(node, port)] = owner
        for number in range(port + 1, port + size):
            self.owners[(node, number)] = owner
        return port
