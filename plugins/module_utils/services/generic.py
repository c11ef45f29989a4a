# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the job's own: any program beside the service, on one node or on each of some.

They are steps like all others. What starts before the workers is in tier head_infra, what starts beside them in tier
worker, and what starts after the frontends in tier frontend. Each instance is a step of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from ..failures import Finding
from ..json_types import JsonObject, KeyPath
from ..plan_file import Check
from ..schema.section import TEXTS, Field, Section, optional
from ..schema.types import Bool, Choice, Float, Int, ListOf, MapOf, Option, Str
from ..topology.layout import Layout
from ..topology.options import variables
from ..topology.placeholders import fill_command
from ..topology.step import DraftStep, file_check, http_check, log_check, make_step, tcp_check
from .base import Service
from .dynamo import serves
from .nats_etcd import ETCD_URL, NATS_LOGIN, NATS_URL

KIND = "service"
TIERS = {"before_workers": "head_infra", "with_workers": "worker", "after_frontend": "frontend"}
PLACES = ("head", "infra", "prefill", "decode", "agg", "workers", "compute", "all")
PROBES = ("port", "tcp", "http", "log", "file")
_PORT = Field(Int(1, 65535), required=True, doc="Port.")
READINESS = Section(
    "readiness",
    {
        "port": Field(Int(1, 65535), None, "A port that must be open."),
        "tcp": optional(Section("tcp", {"port": _PORT}), "The same."),
        "http": optional(
            Section(
                "http",
                {
                    "port": _PORT,
                    "path": Field(Str(), "/health", "Path of the address."),
                    "status": Field(Int(100, 599), 200, "The status that it must answer with."),
                },
            ),
            "An address that must answer.",
        ),
        "log": optional(
            Section("log", {"pattern": Field(Str(), required=True, doc="Regular expression of the line.")}),
            "A line of its log.",
        ),
        "file": optional(
            Section("file", {"path": Field(Str(), required=True, doc="Its path; /logs is logs/ of the run.")}),
            "A file that must be there.",
        ),
        "timeout_seconds": Field(Float(0), None, "How long it may take, if that is longer than the stage allows."),
        "interval_seconds": Field(Float(0), None, "No effect: it is looked at more and more rarely."),
    },
    doc="When it is ready: one of port, tcp, http, log and file.",
)
SECTION = Section(
    "service",
    {
        "name": Field(Str(), required=True, doc="Name, unique in the job."),
        "type": Field(Choice("generic"), "generic", "Its type."),
        "command": Field(ListOf(Str()), None, "Program and arguments. No shell reads them."),
        "args": Field(ListOf(Str()), [], "Words that follow its command."),
        "container": Field(Str(), None, "Image; default: the job's."),
        "env": Field(TEXTS, {}, "Environment."),
        "preamble": Field(Str(), None, "Shell text before the command."),
        "placement": Field(Section("placement", {"node": Field(Choice(*PLACES), "head", "Its node or nodes.")}), None),
        "start": Field(Choice(*TIERS), "after_frontend", "When it starts."),
        "readiness": optional(READINESS, "When it is ready; default: as soon as it runs."),
        "critical": Field(Bool(), False, "Whether its end ends the run."),
        "inherit_discovery_env": Field(Bool(), True, "Whether it gets the addresses of etcd and NATS."),
        "cpus_per_task": Field(Int(1), None, "CPUs of each instance."),
        "cpu_bind": Field(Str(), None, "srun's --cpu-bind."),
        "srun_options": Field(MapOf(Option()), {}, "srun options, in addition to the job's."),
    },
    doc="A program of the job's own beside the service.",
)


def entries(spec: JsonObject) -> list[JsonObject]:
    """Return the job's own services."""
    return list(spec.get("services") or ())


def step_name(name: str) -> str:
    """Return the name of the step of the service called *name*."""
    return "service_" + re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]


def nodes_of(entry: JsonObject, layout: Layout) -> list[str]:
    """Return the nodes of a service, in the order of the allocation."""
    word, roles = entry["placement"]["node"], layout.roles
    if word in ("head", "infra"):
        return [roles.head if word == "head" else roles.infra]
    wanted = {process.node for process in layout.processes if word in (process.mode, "workers", "compute", "all")}
    wanted |= {roles.head, roles.infra, roles.bench} if word == "all" else set()
    return [node for node in layout.addresses if node in wanted]


