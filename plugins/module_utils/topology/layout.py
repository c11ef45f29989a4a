# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of one job: roles, endpoints, processes and ports on concrete nodes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Callable, NamedTuple, TypedDict

from ..failures import Error
from ..json_types import JsonObject
from ..plan_file import Allocation, ProcessRecord
from .endpoints import Demand, Endpoint, allocate
from .options import Option
from .ports import WORKER_FAMILIES, Counter, Family, PortBook
from .roles import Roles, Wish, assign, frontend_nodes

INFRA_PORTS = ("nats", "etcd", "etcd_peer")

# The processes of an endpoint as (node, GPU indices, first data-parallel rank), in rank order.
Split = Callable[[Endpoint], list[tuple[str, tuple[int, ...], int]]]


class Placed(TypedDict):
    """The processes of a job in an earlier plan."""

    processes: list[ProcessRecord]


class Shift(NamedTuple):
    """The first port of a family that is not the next number because of the ports of *kind*.

    *owner* on *node* has *port* instead of *wish*; this happened *times* times.
    """

    owner: str
    node: str
    wish: int
    port: int
    kind: str
    times: int


@dataclass
class Process:
    """The part of an endpoint on one node. ``ports`` is {family: number}.

    ``gpu_indices`` are those of the endpoint, unless the backend splits the endpoint's node into several processes;
    ``start`` is then the first data-parallel rank that the process carries.
    """

    endpoint: Endpoint
    rank: int
    node: str
    ports: dict[str, int] = field(default_factory=dict)
    gpu_indices: tuple[int, ...] = ()
    start: int = 0

    def __post_init__(self) -> None:
        self.gpu_indices = self.gpu_indices or self.endpoint.gpu_indices

    @cached_property
    def name(self) -> str:
        return self.endpoint.name + (f"_r{self.rank}" if self.rank else "")

    @property
    def mode(self) -> str:
        return self.endpoint.mode

    @property
    def leader(self) -> bool:
        return self.rank == 0

    def as_dict(self) -> ProcessRecord:
        """Return the process as it stands in plan.json."""
        return {
            "name": self.name,
            "endpoint": self.endpoint.name,
            "mode": self.mode,
            "index": self.endpoint.index,
            "rank": self.rank,
            "leader": self.leader,
            "node": self.node,
            "gpu_indices": list(self.gpu_indices),
            "ports": dict(self.ports),
        }


