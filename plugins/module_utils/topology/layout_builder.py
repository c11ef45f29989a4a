# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the layout of a job: nodes get roles, workers get nodes and GPUs, processes get ports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..failures import Error
from ..json_types import JsonObject
from ..plan_file import Allocation
from .endpoints import Endpoint, place_workers, worker_nodes
from .layout import Layout, Placed, Process, Shift, Split
from .ports import WORKER_FAMILIES, Counter, Family, Owner, PortBook
from .roles import Roles, Wish, assign, frontend_nodes


def build_layout(
    spec: JsonObject,
    allocation: Allocation,
    multiple: bool = True,
    infra: Iterable[str] = (),
    share: bool = False,
    families: Sequence[Family] = WORKER_FAMILIES,
    frontend_ports: Iterable[str] = (),
    split: Split | None = None,
    embedded: bool = False,
    previous: Placed | None = None,
) -> Layout:
    """Return the :class:`Layout` of *spec* on *allocation*.

    :param allocation: ``{id, run_dir, nodes: [{name, address}]}``.
    :param multiple: the frontend supports several instances.
    :param infra: keys of ``ports`` that services on the infra node use.
    :param share: prefill and decode may share a node.
    :param families: the families of ports that workers get.
    :param frontend_ports: keys of ``ports`` that each frontend uses in addition to its HTTP port.
    :param split: ``split(endpoint)`` returns its processes as ``[(node, gpu_indices, start)]``; default: one per node.
    :param embedded: the first worker is the public endpoint; there is no frontend.
    :param previous: an earlier plan of the same job, whose ports are kept if they are still free.
    """
    addresses, surplus = _needed_nodes(spec, allocation, share)
    roles = assign(addresses, Wish.of(spec))
    endpoints = place_workers(spec["resources"], roles.workers, share)
    roles = _placed(roles, spec, endpoints)
    if embedded:
        first = endpoints[0].nodes[0]
        roles = Roles(first, roles.bench if roles.bench != roles.head else first, roles.infra, roles.workers)
    several = multiple and len([node for node in roles.workers if node != roles.head]) > 1
    more = spec["frontend"]["num_additional_frontends"] if several else 0
    frontends, nginx = ((), False) if embedded else frontend_nodes(roles, multiple, more)
    processes = [
        Process(endpoint, rank, node, gpu_indices=gpus, start=start)
        for endpoint in endpoints
        for rank, (node, gpus, start) in enumerate(split(endpoint) if split else _one_a_node(endpoint))
    ]
    book = PortBook(spec["ports"])
    _reserve_fixed(book, roles, frontends, nginx, infra, frontend_ports)
    # The only worker with an HTTP port has the public one.
    counted = [one for one in families if not (embedded and one.name == "http")]
    shifts = _give_ports(book, processes, counted, previous)
    if embedded:
        ports = {**processes[0].ports, "http": spec["ports"]["frontend"]}
        processes[0].ports = {one.name: ports[one.name] for one in families if one.name in ports}
    return Layout(
        spec=spec,
        job_id=str(allocation["id"]),
        run_dir=allocation["run_dir"],
        addresses=addresses,
        roles=roles,
        frontends=frontends,
        nginx=nginx,
        endpoints=endpoints,
        processes=processes,
        shifts=shifts,
        surplus=surplus,
    )


def _needed_nodes(spec: JsonObject, allocation: Allocation, share: bool) -> tuple[dict[str, str], list[str]]:
    """Return ({node: address} of the nodes of *allocation* that the job uses, the names of the others).

    Error if there are too few.
    """
    addresses = {node["name"]: node["address"] for node in allocation["nodes"]}
    needed = worker_nodes(spec["resources"], share) + Wish.of(spec).nodes
    if len(addresses) < needed:
        raise Error(f"The job needs {needed} nodes, the allocation {allocation['id']} has {len(addresses)}.")
    # An adopted allocation may be larger; its other nodes stay idle.
    return dict(list(addresses.items())[:needed]), list(addresses)[needed:]


