# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From spec and allocation to the plan. Pure: no clock, no network, no Slurm, nothing random."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from functools import cached_property

from .. import log_lines
from ..backends import BACKENDS, profiling
from ..benchmarks import BENCHMARKS, repeats, search
from ..files import digest, text_digest
from ..frontends import FRONTENDS, nginx
from ..frontends.nginx import nginx_file, nginx_step
from ..holder import fatal_lines
from ..job import fault_policy as faults
from ..job import inputs, preparation
from ..job.allocation_request import allocation_request, hardware, node_count
from ..job.layouts import in_words
from ..json_types import JsonObject
from ..plan_file import (
    IMAGINARY_ID,
    PLAN_SCHEMA_VERSION,
    Allocation,
    Check,
    Plan,
    PlanBenchmark,
    PlanFile,
    PlanNode,
    PlanPoint,
    Step,
    imaginary_nodes,
)
from ..services.generic import GENERIC
from ..topology.layout import Layout, Placed
from ..topology.layout_builder import build_layout
from ..topology.step import DraftStep, MadeOf, one_file
from . import containers, fault_policy, mounts, notes, scraping

# Of each step, by name: the options and variables that have an origin.
MadeOfSteps = dict[str, MadeOf]

DIGESTED = ("argv", "env", "nodes", "container", "mounts", "preamble", "srun_options", "ntasks")


def imaginary_allocation(spec: JsonObject, run_dir: str = "<run_dir>") -> Allocation:
    """Return the allocation that plans use without a job."""
    nodes = imaginary_nodes(node_count(spec))
    return {"id": IMAGINARY_ID, "name": spec["name"], "run_dir": run_dir, "nodes": nodes}


def build(spec: JsonObject, allocation: Allocation, previous: Placed | None = None) -> Plan:
    """Return the plan of *spec* on *allocation*; see :class:`Planner`."""
    return build_with_origins(spec, allocation, previous)[0]


def build_with_origins(
    spec: JsonObject, allocation: Allocation, previous: Placed | None = None
) -> tuple[Plan, MadeOfSteps]:
    """Return (the plan of *spec* on *allocation*, the origins of its steps' options)."""
    planner = Planner(spec)
    return planner.plan_with_origins(planner.layout(allocation, previous))


