# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""SGLang, behind dynamo (module dynamo.sglang) or behind its own router (module sglang.launch_server)."""

from __future__ import annotations

from ..spec.section import TEXTS, Field, Section, optional
from ..spec.text import to_yaml
from ..spec.types import Bool, ListOf, MapOf, OneOf, Str, Type
from ..topology.ports import WORKER_FAMILIES, Family
from ..topology.step import http_check, one_file
from .base import LONG_MODE, Backend, environment_fields
from .flags import combine, table, to_argv

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

FAMILIES = (*WORKER_FAMILIES, Family("nccl", scope="job"), Family("dist_init", who="leader", shared=True))


class Sglang(Backend):
    type = "sglang"
    config_key = "sglang_config"
    frontends = ("dynamo", "sglang")
    section = Section(
        "sglang",
        {
            "type": Field(Str(), "sglang", "The engine."),
            "gpu_type": Field(Str(), None, "Accepted for old files; has no effect."),
            **environment_fields(),
            "sglang_config": Field(
                Section(
                    "sglang_config",
                    {mode: Field(MapOf(Type()), {}, f"Options of {mode} workers.") for mode in LONG_MODE.values()},
                ),
                None,
                "SGLang's command line options per mode, with dashes or underscores.",
            ),
            "kv_events_config": Field(
                OneOf(Bool(), MapOf(Type())), None, "Publish KV events: true, or per mode true or a mapping."
            ),
            "mooncake_kv_store": optional(
                Section(
                    "mooncake_kv_store",
                    {
                        "container": Field(Str(), None, "Image of the store."),
                        "env": Field(TEXTS, {}, "Environment of the store."),
                        "master_extra_args": Field(ListOf(Str()), [], "Further options of mooncake_master."),
                    },
                ),
                "A Mooncake KV store beside the workers.",
            ),
        },
        doc="SGLang.",
    )

    def problems(self, spec):
        problems = []
        if spec["backend"]["mooncake_kv_store"]:
            path = ("backend", "mooncake_kv_store")
            problems.append((path, "asks for something that this version cannot do yet.", "Leave it out."))
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

    def notes(self, spec):
        notes = []
        for mode in LONG_MODE:
            _options, lost = combine({"disaggregation-mode": mode}, self.mode_config(spec, mode), FIXED)
            lost = [name for name in lost if name not in ("served-model-name", "model-path")]
            if lost:
                notes.append(f"backend.sglang_config.{LONG_MODE[mode]}: {', '.join(lost)}: the plan sets this itself.")
        return notes

    def port_families(self, spec):
        return FAMILIES

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

    def options(self, spec, mode):
        """Return the engine's options of *mode* without those that the plan decides."""
        return combine({}, self.mode_config(spec, mode), FIXED)[0]

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
        if len(nodes) > 1:
            own["dist-init-addr"] = f"{layout.address(nodes[0])}:{ports['dist_init']}"
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

    def kv_events(self, spec, mode):
        """Return the settings of KV events of *mode* without the endpoint, or None."""
        wanted = spec["backend"]["kv_events_config"]
        if isinstance(wanted, dict):
            wanted = wanted.get(LONG_MODE[mode])
        elif mode == "agg":
            # Said for all modes at once it means the two that exchange caches.
            wanted = None
        if not wanted:
            return None
        return {"publisher": "zmq", "topic": "kv-events", **(wanted if isinstance(wanted, dict) else {})}

    def environment(self, process, layout):
        if layout.spec["frontend"]["type"] != "dynamo":
            return {}
        return {"DYN_SYSTEM_PORT": str(process.ports["system"])}

    def files(self, layout):
        modes = sorted({endpoint.mode for endpoint in layout.endpoints})
        return [
            one_file(
                "sglang_config.yaml",
                to_yaml({LONG_MODE[mode]: self.options(layout.spec, mode) for mode in modes}),
            )
        ]