def _one_a_node(endpoint: Endpoint) -> list[tuple[str, tuple[int, ...], int]]:
    return [(node, endpoint.gpu_indices, 0) for node in endpoint.nodes]


def _placed(roles: Roles, spec: JsonObject, endpoints: list[Endpoint]) -> Roles:
    """Move the public node or the client to the first or last decode leader as the job requests."""
    leaders = [endpoint.nodes[0] for endpoint in endpoints if endpoint.mode == "decode"]
    where = {"first_decode": leaders[:1], "last_decode": leaders[-1:]}
    head = where.get(spec["frontend"]["orchestrator_placement"]) or [roles.head]
    bench = where.get(spec["benchmark"]["client_placement"])
    if not bench:
        bench = [roles.bench if roles.bench != roles.head else head[0]]
    return Roles(head=head[0], bench=bench[0], infra=roles.infra, workers=roles.workers)


def _reserve_fixed(
    book: PortBook,
    roles: Roles,
    frontends: Iterable[str],
    nginx: bool,
    infra: Iterable[str],
    frontend_ports: Iterable[str],
) -> None:
    """Reserve the ports of infrastructure, nginx and frontends, which are the same in every plan of the job."""
    fixed = [(roles.infra, key) for key in infra]
    fixed.append((roles.head, "frontend"))
    fixed += [
        (node, key) for node in frontends for key in (*(("frontend_internal",) if nginx else ()), *frontend_ports)
    ]
    for node, key in fixed:
        book.reserve(node, book.bases[key], Owner(f"ports.{key}"))


def _give_ports(
    book: PortBook, processes: list[Process], families: Sequence[Family], previous: Placed | None
) -> list[Shift]:
    """Assign ports to each process, those of the *previous* plan first; return the result of :func:`_shifts`."""
    before = {one["name"]: one for one in previous["processes"]} if previous else {}
    leaders = {process.endpoint.name: process for process in processes if process.leader}
    wanted = [
        (process, family, process.node if family.who != "prefill" else leaders[process.endpoint.name].node)
        for process in processes
        for family in families
        if family.who == "process" or process.leader and (family.who == "leader" or process.mode == "prefill")
    ]
    # Kept ports first: a new worker must not take the port of a running one.
    rest = []
    for process, family, node in wanted:
        old = before.get(process.name)
        owner = Owner(family.name, process.name)
        kept = old["ports"].get(family.name) if old and old["node"] == process.node else None
        port = book.keep(node, kept, owner, family.size)
        if port is None:
            rest.append((process, family, node, owner))
        else:
            process.ports[family.name] = port
    for process, family, node, owner in rest:
        process.ports[family.name] = book.take(node, family, owner)
    shifts = _shifts(book, wanted)
    shared = [family.name for family in families if family.shared]
    for process in processes:
        leader = leaders[process.endpoint.name]
        process.ports.update({name: leader.ports[name] for name in shared if name in leader.ports})
        process.ports = {family.name: process.ports[family.name] for family in families if family.name in process.ports}
    return shifts


def _shifts(book: PortBook, wanted: Iterable[tuple[Process, Family, str]]) -> list[Shift]:
    """Return the shifts of *wanted* (process, family, node), one for each family and each kind that displaces it.

    It depends on the ports alone, so a plan that keeps them returns the same shifts.
    """
    following: dict[Counter, int] = {}
    found: dict[tuple[str, str], Shift] = {}
    for process, family, node in wanted:
        port, counter = process.ports[family.name], (family.name, node if family.scope == "node" else None)
        wish = following.get(counter, book.bases[family.name])
        following[counter] = port + family.size
        if port != wish:
            for kind in book.in_the_way(node, family, wish, port):
                first = Shift(Owner(family.name, process.name), node, wish, port, kind, 0)
                one = found.get((family.name, kind), first)
                found[family.name, kind] = one._replace(times=one.times + 1)
    return list(found.values())
