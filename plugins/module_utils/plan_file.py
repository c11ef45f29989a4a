# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""plan.json: its types, and how it is read.

It is the interface between planning and execution. Times are in seconds, addresses are IPv4 or IPv6 addresses or host
names, paths are absolute unless the key says otherwise.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from typing import TypedDict, cast

from . import plan_shape
from .failures import Error
from .files import regular
from .json_types import Json, JsonObject
from .plan_profiling import Profiling, Scraped

PLAN_SCHEMA_VERSION = 1
PLAN = "plan.json"  # its name in the run directory
IMAGINARY_ID = "JOBID"  # of the allocation that plans use without a job


class AllocatedNode(TypedDict):
    """One node of an allocation: Slurm's name for it, and the address at which the other nodes reach it."""

    name: str
    address: str


class Allocation(TypedDict):
    """The allocation: the part of slurm_job's result that a plan is made from. ``nodes`` is in Slurm's order."""

    id: str
    name: str
    run_dir: str
    nodes: list[AllocatedNode]


class _Expectation(TypedDict, total=False):
    where: dict[str, Json]
    min: float
    modes: list[str]
    nonempty: bool
    equals: Json


class Expectation(_Expectation):
    """A condition on the JSON answer of an HTTP check at the dotted ``path``, called ``label`` in messages.

    ``where`` keeps the items of a list whose values, ``{dotted path: value or values}``, fit. ``min`` is a number, or a
    number of items. If these are workers, ``modes`` are theirs, so that lost workers can be excluded.
    """

    label: str
    path: str


class Listing(TypedDict):
    """Marks a check whose answer lists the parts of the service in ``tier``; the step ``by`` keeps the list.

    A part that ended suddenly may remain listed for ``kept_s`` seconds.
    """

    tier: str
    by: str
    kept_s: float


class _HttpCheck(TypedDict, total=False):
    method: str
    path: str
    headers: dict[str, str]
    body: Json
    status: list[int]
    expect: list[Expectation]
    listing: Listing | None
    greets: bool
    live: str
    pattern: str
    patience_s: float


class Check(_HttpCheck):
    """A condition on a service: ``host:port`` accepts a connection (``kind`` tcp) or answers a request (http).

    ``timeout_s`` limits one try. ``steps`` names the steps that it needs, ``after`` the checks that must be
    true before it. ``status`` lists the HTTP codes that count. Who listens at a port of kind tcp may be a process that
    was stopped: one that ``greets`` must also send something, and ``live`` is the path of an HTTP page that a server
    which once answered there still answers. Checks of kind log and file have no port: the log at ``path`` has a line
    that matches ``pattern``, or the file at ``path`` is there. ``patience_s`` is how long it may take, if
    the stage allows less.
    """

    name: str
    kind: str
    host: str
    port: int
    timeout_s: float
    steps: list[str]
    after: list[str]


class _Container(TypedDict, total=False):
    gpus: str
    workdir: str
    name: str
    remap_root: bool
    mount_home: bool
    entrypoint: bool
    writable: bool
    bash: bool


class Container(_Container):
    """The container of a step: the ``runtime`` (pyxis or apptainer) and the image.

    ``gpus`` is nv or rocm; ``bash`` is false if the image may lack it. The other keys are options of pyxis.
    """

    runtime: str
    image: str


class _StepPolicy(TypedDict, total=False):
    restarts: int
    deadline_s: float
    origins: dict[str, str]


