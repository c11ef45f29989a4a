# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SGLang, behind dynamo (module dynamo.sglang) or behind its own router (module sglang.launch_server)."""

from __future__ import annotations

from collections.abc import Mapping

from ..failures import Finding
from ..json_types import Json, JsonObject
from ..plan_file import Check
from ..schema.section import Field, Section, port
from ..schema.types import Str
from ..services import dynamo
from ..services.mooncake import Mooncake
from ..topology.layout import Layout, Process
from ..topology.modes import A_WORKER, LONG_MODE
from ..topology.options import Option, Word
from ..topology.ports import WORKER_FAMILIES, Family
from ..topology.step import tcp_check
from . import kv_events, profiling, sglang_log
from .base import Backend, Shared, config_field, environment_fields
from .flags import DATA, EXPERT, PIPELINE, SHORT, SHORT_EXPERT, TENSOR, SizeFinding, is_count
from .sizes import nodes, not_dividing, uneven

# The plan sets these for each process. A recipe's value would break the wiring or collide on a node.
FIXED = (
    "model-path",
    "served-model-name",
    "host",
    "port",
    "nccl-port",
    "disaggregation-mode",
    "disaggregation-bootstrap-port",
    "dist-init-addr",
    "nnodes",
    "node-rank",
    "dump-config-to",
    "kv-events-config",
    "request-plane",
)

# Names that SGLang's parser accepts for the same option.
ALIASES = {
    **SHORT,
    **SHORT_EXPERT,
    "attn-cp-size": "attention-context-parallel-size",
    "dcp-size": "decode-context-parallel-size",
    "moe-dp-size": "moe-data-parallel-size",
    "model": "model-path",
    "nccl-init-addr": "dist-init-addr",
    "speculative-algo": "speculative-algorithm",
    "speculative-draft-model": "speculative-draft-model-path",
}

# Attention data parallelism uses one port per data-parallel rank and this many more after the rendezvous port.
ATTENTION_PORTS = 8

MOONCAKE = Mooncake("disaggregation-transfer-backend")