class Planner:
    """Makes the plan of one spec. The spec must not change while its planner is in use.

    :param spec: what job_spec returned.
    """

    def __init__(self, spec: JsonObject) -> None:
        self.spec = spec
        self.backend = BACKENDS[spec["backend"]["type"]]
        self.frontend = FRONTENDS[spec["frontend"]["type"]]
        self.benchmark = BENCHMARKS[spec["benchmark"]["type"]]
        self.services = preparation.services(spec)

    @cached_property
    def imaginary_layout(self) -> Layout:
        """The layout on :func:`imaginary_allocation`; Error if workers do not fit or ports collide."""
        return self._lay_out(imaginary_allocation(self.spec))

    @cached_property
    def _imaginary_service(self) -> tuple[list[Step], list[PlanFile], MadeOfSteps]:
        return self._service(self.imaginary_layout)

    @cached_property
    def serving_digest(self) -> str:
        """The digest of the service: independent of the allocation, changed by any change of a step."""
        steps, _files, _origins = self._imaginary_service
        return digest({step["name"]: step["digest"] for step in steps})

    def layout(self, allocation: Allocation, previous: Placed | None = None) -> Layout:
        """Return the layout on *allocation* with names and wiring set.

        :param allocation: ``{id, run_dir, nodes: [{name, address}]}`` of slurm_job.
        :param previous: the plan that the new one replaces; its ports are kept where they fit.
        """
        if not previous and allocation == imaginary_allocation(self.spec):
            return self.imaginary_layout
        return self._lay_out(allocation, previous)

    def _lay_out(self, allocation: Allocation, previous: Placed | None = None) -> Layout:
        spec, backend, frontend = self.spec, self.backend, self.frontend
        layout = build_layout(
            spec,
            allocation,
            multiple=frontend.multiple(spec),
            infra=[key for service in self.services for key in service.ports],
            share=backend.shares_nodes(spec),
            families=backend.families(spec),
            frontend_ports=frontend.ports,
            split=backend.splitter(spec),
            embedded=frontend.embedded(spec),
            previous=previous,
        )
        layout.served_name, layout.served_by = backend.served_name(spec), backend.served_by(spec)
        layout.wiring, layout.components = frontend.wiring(layout), backend.components
        layout.worker_urls, layout.control = backend.worker_urls(layout), backend.control(layout)
        workers = layout.control.values() if backend.publishes_metrics(spec) else ()
        layout.metrics_urls = [*(f"http://{one}/metrics" for one in workers), *frontend.metrics_urls(layout)]
        return layout

    def plan_with_origins(self, layout: Layout) -> tuple[Plan, MadeOfSteps]:
        """Return (the plan on *layout*, which this planner made; the origins of its steps' options, by step name).

        The origins are the input of :func:`provenance.remarks`; they are not part of plan.json.
        """
        spec = self.spec
        steps, files, made_of = self._imaginary_service if layout is self.imaginary_layout else self._service(layout)
        points, more, made_of_points = self._points(layout)
        members = groups(layout)
        plan: Plan = {
            "schema_version": PLAN_SCHEMA_VERSION,
            "job_id": layout.job_id,
            "run_dir": layout.run_dir,
            "name": spec["name"],
            "spec": spec,
            "nodes": node_records(layout, members),
            "parts": layout.parts,
            "endpoints": [endpoint.as_dict() for endpoint in layout.endpoints],
            "processes": [process.as_dict() for process in layout.processes],
            "steps": steps,
            "files": [*files, self._fatal_lines(layout), *more],
            "checks": self._checks(layout, [step["name"] for step in steps if step["kind"] == "worker"]),
            "health_timeout_s": _patience_s(spec),
            "benchmark": self._benchmark_record(layout, points),
            "groups": members,
            "inputs": inputs.summary(spec),
            "digests": {"allocation": allocation_request(spec)["digest"], "serving": self.serving_digest},
            "holder_node": next(iter(layout.addresses)),
            "frontend_url": layout.public_url,
            "notes": [in_words(note, spec) for note in self._notes(layout, steps)],
        }
        return plan, {**made_of, **made_of_points}

    def _benchmark_record(self, layout: Layout, points: list[PlanPoint]) -> PlanBenchmark:
        """Return the benchmark as it stands in the plan."""
        found: PlanBenchmark = {"type": self.benchmark.type, "points": points}
        section = self.spec["benchmark"]["search"] if self.benchmark.searches else None
        if section and points:
            found["search"] = {**search.planned(section)}
        scraped = scraping.planned(scraping.groups(layout, self.backend), layout) if points else None
        if scraped:
            found["scraped"] = scraped
        running = [process for process in layout.processes if self.backend.runs(process)]
        profiled = profiling.planned(self.backend, layout, running) if points else None
        if profiled:
            found["profiling"] = profiled
        return found

    def _notes(self, layout: Layout, steps: Iterable[Step]) -> list[str]:
        return [*self._spec_notes(), *inputs.notes(self.spec), *self._node_notes(layout, steps)]

    def _node_notes(self, layout: Layout, steps: Iterable[Step]) -> list[str]:
        """Return the notes about nodes, ports and pages of metrics."""
        return [*notes.notes(layout), *notes.copies(steps), *scraping.notes(layout, self.backend)]

    def _spec_notes(self) -> list[str]:
        """Return the notes that follow from the spec alone; job_spec has already returned them."""
        return [
            *self.backend.notes(self.spec),
            *self.frontend.notes(self.spec),
            *self.benchmark.notes(self.spec),
            *repeats.notes(self.spec["benchmark"], self.benchmark),
            *profiling.notes(self.backend, self.spec, self.benchmark.measures),
            *preparation.notes(self.spec),
            *faults.notes(self.spec),
        ]

    def rehearse(self) -> None:
        """Make everything of the plan on imaginary nodes apart from its notes, to see what of the spec is read."""
        steps, _files, _origins = self._imaginary_service
        self._points(self.imaginary_layout)
        self._fatal_lines(self.imaginary_layout)
        self._checks(self.imaginary_layout, [step["name"] for step in steps if step["kind"] == "worker"])
        _patience_s(self.spec)

    def _service(self, layout: Layout) -> tuple[list[Step], list[PlanFile], MadeOfSteps]:
        """Return (steps with their digests, files, origins by step name) of all but the benchmark."""
        files = self.backend.files(layout) + self.frontend.files(layout)
        steps: list[DraftStep] = []
        own = [service.steps(layout) for service in self.services]
        for service, its in zip(self.services, own):
            steps += its
            files += service.files(layout)
        steps += self.backend.worker_steps(layout)
        steps += self.frontend.steps(layout)
        if layout.nginx:
            steps.append(nginx_step(layout))
            files.append(nginx_file(layout))
        finish(steps, files, layout)
        for service, its in zip(self.services, own):
            link(steps, service.reached_by, [step["name"] for step in its])
        fault_policy.apply(steps, layout)
        return [*steps], files, origins_of(steps)

    def _fatal_lines(self, layout: Layout) -> PlanFile:
        """Return the file of the known log lines of this service; it is not part of any step's digest."""
        programs = [one.log_lines for one in (self.backend, self.frontend, *self.services)]
        programs += [nginx.LINES] if layout.nginx else []
        health = self.spec["health_check"]
        if health["fatal_log_markers"]:
            programs.append(log_lines.LogLines(markers=tuple(health["extra_fatal_log_patterns"])))
        else:
            programs = [one._replace(markers=()) for one in programs]
        return one_file(fatal_lines.FILE, log_lines.to_text(programs))

    def _points(self, layout: Layout) -> tuple[list[PlanPoint], list[PlanFile], MadeOfSteps]:
        """Return (points, files, origins by step name) of the benchmark."""
        drafts = repeats.expand(self.benchmark.points(layout), self.spec["benchmark"], self.benchmark)
        files = self.benchmark.files(layout) if drafts else []
        steps = [draft["step"] for draft in drafts]
        profiled = {**GENERIC.client_environment(layout), **profiling.client_environment(layout)}
        scraped = scraping.groups(layout, self.backend) if drafts else {}
        files += scraping.files(scraped)
        scraping.join(steps, scraped, layout)
        for step in steps:
            step["files"] = [one["path"] for one in files]
            step["env"] = {**profiled, **step["env"]}
        finish(steps, files, layout)
        serving, required = self.serving_digest, scraping.required(layout)
        points: list[PlanPoint] = []
        for draft in drafts:
            # A measurement that a controller left behind belongs to the service that it measured.
            draft["step"]["digest"] = digest({"serving": serving, "step": draft["step"]["digest"]})
            # On other hardware the same service must be measured again, but no step restarts.
            material: JsonObject = {"serving": serving, "parameters": draft["parameters"]}
            material["hardware"] = hardware(self.spec)
            read = inputs.of_step(self.spec, draft["step"])
            material.update({"inputs": read} if read else {})
            # What was valid without these readings is not valid where they are required.
            material.update({"readings": required} if required else {})
            # Nobody knows whether other runs have the same files, so the point is one of this job alone.
            material.update({"job": layout.job_id} if inputs.unknown(self.spec) else {})
            streams = bool(self.spec["benchmark"]["stream_output"])
            points.append({**draft, "digest": digest(material), "streams": streams})
        return points, files, origins_of(steps)

    def _checks(self, layout: Layout, workers: list[str]) -> list[Check]:
        """Return the conditions for the service to be up; *workers* are the names of the workers' steps."""
        instances = self.backend.instances(layout)
        return self.backend.checks(layout) + self.frontend.checks(layout, instances, workers)


