# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The layout of one job: roles, endpoints, processes and ports on concrete nodes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Callable, NamedTuple, TypedDict

from ..json_types import JsonObject, KeyPath
from ..plan_file import ProcessRecord
from .endpoints import Endpoint
from .options import Option
from .ports import Owner
from .roles import Roles

# The processes of an endpoint as (node, GPU indices, first data-parallel rank), in rank order.
Split = Callable[[Endpoint], list[tuple[str, tuple[int, ...], int]]]


class Placed(TypedDict):
    """The processes of a job in an earlier plan."""

    processes: list[ProcessRecord]


class Shift(NamedTuple):
    """The first port of a family that is not the next number because of the ports of *kind*.

    *owner* on *node* has *port* instead of *wish*; this happened *times* times.
    """

    owner: Owner
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
    connects a process to the job's infrastructure; ``components``, the names under which workers that decode register
    with dynamo; ``worker_urls``, the URLs of workers with their own HTTP server, by process name; ``control``,
    ``host:port`` of the leaders that take orders over HTTP, by process name; and ``metrics_urls``, where workers and
    frontends publish their metrics. ``shifts`` are the ports that other families displaced, ``surplus`` the nodes of
    the allocation that the job does not need.
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
    served_by: KeyPath = ()
    wiring: dict[str, str | Option] = field(default_factory=dict)
    components: tuple[str, ...] = ()
    worker_urls: dict[str, str] = field(default_factory=dict)
    control: dict[str, str] = field(default_factory=dict)
    metrics_urls: list[str] = field(default_factory=list)
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