class Step(_StepPolicy):
    """One ``srun`` of the plan: ``argv`` as ``ntasks`` tasks on ``nodes``.

    ``kind`` says what it is (nats, etcd, mooncake, worker, frontend, nginx, benchmark). A worker has its ``mode``
    (prefill, decode, agg), the ``index`` of its endpoint and the ``rank`` of its process in it; a frontend has its
    ``index``.

    ``env`` is the environment of the command and ``preamble`` shell text that runs before it. ``files`` names the files
    of the plan that it reads, ``mounts`` is a list of ``outside:inside[:options]`` and ``srun_options`` is ``{option
    without dashes: value, None if it takes none}``. ``log`` is a path relative to the run directory, in which ``%N`` is
    the node. ``ready`` lists the checks that must be true before the next tier starts. ``needs`` names steps of an
    earlier tier; when one of those is started anew, this one is started anew too. ``digest`` changes with everything
    that a running step would have to be started anew for. ``critical``: without it the service is lost. ``restarts``
    says how often the holder starts it again. ``stop_grace_s`` is the time between TERM and KILL; a measurement ends
    after ``deadline_s``. ``origins``, where a plan is only shown, is {variable or option: where its value is from}.
    """

    name: str
    kind: str
    mode: str | None
    index: int | None
    rank: int | None
    tier: str
    nodes: list[str]
    ntasks: int
    argv: list[str]
    preamble: str | None
    env: dict[str, str]
    files: list[str]
    container: Container | None
    mounts: list[str]
    srun_options: dict[str, str | None]
    log: str
    critical: bool
    ready: list[Check]
    needs: list[str]
    stop_grace_s: float
    digest: str


class PlanFile(TypedDict):
    """A file that the plan writes: ``path`` is relative to the run directory, ``mode`` octal digits such as 0644."""

    path: str
    content: str
    mode: str


class PlanNode(AllocatedNode):
    """A node of the plan: its roles (head, infra, bench, frontend, prefill, decode, agg) and its groups.

    ``groups`` are those of the inventory; ``gpus`` is the number of its GPUs.
    """

    roles: list[str]
    groups: list[str]
    gpus: int


class EndpointRecord(TypedDict):
    """A logical worker: ``gpus`` GPUs on ``nodes``, on each of them those with ``gpu_indices``."""

    name: str
    mode: str
    index: int
    gpus: int
    nodes: list[str]
    gpu_indices: list[int]


def gpu_counts(endpoints: Iterable[EndpointRecord]) -> dict[str, int]:
    """Return the number of GPUs of the workers *endpoints*: ``all``, and those of each mode."""
    counts = {"all": 0, "prefill": 0, "decode": 0, "agg": 0}
    for one in endpoints:
        counts["all"] += one["gpus"]
        counts[one["mode"]] += one["gpus"]
    return counts


class ProcessRecord(TypedDict):
    """The process of an endpoint on one node; ``rank`` counts from 0, the leader's. ``ports`` is {family: number}."""

    name: str
    endpoint: str
    mode: str
    index: int
    rank: int
    leader: bool
    node: str
    gpu_indices: list[int]
    ports: dict[str, int]


class PointFields(TypedDict):
    """What a type of benchmark says of a point beside its step.

    ``key`` is what tells it from the other points, such as ``{"concurrency": 4}``, and ``label`` that for people.
    ``parameters`` is all that the result depends on beside the service itself. ``result`` and ``progress`` are paths
    relative to the run directory. ``expect`` is what a valid result has, ``{name: value}``. The point ends after
    ``deadline_s``, and after ``stall_timeout_s`` without any progress (0: never).
    """

    name: str
    key: JsonObject
    label: str
    parameters: JsonObject
    result: str
    progress: str
    expect: JsonObject
    deadline_s: float
    stall_timeout_s: float


class PlanPoint(PointFields):
    """One point of a benchmark; ``digest`` is over its parameters, the service and the hardware.

    ``streams``: its log is shown while it is measured.
    """

    step: Step
    digest: str
    streams: bool


class _PlanBenchmark(TypedDict, total=False):
    search: JsonObject
    profiling: Profiling
    scraped: Scraped


class PlanBenchmark(_PlanBenchmark):
    """The type of the benchmark and the points to measure, in order.

    With a ``search`` (see benchmarks/search.py) they are candidates, and the results decide which are measured.
    """

    type: str
    points: list[PlanPoint]


class PlanInput(TypedDict):
    """A file or directory that the results depend on, or an image or a model by name; fingerprint None if unknown."""

    path: str
    fingerprint: str | None


class PlanDigests(TypedDict):
    """Digests of the allocation request, and of the service independent of its nodes: equal on every allocation."""

    allocation: str
    serving: str


class _Sometimes(TypedDict, total=False):
    lost_nodes: list[str]
    inputs: dict[str, PlanInput]


