# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The roles of the nodes of an allocation."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..failures import Error
from ..json_types import JsonObject


@dataclass(frozen=True)
class Wish:
    """Which services request dedicated nodes.

    :param colocate: the dedicated services share one node.
    """

    infra: bool = False
    frontend: bool = False
    client: bool = False
    colocate: bool = True

    @classmethod
    def of(cls, spec: JsonObject) -> Wish:
        """Return what the job's *spec* requests."""
        infra, frontend = spec["infra"]["etcd_nats_dedicated_node"], spec["frontend"]["dedicated_node"]
        client = spec["benchmark"]["client_dedicated_node"]
        alone = infra + frontend + client < 2  # then there is nobody to share the node with
        return cls(infra, frontend, client, alone or spec["benchmark"]["colocate_with_frontend"])

    @property
    def nodes(self) -> int:
        """The number of nodes in addition to the workers' nodes."""
        wanted = self.infra + self.frontend + self.client
        return min(wanted, 1) if self.colocate else wanted


@dataclass(frozen=True)
class Roles:
    """Node names by purpose: ``head`` has the public port, ``bench`` the load client, ``infra`` NATS and etcd."""

    head: str
    bench: str
    infra: str
    workers: tuple[str, ...]


def assign(nodes: Iterable[str], wish: Wish) -> Roles:
    """Return the :class:`Roles` of *nodes* (names in allocation order); Error when there are too few.

    The client's node is always the last one. A dedicated node shared with the client is therefore the last, otherwise
    the first. Separate dedicated nodes come first, infra before frontend.
    """
    nodes = tuple(nodes)
    if len(nodes) <= wish.nodes:
        raise Error(
            f"{wish.nodes} dedicated node(s) and at least 1 node for workers are needed, but the job has {len(nodes)}."
        )
    infra = frontend = client = None
    rest = list(nodes)
    if wish.colocate and wish.nodes:
        shared = rest.pop(-1 if wish.client else 0)
        infra = shared if wish.infra else None
        frontend = shared if wish.frontend else None
        client = shared if wish.client else None
    elif wish.nodes:
        infra = rest.pop(0) if wish.infra else None
        frontend = rest.pop(0) if wish.frontend else None
        client = rest.pop() if wish.client else None
    head = frontend or rest[0]
    return Roles(head=head, bench=client or head, infra=infra or head, workers=tuple(rest))


def frontend_nodes(roles: Roles, multiple: bool, additional: int) -> tuple[tuple[str, ...], bool]:
    """Return the nodes of the frontends and whether nginx runs before them.

    One frontend on the head node, without nginx, unless *multiple* and there are several worker nodes. Then
    nginx takes the public port of the head node and *additional* + 1 frontends (at most one per node) go to the
    worker nodes other than the head, where they would compete with nginx and the infrastructure.
    """
    others = [node for node in roles.workers if node != roles.head]
    if not multiple or len(roles.workers) < 2 or not others:
        return (roles.head,), False
    return tuple(others[: max(1, min(additional + 1, len(others)))]), True
