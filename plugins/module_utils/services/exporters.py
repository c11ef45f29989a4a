# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Exporters on the nodes of workers: of GPUs (dcgm, or our own with nvidia-smi) and of the host.

Nothing depends on them: they are not critical, and a point without their metrics says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..failures import Finding
from ..json_types import JsonObject, KeyPath
from ..plan_file import PlanFile
from ..plan_profiling import EXPORTER
from ..programs import folder_of, program_files
from ..scraper import __main__ as scraper
from ..topology.layout import Layout
from ..topology.options import Word
from ..topology.step import DraftStep, make_step, one_file
from .base import Service

PROGRAM = folder_of("scraper")
CPU_EXPORTER = "cpu_power_exporter"  # our own, of the CPUs alone
# What they run if the job names no command. The exporters of the host and of GPUs know no shell.
COMMANDS = {
    "dcgm_exporter": ("dcgm-exporter", "--collect-interval=100", "--address", ":{port}"),
    "node_exporter": (
        *("/bin/node_exporter", "--web.listen-address=:{port}", "--collector.disable-defaults"),
        *("--collector.cpu", "--collector.infiniband", "--collector.meminfo"),
    ),
    "process_exporter": (
        *("/bin/process-exporter", "-web.listen-address=:{port}"),
        *("-procnames", "python3,python,etcd,nats-server,nginx"),
    ),
}


class Exporter(NamedTuple):
    """One kind of exporter: the ``name`` of its step, its port, its image and command, and where the job has it."""

    name: str
    port: int
    image: str | None
    command: str | None
    path: KeyPath
    power: bool


def wanted(spec: JsonObject) -> list[Exporter]:
    """Return the exporters of the job."""
    found, telemetry, scraper_ = [], spec["telemetry"], spec["observability"]["tachometer"]
    if telemetry["enabled"]:
        given = telemetry["dcgm_exporter"]
        path: KeyPath = ("telemetry", "dcgm_exporter")
        port = telemetry[CPU_EXPORTER]["port"]
        if given:
            found.append(_given("dcgm_exporter", given, path, True))
        else:
            found.append(Exporter("power_exporter", port, None, None, ("telemetry", "enabled"), True))
        if given and telemetry["cpu_power"]["enabled"]:
            found.append(Exporter(CPU_EXPORTER, port, None, None, ("telemetry", CPU_EXPORTER), True))
    for key in ("dcgm_exporter", "node_exporter", "process_exporter") if scraper_["enabled"] else ():
        if scraper_[key]:
            found.append(_given(key, scraper_[key], ("observability", "tachometer", key), False))
    return found


def _given(name: str, section: JsonObject, path: KeyPath, power: bool) -> Exporter:
    return Exporter(name, section["port"], section["container_image"], section["command"], path, power)


def nodes(layout: Layout) -> list[str]:
    """Return the nodes with an exporter: those of workers."""
    used = {process.node for process in layout.processes}
    return [name for name in layout.addresses if name in used]


class Exporters(Service):
    """The exporters of a job."""

    def wanted(self, spec: JsonObject) -> bool:
        return bool(wanted(spec))

    def problems(self, spec: JsonObject, options: object) -> list[Finding]:
        ports: dict[int, KeyPath] = {}
        found: list[Finding] = []
        for one in wanted(spec):
            other = ports.setdefault(one.port, one.path)
            if other != one.path:
                text = f"has the port {one.port} of {'.'.join(map(str, other))}, and both run on the same nodes."
                found.append(((*one.path, "port"), text, "Choose another one.", "conflict"))
        if spec["cluster"]["container_runtime"] == "none" or not spec["model"]["container"]:
            for one in wanted(spec):
                if one.image and not one.command:
                    text = "names an image, and the job does not run in containers."
                    remedy = "Set command to a program of the nodes, or leave the exporter out."
                    found.append(((*one.path, "container_image"), text, remedy, "conflict"))
        return found

    def steps(self, layout: Layout) -> list[DraftStep]:
        return [step for one in wanted(layout.spec) for step in _steps(one, layout)]

    def files(self, layout: Layout) -> list[PlanFile]:
        return program()


def program() -> list[PlanFile]:
    """Return the files of the scraper, which is also our own exporter."""
    return [one_file(f"{PROGRAM}/{name}", text) for name, text in sorted(program_files(scraper).items())]


def _steps(one: Exporter, layout: Layout) -> Iterator[DraftStep]:
    """Yield the steps of an exporter: one, or with components of a heterogeneous job one for each node."""
    places = nodes(layout)
    groups = [[node] for node in places] if layout.spec["resources"]["het_jobs"] else [places]
    for number, group in enumerate(groups):
        files = [file["path"] for file in program()] if one.image is None else []
        name = one.name if len(groups) == 1 else f"{one.name}_{number}"
        yield make_step(
            name, "head_infra", group, _argv(one, layout), kind=EXPORTER, files=files, image=one.image, critical=False
        )


def _argv(one: Exporter, layout: Layout) -> list[Word]:
    port = str(one.port)
    if one.command:
        return ["sh", "-c", "exec " + one.command.replace("{port}", port)]
    if one.image is None:
        cpus = ["--cpus-only"] if one.name == CPU_EXPORTER else []
        return [layout.python, "-E", f"{layout.run_dir}/{PROGRAM}", "power", "--port", port, *cpus]
    return [word.replace("{port}", port) for word in COMMANDS[one.name]]


EXPORTERS = Exporters()
