# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""SGLang, behind dynamo (module dynamo.sglang) or behind its own router (module sglang.launch_server)."""

from __future__ import annotations

from ..spec.section import Field, Section
from ..spec.types import Str
from ..topology.ports import WORKER_FAMILIES, Family
from ..topology.step import http_check
from . import mooncake
from .base import KV_EVENTS, LONG_MODE, Backend, config_field, environment_fields
from .flags import table, to_argv

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

# Beside each of its data-parallel ranks, attention data parallelism takes so many ports after the rendezvous port.
ATTENTION_PORTS = 8


class Sglang(Backend):
    type = "sglang"
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
        problems = mooncake.problems(
            spec,
            lambda mode: mooncake.names_mooncake(self.mode_config(spec, mode), "disaggregation-transfer-backend"),
        )
        for mode in LONG_MODE:
            gpus, size = spec["resources"][f"gpus_per_{mode}"], self.parallel_size(spec, mode)
            if spec["resources"][f"{mode}_workers"] and gpus and size and size > gpus:
                problems.append(
                    (
                        ("backend", self.config_key, LONG_MODE[mode]),
                        f"needs tensor-parallel x pipeline-parallel = {size} GPUs, a {mode} worker has {gpus}.",
                        f"Change the parallel sizes or resources.gpus_per_{mode}.",
                    )
                )
        return problems

    def parallel_size(self, spec, mode):
        """Return the GPUs that the options of *mode* need, or None when they do not say."""
        options = table(self.mode_config(spec, mode))
        tensor = options.get("tensor-parallel-size", options.get("tp-size", options.get("tp")))
        pipeline = options.get("pipeline-parallel-size", options.get("pp-size", 1))
        if not isinstance(tensor, int) or not isinstance(pipeline, int):
            return None
        return tensor * pipeline

    def attention_ranks(self, spec, mode):
        """Return the ranks of attention data parallelism of *mode*; 1 without it."""
        options = table(self.mode_config(spec, mode))
        ranks = options.get("data-parallel-size", options.get("dp-size", options.get("dp", 1)))
        return ranks if options.get("enable-dp-attention") and isinstance(ranks, int) else 1

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
        )

    def worker_urls(self, layout):
        urls = {}
        for process in layout.processes:
            if process.leader:
                grpc = table(self.mode_config(layout.spec, process.mode)).get("grpc-mode")
                scheme = "grpc" if grpc else "http"
                urls[process.name] = f"{scheme}://{layout.address(process.node)}:{process.ports['http']}"
        return urls

    def checks(self, layout):
        if layout.spec["frontend"]["type"] == "dynamo":
            return super().checks(layout)
        return [
            http_check(process.name, layout.address(process.node), process.ports["http"], "/health", [process.name])
            for process in layout.processes
            if process.leader
        ]

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

    def infra_ports(self, spec):
        return mooncake.ports(spec)

    def infra_steps(self, layout):
        return mooncake.steps(layout)