class Plan(_Sometimes):
    """Everything that a run does, on the nodes of one allocation. It is the content of plan.json.

    ``parts`` are the names of the nodes of each component of a heterogeneous job; one list for any other. ``steps`` are
    those of the service, in the order of their start; those of the benchmark are in its points. ``checks`` must be true
    within ``health_timeout_s`` before the service counts as up. ``groups`` are those of the inventory, {group: nodes}.
    ``lost_nodes`` are nodes that the job has lost since it began.
    ``inputs`` are the files that the results depend on, {key in the job: input}.
    """

    schema_version: int
    job_id: str
    run_dir: str
    name: str
    spec: JsonObject
    nodes: list[PlanNode]
    parts: list[list[str]]
    endpoints: list[EndpointRecord]
    processes: list[ProcessRecord]
    steps: list[Step]
    files: list[PlanFile]
    checks: list[Check]
    health_timeout_s: float
    benchmark: PlanBenchmark
    groups: dict[str, list[str]]
    digests: PlanDigests
    holder_node: str
    frontend_url: str
    notes: list[str]


def lost_steps(plan: Plan) -> list[Step]:
    """Return the steps that cannot run because the job has lost a node of theirs; Error if one of them is critical."""
    gone = set(plan.get("lost_nodes") or ())
    lost = [step for step in plan["steps"] if gone & set(step["nodes"])]
    critical = [step["name"] for step in lost if step.get("critical", True)]
    if critical:
        raise Error(
            f"Job {plan['job_id']} has lost {', '.join(sorted(gone))}, which {', '.join(critical)} cannot do without. "
            "End it (playbooks/stop.yml), and run again for another one."
        )
    return lost


def imaginary_nodes(count: int) -> list[AllocatedNode]:
    """Return the nodes of the imaginary allocation: node0001 and so on."""
    names = [f"node{number:04d}" for number in range(1, count + 1)]
    return [{"name": name, "address": f"<addr:{name}>"} for name in names]


def check_run_dir(run_dir: str) -> None:
    """Raise Error if the directory of a run that has begun is not there any more.

    A program that goes on may have made it again, with its own files alone.
    """
    try:
        names = set(os.listdir(run_dir))
    except OSError:
        names = set()
    its_own = {PLAN, f"{os.path.basename(run_dir).partition('.')[0]}.json"}  # the last one is there before the job runs
    if not os.path.isdir(run_dir) or names and not names & its_own:
        raise Error(
            f"The run directory {run_dir} was removed or moved, and its job cannot work without it. Move it back, or "
            f"end the job (scancel {os.path.basename(run_dir)}) and run again."
        )


def plan_of(params: JsonObject) -> Plan:
    """Return the plan in a module's parameters ``plan`` or ``plan_path``; Error if it is none of this version."""
    return load_plan(params["plan_path"]) if params.get("plan") is None else checked(params["plan"], "The option plan")


def load_plan(path: str) -> Plan:
    """Return the plan stored at *path*; Error if there is none or it is of another schema version."""
    try:
        with open(path, encoding="utf-8", opener=regular) as stream:
            plan = json.load(stream)
    except FileNotFoundError:
        check_run_dir(os.path.dirname(path))
        raise Error(f"There is no plan at {path}. Run the playbook without --tags, or topology_plan, first.") from None
    except OSError as error:
        raise Error(f"The plan {path} cannot be read: {error.strerror}. Fix that, and run again.") from None
    except (ValueError, RecursionError) as error:
        raise Error(f"{path} is not a plan: {error}. Remove it and run topology_plan again.") from None
    return checked(plan, path)


def checked(plan: Json, where: str) -> Plan:
    """Return *plan*, what is stored or given at *where*; Error if it has not the shape of this version's plans."""
    if not isinstance(plan, dict):
        raise Error(f"{where} is not a plan: it is not a JSON object. Remove it and run topology_plan again.")
    if plan.get("schema_version") not in (None, PLAN_SCHEMA_VERSION):
        raise Error(
            f"{where} has plan schema version {plan['schema_version']}, this collection reads {PLAN_SCHEMA_VERSION}. "
            "End that job with the collection that started it, or run topology_plan again."
        )
    fault = plan_shape.fault(plan, Plan.__required_keys__)
    if fault:
        raise Error(
            f"{where} is not a plan of this version: {fault}. Use the plan_path that topology_plan returns, or run it "
            "again. A job of another version is ended with that version."
        )
    return cast("Plan", plan)