@dataclass
class Layout:
    """Everything that backends, frontends and benchmarks may know about the placement.

    ``addresses`` maps node names, in allocation order, to addresses. The plan sets ``served_name``, the
    model's public name; ``served_by``, the path of its key in the spec; ``wiring``, the environment that
    connects a process to the job's infrastructure; ``worker_urls``, the URLs of
    workers with their own HTTP server, by process name. ``shifts`` is the result of :func:`_shifts`, ``surplus`` the
    nodes of the allocation that the job does not need.
    """

    spec: JsonObject
    job_id: str
    run_dir: str
    addresses: dict[str, str]
    roles: Roles
    frontends: tuple[str, ...]
    nginx: bool
    endpoints: list[Endpoint]
    processes: list[Process]
    served_name: str = ""
    served_by: tuple[str, ...] = ()
    wiring: dict[str, Option] = field(default_factory=dict)
    worker_urls: dict[str, str] = field(default_factory=dict)
    shifts: list[Shift] = field(default_factory=list)
    surplus: list[str] = field(default_factory=list)

    @property
    def ports(self) -> dict[str, int]:
        """The bases and fixed ports of the job."""
        bases: dict[str, int] = self.spec["ports"]
        return bases

    @property
    def contained(self) -> bool:
        """True if the job's steps run in a container."""
        return bool(self.spec["cluster"]["container_runtime"] != "none")

    @property
    def python(self) -> str:
        """The Python of workers, frontends and the load client."""
        return "python3" if self.contained else self.spec["python"]

    def program(self, name: str) -> str:
        """Return *name*, a program that comes with the engine: beside the job's Python if that is a path."""
        folder, slash, _python = self.python.rpartition("/")
        return f"{folder}/{name}" if slash else name

    @property
    def source_model(self) -> str:
        """The model as every step sees it: /model in a container, an hf id, or the path itself."""
        path: str = self.spec["model"]["path"]
        if path.startswith("hf:"):
            return path[3:]
        return "/model" if self.contained else path

    @property
    def staged_model(self) -> str | None:
        """The directory to which workers copy the model before they start, or None."""
        folder, path = self.spec["model"]["stage_dir"], self.spec["model"]["path"]
        if not folder or path.startswith("hf:"):
            return None
        return f"{folder.rstrip('/')}/{path.rstrip('/').rsplit('/', 1)[-1]}"

    @cached_property
    def model_path(self) -> str:
        """The model as a worker sees it: its local copy if there is one."""
        return self.staged_model or self.source_model

    @cached_property
    def model_origin(self) -> tuple[str, ...] | None:
        """The path in the spec of a worker's model; None for a path in a container or a copy."""
        return ("model", "path") if self.model_path == self.spec["model"]["path"].removeprefix("hf:") else None

    @property
    def head_address(self) -> str:
        return self.addresses[self.roles.head]

    @property
    def infra_address(self) -> str:
        return self.addresses[self.roles.infra]

    @property
    def frontend_port(self) -> int:
        """The port that each frontend listens on."""
        return self.ports["frontend_internal" if self.nginx else "frontend"]

    @property
    def public_url(self) -> str:
        return f"http://{self.head_address}:{self.ports['frontend']}"

    def address(self, node: str) -> str:
        return self.addresses[node]

    def observe(self, who: str) -> dict[str, Option]:
        """Return the tracing environment of *who*, a mode or "frontend"; values of the job take precedence."""
        wanted = self.spec["observability"]
        found: list[Option] = []
        otel = wanted["enable_otel"] and wanted["otel_endpoint"]
        if wanted["enabled"]:
            values = {"DYN_LOGGING_SPAN_EVENTS": "true", "DYN_LOGGING_JSONL": "true", "DYN_LOG": "debug"}
            if who == "frontend":
                values["DYN_REQUEST_TRACE"] = "1"
            found += [Option(name, value, ("observability", "enabled")) for name, value in values.items()]
            if who == "frontend":
                found.append(Option("DYN_REQUEST_TRACE_FILE_PATH", f"{self.run_dir}/logs/dynamo-request-trace"))
        if otel:
            path = ("observability", "enable_otel")
            found += [Option("DYN_LOGGING_JSONL", "1", path), Option("OTEL_EXPORT_ENABLED", "1", path)]
            found.append(Option("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", otel, ("observability", "otel_endpoint")))
            found.append(Option("OTEL_SERVICE_NAME", f"dynamo-{who}"))
        return {one.name: one for one in found}

    @property
    def parts(self) -> list[list[str]]:
        """The nodes of each component of the Slurm job: one, or two in a heterogeneous job."""
        if not self.spec["resources"]["het_jobs"]:
            return [list(self.addresses)]
        return [[node for node, group in self.het_groups.items() if group == number] for number in ("0", "1")]

    @cached_property
    def het_groups(self) -> dict[str, str]:
        """The component of a heterogeneous job of each node, as text: the decode nodes are the second."""
        first = len(self.addresses) - self.spec["resources"]["decode_nodes"]
        return {node: "0" if index < first else "1" for index, node in enumerate(self.addresses)}

    @cached_property
    def node_numbers(self) -> dict[str, int]:
        """The index of each worker node, by name."""
        return {node: index for index, node in enumerate(self.roles.workers)}

    def private_dir(self, step: str) -> str:
        """Return a directory name for *step* that is unique on the host across jobs, clusters and steps."""
        run = hashlib.sha256(self.run_dir.encode()).hexdigest()[:8]
        return f"/tmp/srt-{self.job_id}-{run}-{step}"

    def ranks(self, endpoint: Endpoint) -> list[Process]:
        """Return the processes of *endpoint* in rank order."""
        return [process for process in self.processes if process.endpoint is endpoint]

    def of_mode(self, mode: str) -> list[Endpoint]:
        """Return the endpoints of *mode*."""
        return [endpoint for endpoint in self.endpoints if endpoint.mode == mode]