class Sglang(Backend):
    type = "sglang"
    title = "SGLang"
    aliases = ALIASES
    log_lines, figures = sglang_log.LINES, sglang_log.FIGURES
    config_key = "sglang_config"
    frontends = (dynamo.FRONTEND, "sglang")
    services = (MOONCAKE,)
    ports = {
        "nccl": port(17500, "sglang: first NCCL port; numbered across the job."),
        "dist_init": port(8300, "sglang: first rendezvous port of workers over several nodes."),
    }
    het_jobs = True
    profilers = {"torch": True, "nsys": True, "nsys-time": False}
    fixed = FIXED
    # Recipes repeat the path inside the container; events are treated as if under kv_events_config.
    understood = ("served-model-name", "model-path", "kv-events-config")
    section = Section(
        "sglang",
        {
            "type": Field(Str(), "sglang", "The engine."),
            "gpu_type": Field(Str(), None, "Accepted for older files; has no effect."),
            **environment_fields(),
            "sglang_config": config_field(
                "sglang_config", "SGLang's command line options per mode, with dashes or underscores."
            ),
            "kv_events_config": kv_events.FIELD,
            **MOONCAKE.fields,
        },
        doc="SGLang.",
    )

    def problems(self, spec: JsonObject) -> list[Finding]:
        found = super().problems(spec)
        for mode in self.modes(spec):
            if self.grpc(spec, mode) and self.profilers.get(spec["profiling"]["type"]):
                key = self.given(spec, mode)[0]["grpc-mode"][0]
                problem = "keeps profiling from being started: such a worker does not answer HTTP."
                found.append((self.place(mode, key), problem, "Leave it or the section profiling out."))
        return found

    def notes(self, spec: JsonObject) -> list[str]:
        found = super().notes(spec)
        modes = [LONG_MODE[mode] for mode in self.modes(spec) if self.grpc(spec, mode)]
        words = " and ".join(modes)
        if modes:
            found.append(f"backend: {words} workers have grpc-mode: many routers answer 501 to /v1/completions.")
        return found

    def grpc(self, spec: JsonObject, mode: str) -> bool:
        """Return whether workers of *mode* use gRPC with the router; they do not answer HTTP then."""
        return spec["frontend"]["type"] == "sglang" and bool(self.mode_config(spec, mode).get("grpc-mode"))

    def gpu_factors(self, spec: JsonObject, mode: str) -> dict[str, int | None]:
        options = self.mode_config(spec, mode)
        # Ranks of attention data parallelism share the GPUs of tensor parallelism.
        data = options.get(DATA) if attention_ranks(options) == 1 else None
        return {"tensor": options.get(TENSOR), "pipeline": options.get(PIPELINE), "data": data}

    def size_problems(self, spec: JsonObject, mode: str) -> list[SizeFinding]:
        options, count = self.mode_config(spec, mode), nodes(spec["resources"], mode)
        attention, data = attention_ranks(options), options.get(DATA) or 1
        found: list[SizeFinding] = []
        if attention > 1:
            found += not_dividing(DATA, options, TENSOR, "With enable-dp-attention its ranks share those GPUs.")
        found += not_dividing(EXPERT, options, TENSOR, "Experts are spread over those GPUs.")
        if count > 1 and data > 1 and attention == 1:
            problem = f"is {data} without enable-dp-attention, and {A_WORKER[mode]} has {count} nodes."
            remedy = "Set enable-dp-attention, or request more workers, each on one node."
            found.append((DATA, f"{problem} SGLang replicates a model within one node only.", remedy))
        ranks = (options.get(TENSOR) or 1) * (options.get(PIPELINE) or 1)
        for name in [name for name in (TENSOR, PIPELINE) if options.get(name)][:1]:
            if ranks % count:
                found.append((name, *uneven(spec, mode, options[name], ranks)))
        return found

    def port_families(self, spec: JsonObject) -> tuple[Family, ...]:
        each = {mode: attention_ranks(self.mode_config(spec, mode)) for mode in self.modes(spec)}
        ranks = max(each.values(), default=1)
        events = max((each[mode] for mode in each if kv_events.option(self, spec, mode)), default=1)
        system, http, bootstrap, publishing = WORKER_FAMILIES
        return (
            system,
            http,
            bootstrap,
            # Each rank publishes on its own port, counted from this one.
            publishing if events == 1 else Family("kv_events", size=events),
            Family("nccl", scope="job"),
            Family("dist_init", who="leader", shared=True, size=1 if ranks == 1 else ranks + ATTENTION_PORTS),
        )

    def worker_urls(self, layout: Layout) -> dict[str, str]:
        urls = super().worker_urls(layout)
        for mode in self.modes(layout.spec):
            if self.grpc(layout.spec, mode):
                urls.update({one.name: urls[one.name].replace("http", "grpc", 1) for one in layout.of_mode(mode)})
        return urls

    def checks(self, layout: Layout) -> list[Check]:
        # The router checks such workers over gRPC, and the check of the router waits for that.
        return [
            tcp_check(one["name"], one["host"], one["port"], one["steps"])
            if layout.worker_urls.get(one["name"], "").startswith("grpc://")
            else one
            for one in super().checks(layout)
        ]

    def command(self, process: Process, layout: Layout, shared: Shared) -> list[Word]:
        spec, ports, nodes = layout.spec, process.ports, process.endpoint.nodes
        serves = dynamo.serves(spec)
        own = [
            Option("model-path", layout.model_path, layout.model_origin),
            Option("served-model-name", layout.served_name, layout.served_by),
            Option("host", "0.0.0.0"),
            Option("port", ports.get("http", 0)),
            Option("nccl-port", ports["nccl"]),
            Option("disaggregation-mode", None if process.mode == "agg" else process.mode),
            Option("disaggregation-bootstrap-port", ports["bootstrap"] if process.mode == "prefill" else None),
        ]
        if len(nodes) > 1 or attention_ranks(shared.config) > 1:
            # By default it would count from the HTTP port, into the range of the next worker on the node.
            own.append(Option("dist-init-addr", f"{layout.address(nodes[0])}:{ports['dist_init']}"))
        if len(nodes) > 1:
            own += [Option("nnodes", len(nodes)), Option("node-rank", process.rank)]
        if serves and spec["enable_config_dump"]:
            own.append(dynamo.config_dump(process, layout))
        if shared.events:
            own.append(kv_events.at(shared.events, f"tcp://*:{ports['kv_events']}"))
        if serves:
            own.append(dynamo.request_plane(layout))
        module = "dynamo.sglang" if serves else "sglang.launch_server"
        return [layout.python, "-m", module, *own, *shared.options]

    def profiler_environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        torch = layout.spec["profiling"]["type"] == "torch"
        return {"SGLANG_TORCH_PROFILER_DIR": profiling.folder(process, layout)} if torch else {}


def attention_ranks(options: Mapping[str, Json]) -> int:
    """Return the ranks of attention data parallelism, from the engine's *options* (full names); 1 without it."""
    ranks: Json = options.get(DATA)
    return ranks if options.get("enable-dp-attention") and is_count(ranks) else 1