def _patience_s(spec: JsonObject) -> float:
    """Return how long the service may take to become healthy, in seconds."""
    return float(spec["health_check"]["max_attempts"] * spec["health_check"]["interval_seconds"])


def origins_of(steps: Iterable[DraftStep]) -> MadeOfSteps:
    """Remove the origins of the options from *steps*, which go into plan.json; return them by step name."""
    return {step["name"]: step.pop("made_of") for step in steps}


def link(steps: Iterable[Step], variables: Set[str], names: list[str]) -> None:
    """Make each of *steps* that has one of *variables* depend on the steps *names*, unless it starts beside them."""
    for step in steps:
        if step["tier"] != "head_infra" and not variables.isdisjoint(step["env"]):
            step["needs"] = step["needs"] + names


def finish(steps: Iterable[DraftStep], files: Iterable[PlanFile], layout: Layout) -> None:
    """Complete each of *steps* in place: container, mounts, preamble and digest."""
    job_mounts = mounts.mounts(layout) if layout.contained else []
    contents = {one["path"]: text_digest(one["content"]) for one in files}
    for step in steps:
        containers.surround(step, layout, job_mounts)
        material: JsonObject = {key: value for key, value in step.items() if key in DIGESTED}
        material["files"] = {path: contents[path] for path in step["files"]}
        read = inputs.of_step(layout.spec, step)
        if read:
            material["inputs"] = read
        step["digest"] = digest(material)


def node_records(layout: Layout, members: Mapping[str, Iterable[str]]) -> list[PlanNode]:
    """Return the nodes with their addresses, roles, inventory groups and number of GPUs."""
    table: dict[str, list[str]] = {name: [] for name in layout.addresses}
    for role, name in (("head", layout.roles.head), ("infra", layout.roles.infra), ("bench", layout.roles.bench)):
        table[name].append(role)
    for name in layout.frontends:
        table[name].append("frontend")
    for process in layout.processes:
        if process.mode not in table[process.node]:
            table[process.node].append(process.mode)
    gpus = layout.spec["resources"]["gpus_per_node"]
    inventory: dict[str, list[str]] = {name: [] for name in layout.addresses}
    for group, names in members.items():
        for name in names:
            inventory[name].append(group)
    return [
        {"name": name, "address": address, "roles": table[name], "groups": inventory[name], "gpus": gpus}
        for name, address in layout.addresses.items()
    ]


def groups(layout: Layout) -> dict[str, list[str]]:
    """Return the inventory groups: node names by purpose, in allocation order."""
    modes: dict[str, set[str]] = {"prefill": set(), "decode": set(), "agg": set()}
    for process in layout.processes:
        modes[process.mode].add(process.node)
    members = {
        "srt_nodes": set(layout.addresses),
        "srt_head": {layout.roles.head},
        "srt_infra": {layout.roles.infra},
        "srt_prefill": modes["prefill"],
        "srt_decode": modes["decode"],
        "srt_agg": modes["agg"],
        "srt_frontend": set(layout.frontends) | {layout.roles.head},
        "srt_bench": {layout.roles.bench},
    }
    return {group: [name for name in layout.addresses if name in names] for group, names in members.items()}