def demands(resources: JsonObject) -> list[Demand]:
    """Return the workers that the *resources* section requests, in order of placement."""
    return [
        Demand(mode, resources[f"{mode}_workers"] or 0, resources[f"gpus_per_{mode}"] or resources["gpus_per_node"])
        for mode in ("prefill", "decode", "agg")
        if resources[f"{mode}_workers"]
    ]


def worker_nodes(resources: JsonObject, share: bool = False) -> int:
    """Return the number of nodes for workers.

    :param share: prefill and decode share nodes, so fewer nodes than the job names may suffice.
    """
    if share:
        gpus, wanted = resources["gpus_per_node"], demands(resources)
        most = worker_nodes(resources)
        for count in range(-(-sum(one.workers * one.gpus for one in wanted) // gpus), most):
            try:
                allocate(wanted, map(str, range(count)), gpus, resources["spread_workers"], share)
            except Error:
                continue
            return count
        return most
    if resources["prefill_nodes"] is not None or resources["decode_nodes"] is not None:
        return (resources["prefill_nodes"] or 0) + (resources["decode_nodes"] or 0)
    return resources["agg_nodes"] or 1


def build_layout(
    spec: JsonObject,
    allocation: Allocation,
    multiple: bool = True,
    infra: Sequence[str] = INFRA_PORTS,
    share: bool = False,
    families: Sequence[Family] = WORKER_FAMILIES,
    frontend_ports: Sequence[str] = (),
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
    more = spec["frontend"]["num_additional_frontends"]
    frontends, nginx = ((), False) if embedded else frontend_nodes(roles, multiple, more)
    processes = [
        Process(endpoint, rank, node, gpu_indices=gpus, start=start)
        for endpoint in endpoints
        for rank, (node, gpus, start) in enumerate(split(endpoint) if split else _one_a_node(endpoint))
    ]
    book = PortBook(spec["ports"])
    _reserve_fixed(book, roles, frontends, nginx, infra, frontend_ports)
    shifts = _give_ports(book, processes, families, previous)
    if embedded:
        processes[0].ports["http"] = spec["ports"]["frontend"]
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


def place_workers(resources: JsonObject, workers: Sequence[str], share: bool) -> list[Endpoint]:
    """Return the endpoints on the *workers* nodes; each component of a heterogeneous job has its own nodes."""
    gpus, spread = resources["gpus_per_node"], resources["spread_workers"]
    wanted = demands(resources)
    if not resources["het_jobs"]:
        return allocate(wanted, workers, gpus, spread, share)
    border = resources["prefill_nodes"]
    return allocate(wanted[:1], workers[:border], gpus, spread) + allocate(wanted[1:], workers[border:], gpus, spread)


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
    frontend_ports: Sequence[str],
) -> None:
    """Reserve the ports of infrastructure, nginx and frontends, which are the same in every plan of the job."""
    fixed = [(roles.infra, key) for key in infra]
    fixed.append((roles.head, "frontend"))
    fixed += [
        (node, key) for node in frontends for key in (*(("frontend_internal",) if nginx else ()), *frontend_ports)
    ]
    for node, key in fixed:
        book.reserve(node, book.bases[key], f"ports.{key}")


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
        owner = f"{family.name} of {process.name}"
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
                first = Shift(f"{family.name} of {process.name}", node, wish, port, kind, 0)
                one = found.get((family.name, kind), first)
                found[family.name, kind] = one._replace(times=one.times + 1)
    return list(found.values())
