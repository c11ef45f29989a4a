# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each node of an allocation is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..failures import Error
from ..json_types import JsonObject


@dataclass(frozen=True)
class Wish:
    """Which services want nodes of their own.

    :param colocate: the dedicated services share one node instead of having one each.
    """

    infra: bool = False
    frontend: bool = False
    client: bool = False
    colocate: bool = True

    @classmethod
    def of(cls, spec: JsonObject) -> Wish:
        """Return the wish that the job's *spec* expresses."""
        return cls(
            infra=spec["infra"]["etcd_nats_dedicated_node"],
            frontend=spec["frontend"]["dedicated_node"],
            client=spec["benchmark"]["client_dedicated_node"],
            colocate=spec["benchmark"]["colocate_with_frontend"],
        )

    @property
    def nodes(self) -> int:
        """The number of nodes beside those of the workers."""
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

    A shared dedicated node is the first one, or the last one as soon as the client is on it: the client's
    node is always the last. Separate dedicated nodes come first, infra before frontend.
    """
    nodes = tuple(nodes)
    if len(nodes) <= wish.nodes:
        raise Error(
            f"{wish.nodes} dedicated node(s) and at least 1 node for workers are needed, the job has {len(nodes)}."
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
    """Return the nodes of the frontends and whether nginx stands before them.

    One frontend on the head node, without nginx, unless *multiple* and there are several worker nodes. Then
    nginx takes the public port of the head node and *additional* + 1 frontends (at most one a node) go to the
    worker nodes that are not the head: on the head they would compete with nginx and the infrastructure.
    """
    others = [node for node in roles.workers if node != roles.head]
    if not multiple or len(roles.workers) < 2 or not others:
        return (roles.head,), False
    return tuple(others[: max(1, min(additional + 1, len(others)))]), True
