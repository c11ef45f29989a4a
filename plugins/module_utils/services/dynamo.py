# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamo's runtime, which connects its frontend and its workers: its keys, and what its processes have in common.

What it runs beside itself is in nats_etcd.py and kvbm.py, how it is installed in dynamo_install.py.
"""

from __future__ import annotations

from ..json_types import JsonObject
from ..schema.section import Field, Section
from ..schema.types import Bool, Choice, ListOf, Str
from ..topology.layout import Layout, Process
from ..topology.options import Option
from .nats_etcd import ETCD_URL, NATS_LOGIN, NATS_URL

FRONTEND = "dynamo"  # the type of its frontend

SECTION = Section(
    "dynamo",
    {
        "install": Field(Bool(), True, "Install dynamo in the container before workers start."),
        "version": Field(Str(), "0.8.0", "Version to install."),
        "hash": Field(Str(), None, "Commit to build and install."),
        "git": Field(Str(), None, "Repository of that commit; default: that of dynamo."),
        "top_of_tree": Field(Bool(), False, "Build and install the newest commit."),
        "wheel": Field(Str(), None, "Version of the wheels to install from the cache."),
        "request_plane": Field(Choice("tcp", "nats", "http"), "tcp", "How requests reach workers."),
        "event_plane": Field(Choice("nats", "zmq"), None, "How events are published."),
        "cargo_patches": Field(ListOf(Str()), None, "Lines of Cargo.toml to replace in a build."),
    },
    doc="The dynamo runtime.",
)

# Components that its decode and aggregated workers register as.
COMPONENTS = ("backend", "decode", "tensorrt_llm")

# Variables that the plan sets for each of its workers.
FIXED = ("DYN_SYSTEM_PORT",)

# Info, but without the lines that each request causes in frontends and workers.
QUIET_LOG = ",".join(
    [
        "info",
        "dynamo_llm::http::service=warn",
        "dynamo_kv_router::scheduling=warn",
        "dynamo_runtime::pipeline::network::ingress::push_handler=warn",
    ]
)


def serves(spec: JsonObject) -> bool:
    """Return whether the workers of the job belong to it."""
    return bool(spec["frontend"]["type"] == FRONTEND)


def wiring(layout: Layout) -> dict[str, str | Option]:
    """Return the environment of every process that joins the dynamo runtime, with the origins of its values."""
    dynamo = layout.spec["dynamo"]
    env: dict[str, str | Option] = {
        ETCD_URL: f"http://{layout.infra_address}:{layout.ports['etcd']}",
        NATS_URL: f"nats://{layout.infra_address}:{layout.ports['nats']}",
        **NATS_LOGIN,
        "DYN_REQUEST_PLANE": Option("DYN_REQUEST_PLANE", dynamo["request_plane"], ("dynamo", "request_plane")),
        "DYN_SDK_DISABLE_ANSI_LOGGING": "1",
        "DYN_LOG": QUIET_LOG,
        "DYN_SKIP_SGLANG_LOG_FORMATTING": "1",
    }
    if dynamo["event_plane"]:
        env["DYN_EVENT_PLANE"] = Option("DYN_EVENT_PLANE", dynamo["event_plane"], ("dynamo", "event_plane"))
    return env


def observe(layout: Layout, who: str) -> dict[str, Option]:
    """Return the tracing environment of *who*, a mode or "frontend"; values of the job take precedence."""
    wanted = layout.spec["observability"]
    found: list[Option] = []
    otel = wanted["enable_otel"] and wanted["otel_endpoint"]
    if wanted["enabled"]:
        values = {"DYN_LOGGING_SPAN_EVENTS": "true", "DYN_LOGGING_JSONL": "true", "DYN_LOG": "debug"}
        if who == "frontend":
            values["DYN_REQUEST_TRACE"] = "1"
        found += [Option(name, value, ("observability", "enabled")) for name, value in values.items()]
        if who == "frontend":
            found.append(Option("DYN_REQUEST_TRACE_FILE_PATH", f"{layout.run_dir}/logs/dynamo-request-trace"))
    if otel:
        path = ("observability", "enable_otel")
        found += [Option("DYN_LOGGING_JSONL", "1", path), Option("OTEL_EXPORT_ENABLED", "1", path)]
        found.append(Option("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", otel, ("observability", "otel_endpoint")))
        found.append(Option("OTEL_SERVICE_NAME", f"dynamo-{who}"))
    return {one.name: one for one in found}


def worker_environment(process: Process, layout: Layout) -> dict[str, str]:
    """Return what a worker has in its environment if it belongs to dynamo: the port of its health and metrics."""
    return {"DYN_SYSTEM_PORT": str(process.ports["system"])} if serves(layout.spec) else {}


def request_plane(layout: Layout) -> Option:
    """Return the worker's option that says how requests reach it."""
    return Option("request-plane", layout.spec["dynamo"]["request_plane"], ("dynamo", "request_plane"))


def config_dump(process: Process, layout: Layout) -> Option:
    """Return the option that makes a dynamo worker write its configuration to the run's logs."""
    return Option("dump-config-to", f"{layout.run_dir}/logs/{process.node}_{process.name}_config.json")