class Generic(Service):
    """The job's own services."""

    def wanted(self, spec: JsonObject) -> bool:
        return bool(entries(spec))

    def problems(self, spec: JsonObject, options: object) -> list[Finding]:
        found: list[Finding] = []
        names: dict[str, int] = {}
        for index, entry in enumerate(entries(spec)):
            path: KeyPath = ("services", index)
            if not entry["command"]:
                found.append(((*path, "command"), "is missing.", "Write the program and its arguments.", "missing"))
            other = names.setdefault(step_name(entry["name"]), index)
            if other != index:
                text = f"makes the same name of a step as {entries(spec)[other]['name']}."
                found.append(((*path, "name"), text, "Choose another name.", "duplicate"))
            word = entry["placement"]["node"]
            if word in ("prefill", "decode", "agg") and not spec["resources"][f"{word}_workers"]:
                text = f"is {word}, and the job has no such workers."
                found.append(((*path, "placement", "node"), text, None, "conflict"))
            found += _readiness_problems((*path, "readiness"), entry["readiness"])
        return found

    def steps(self, layout: Layout) -> list[DraftStep]:
        return [step for entry in entries(layout.spec) for step in _steps(entry, layout)]

    def client_environment(self, layout: Layout) -> dict[str, str]:
        """Return what the load client knows of the services: their nodes and addresses."""
        env: dict[str, str] = {}
        for entry in entries(layout.spec):
            name = "SRT_SERVICE_" + re.sub(r"[^A-Z0-9]", "_", entry["name"].upper())
            nodes = nodes_of(entry, layout)
            env[f"{name}_NODES"] = ",".join(nodes)
            env[f"{name}_IPS"] = ",".join(map(layout.address, nodes))
            env[f"{name}_NODE_COUNT"] = str(len(nodes))
        return env


def _readiness_problems(path: KeyPath, readiness: JsonObject | None) -> list[Finding]:
    given = [key for key in PROBES if (readiness or {}).get(key)]
    if readiness is None or len(given) == 1 and given != ["log"]:
        return []
    if len(given) != 1:
        said = " and ".join(given) or "none of them"
        return [(path, f"has {said}; expected one of {', '.join(PROBES)}.", "Name one way to see it.", "invalid")]
    try:
        re.compile(readiness["log"]["pattern"])
    except re.error as error:
        return [((*path, "log", "pattern"), f"is not a regular expression: {error}.", "Escape its characters.")]
    return []


def _steps(entry: JsonObject, layout: Layout) -> Iterator[DraftStep]:
    nodes = nodes_of(entry, layout)
    for index, node in enumerate(nodes):
        name = step_name(entry["name"]) + (f"_{index}" if len(nodes) > 1 else "")
        values = _values(entry, layout, node, index)
        words = [fill_command(word, values) for word in [*(entry["command"] or ()), *entry["args"]]]
        options = {**layout.spec["srun_options"], **entry["srun_options"]}
        if entry["cpus_per_task"]:
            options["cpus-per-task"] = str(entry["cpus_per_task"])
        if entry["cpu_bind"]:
            options["cpu-bind"] = entry["cpu_bind"]
        path: KeyPath = ("services", layout.spec["services"].index(entry), "env")
        env = {
            key: one._replace(value=fill_command(one.value, values))
            for key, one in variables(entry["env"], path).items()
        }
        preamble = fill_command(entry["preamble"], values) if entry["preamble"] else None
        yield make_step(
            name,
            TIERS[entry["start"]],
            [node],
            words,
            {**_discovery(entry, layout), **env},
            kind=KIND,
            preamble=preamble,
            image=entry["container"],
            srun_options={key: value for key, value in options.items() if value is not False},
            critical=entry["critical"],
            ready=[_patient(check, entry) for check in _ready(entry, layout, name, node, values)],
        )


def _values(entry: JsonObject, layout: Layout, node: str, index: int) -> dict[str, str]:
    """Return what the placeholders in the texts of a service stand for."""
    roles = layout.roles
    return {
        "node": node,
        "node_ip": layout.address(node),
        "node_id": str(layout.node_numbers.get(node, 0)),
        "index": str(index),
        "role": entry["placement"]["node"],
        "head_node": roles.head,
        "head_ip": layout.head_address,
        "infra_node": roles.infra,
        "infra_ip": layout.infra_address,
        "gpus_per_node": str(layout.spec["resources"]["gpus_per_node"]),
    }


def _discovery(entry: JsonObject, layout: Layout) -> dict[str, str]:
    """Return the addresses of etcd and NATS, where the job has them."""
    if not entry["inherit_discovery_env"] or not serves(layout.spec):
        return {}
    own = {ETCD_URL: f"http://{layout.infra_address}:{layout.ports['etcd']}"}
    return {**own, NATS_URL: f"nats://{layout.infra_address}:{layout.ports['nats']}", **NATS_LOGIN}


def _patient(check: Check, entry: JsonObject) -> Check:
    """Return *check* with the time that the service may take, if it says one."""
    seconds = entry["readiness"]["timeout_seconds"]
    return {**check, "patience_s": seconds} if seconds else check


def _ready(entry: JsonObject, layout: Layout, name: str, node: str, values: dict[str, str]) -> list[Check]:
    readiness, host = entry["readiness"] or {}, layout.address(node)
    port = readiness.get("port") or (readiness.get("tcp") or {}).get("port")
    if port:
        return [tcp_check(name, host, port, [name])]
    if readiness.get("http"):
        http = readiness["http"]
        return [http_check(name, host, http["port"], http["path"], [name], status=http["status"])]
    if readiness.get("log"):
        log = f"{layout.run_dir}/logs/{node}_{name}.out"
        return [log_check(name, log, readiness["log"]["pattern"], [name])]
    if readiness.get("file"):
        path = fill_command(readiness["file"]["path"], values)
        logs = f"{layout.run_dir}/logs"
        path = logs + path[len("/logs") :] if path.startswith("/logs/") else path
        return [file_check(name, path if path.startswith("/") else f"{logs}/{path}", [name])]
    return []


GENERIC = Generic()
