# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""SGLang, behind dynamo (module dynamo.sglang) or behind its own router (module sglang.launch_server)."""

from __future__ import annotations

from ..schema.section import Field, Section
from ..schema.types import Str
from ..services import mooncake
from ..topology.ports import WORKER_FAMILIES, Family
from ..topology.step import http_check, tcp_check
from . import kvbm, sglang_log
from .base import KV_EVENTS, Backend, config_field, environment_fields
from .flags import DATA, EXPERT, PIPELINE, SHORT, SHORT_EXPERT, TENSOR, is_count, to_argv
from .modes import A_WORKER, LONG_MODE
from .sizes import nodes, not_dividing, uneven

# What the plan decides about each process. A recipe's own value would break the wiring or collide on a node.
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

# Names that SGLang's own parser takes for the same option.
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

# Beside each of its data-parallel ranks, attention data parallelism takes so many ports after the rendezvous port.
ATTENTION_PORTS = 8


class Sglang(Backend):
    type = "sglang"
    title = "SGLang"
    aliases = ALIASES
    log_lines, read_line = sglang_log.LINES, staticmethod(sglang_log.read_line)
    config_key = "sglang_config"
    frontends = ("dynamo", "sglang")
    fixed = FIXED
    # Recipes repeat the path inside the container; events are read as if they stood under kv_events_config.
    understood = ("served-model-name", "model-path", "kv-events-config")
    section = Section(
        "sglang",
        {
            "type": Field(Str(), "sglang", "The engine."),
            "gpu_type": Field(Str(), None, "Accepted for old files; has no effect."),
            **environment_fields(),
            "sglang_config": config_field(
                "sglang_config", "SGLang's command line options per mode, with dashes or underscores."
            ),
            "kv_events_config": KV_EVENTS,
            "mooncake_kv_store": mooncake.field(),
        },
        doc="SGLang.",
    )

    def problems(self, spec):
        return super().problems(spec) + mooncake.problems(
            spec,
            lambda mode: mooncake.names_mooncake(self.mode_config(spec, mode), "disaggregation-transfer-backend"),
        )

    def notes(self, spec):
        found = super().notes(spec) + mooncake.notes(spec)
        modes = [LONG_MODE[mode] for mode in self.modes(spec) if self.grpc(spec, mode)]
        if modes and spec["profiling"]["type"] in ("torch", "nsys"):
            words = " and ".join(modes)
            found.append(f"profiling: {words} workers have grpc-mode, so it cannot be started in them over HTTP.")
        if modes and spec["benchmark"]["type"] == "sa-bench":
            found.append("benchmark: sa-bench asks /v1/completions; with grpc-mode many routers say 501 to that.")
        return found

    def grpc(self, spec, mode):
        """Tell whether workers of *mode* speak gRPC with the router; they answer no HTTP then."""
        return spec["frontend"]["type"] == "sglang" and bool(self.mode_config(spec, mode).get("grpc-mode"))

    def gpu_factors(self, spec, mode):
        options = self.mode_config(spec, mode)
        # Ranks of attention data parallelism share the GPUs of tensor parallelism.
        data = options.get(DATA) if self.attention_ranks(spec, mode) == 1 else None
        return {"tensor": options.get(TENSOR), "pipeline": options.get(PIPELINE), "data": data}

    def size_problems(self, spec, mode):
        options, count = self.mode_config(spec, mode), nodes(spec["resources"], mode)
        attention, data = self.attention_ranks(spec, mode), options.get(DATA) or 1
        found = []
        if attention > 1:
            found += not_dividing(DATA, options, TENSOR, "With enable-dp-attention its ranks share those GPUs.")
        found += not_dividing(EXPERT, options, TENSOR, "Experts are spread over those GPUs.")
        if count > 1 and data > 1 and attention == 1:
            problem = f"is {data} without enable-dp-attention, and {A_WORKER[mode]} has {count} nodes."
            remedy = "Set enable-dp-attention, or ask for more workers, each on one node."
            found.append((DATA, f"{problem} SGLang replicates a model on one node only.", remedy))
        ranks = (options.get(TENSOR) or 1) * (options.get(PIPELINE) or 1)
        for name in [name for name in (TENSOR, PIPELINE) if options.get(name)][:1]:
            if ranks % count:
                found.append((name, *uneven(spec, mode, options[name], ranks)))
        return found

    def attention_ranks(self, spec, mode):
        """Return the ranks of attention data parallelism of *mode*; 1 without it."""
        options = self.mode_config(spec, mode)
        ranks = options.get(DATA)
        return ranks if options.get("enable-dp-attention") and is_count(ranks) else 1

    def port_families(self, spec):
        ranks = max((self.attention_ranks(spec, mode) for mode in self.modes(spec)), default=1)
        publishing = [mode for mode in self.modes(spec) if self.kv_events(spec, mode)]
        events = max((self.attention_ranks(spec, mode) for mode in publishing), default=1)
        system, http, bootstrap, kv_events = WORKER_FAMILIES
        return (
            system,
            http,
            bootstrap,
            # Each rank publishes on a port of its own, counted from this one.
            kv_events if events == 1 else Family("kv_events", size=events),
            Family("nccl", scope="job"),
            Family("dist_init", who="leader", shared=True, size=1 if ranks == 1 else ranks + ATTENTION_PORTS),
            *kvbm.families(self, spec),
        )

    def worker_urls(self, layout):
        urls = {}
        for process in layout.processes:
            if process.leader:
                scheme = "grpc" if self.grpc(layout.spec, process.mode) else "http"
                urls[process.name] = f"{scheme}://{layout.address(process.node)}:{process.ports['http']}"
        return urls

    def checks(self, layout):
        if layout.spec["frontend"]["type"] == "dynamo":
            return super().checks(layout)
        return [self._check(process, layout) for process in layout.processes if process.leader]

    def _check(self, process, layout):
        name, host, port = process.name, layout.address(process.node), process.ports["http"]
        if self.grpc(layout.spec, process.mode):
            # The router asks the workers over gRPC itself, and its own check waits for that.
            return tcp_check(name, host, port, [name])
        return http_check(name, host, port, "/health", [name])

    def command(self, process, layout):
        spec, mode, ports = layout.spec, process.mode, process.ports
        dynamo = spec["frontend"]["type"] == "dynamo"
        nodes = process.endpoint.nodes
        own = {
            "model-path": layout.model_path,
            "served-model-name": layout.served_name,
            "host": "0.0.0.0",
            "port": ports.get("http", 0),
            "nccl-port": ports["nccl"],
        }
        if mode != "agg":
            own["disaggregation-mode"] = mode
        if mode == "prefill":
            own["disaggregation-bootstrap-port"] = ports["bootstrap"]
        if len(nodes) > 1 or self.attention_ranks(spec, mode) > 1:
            # By itself it would count from the HTTP port, into the range of the next worker on the node.
            own["dist-init-addr"] = f"{layout.address(nodes[0])}:{ports['dist_init']}"
        if len(nodes) > 1:
            own["nnodes"], own["node-rank"] = len(nodes), process.rank
        if dynamo:
            own["dump-config-to"] = f"{layout.run_dir}/logs/{process.node}_{process.name}_config.json"
        events = self.kv_events(spec, mode)
        if events:
            own["kv-events-config"] = {**events, "endpoint": f"tcp://*:{ports['kv_events']}"}
        if dynamo:
            own["request-plane"] = spec["dynamo"]["request_plane"]
        module = "dynamo.sglang" if dynamo else "sglang.launch_server"
        return [layout.python, "-m", module, *to_argv({**own, **self.options(spec, mode)})]

    def environment(self, process, layout):
        env = mooncake.environment(process, layout)
        if layout.spec["frontend"]["type"] == "dynamo":
            env["DYN_SYSTEM_PORT"] = str(process.ports["system"])
        return env

    def fixed_variables(self, spec):
        return self.fixed_env + mooncake.variables(spec)

    def infra_ports(self, spec):
        return mooncake.ports(spec)

    def infra_steps(self, layout):
        return mooncake.steps(layout)
