# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM, behind dynamo (dynamo.vllm) or standalone (vllm serve)."""

from __future__ import annotations

from collections.abc import Iterable

from ..failures import Finding
from ..json_types import Json, JsonObject, KeyPath
from ..schema.section import Field, Section, port
from ..schema.types import Bool, Choice, Str, shown
from ..schema.words import nearest
from ..services import dynamo
from ..services.mooncake import Mooncake
from ..topology.endpoints import Endpoint
from ..topology.layout import Layout, Process, Split
from ..topology.modes import LONG_MODE
from ..topology.options import Option, Word
from ..topology.ports import Family
from . import kv_events, profiling, vllm_log
from .base import Backend, Shared, config_field, environment_fields
from .flags import DATA, PIPELINE, SHORT, TENSOR, SizeFinding, readable
from .sizes import allocated
from .vllm_parallel import form, forms, parallel_problems, world

FIXED = (
    "model",
    "served-model-name",
    "host",
    "port",
    "connector",
    "disaggregation-mode",
    "request-plane",
    "dump-config-to",
    "kv-events-config",
    "device-ids",
    "master-addr",
    "nnodes",
    "node-rank",
    "headless",
    "data-parallel-address",
    "data-parallel-rpc-port",
    "data-parallel-size-local",
    "data-parallel-start-rank",
    "data-parallel-rank",
    "data-parallel-hybrid-lb",
)

# Short forms that vLLM's parser accepts, and the names of the same options in other engines.
ALIASES = {
    **SHORT,
    "pcp": "prefill-context-parallel-size",
    "dcp": "decode-context-parallel-size",
    "ep": "enable-expert-parallel",
    "dpl": "data-parallel-size-local",
    "dpn": "data-parallel-rank",
    "dpr": "data-parallel-start-rank",
    "dpa": "data-parallel-address",
    "dpp": "data-parallel-rpc-port",
    "dph": "data-parallel-hybrid-lb",
    "n": "nnodes",
    "r": "node-rank",
    "model-path": "model",
}

NO_CONNECTOR = ("", "none", "null")
CONNECTORS = {
    "nixl": {"kv_connector": "NixlConnector", "kv_role": "kv_both"},
    "lmcache": {"kv_connector": "LMCacheConnectorV1", "kv_role": "kv_both"},
    "kvbm": {
        "kv_connector": "DynamoConnector",
        "kv_connector_module_path": "kvbm.vllm_integration.connector",
        "kv_role": "kv_both",
    },
}

MOONCAKE = Mooncake("kv-transfer-config", store_config=True)


class Vllm(Backend):
    type = "vllm"
    title = "vLLM"
    aliases = ALIASES
    log_lines, figures = vllm_log.LINES, vllm_log.FIGURES
    config_key = "vllm_config"
    frontends = (dynamo.FRONTEND, "vllm")
    services = (MOONCAKE,)
    ports = {
        "nixl": port(5400, "vllm: first NIXL side channel port; numbered per node."),
        "dp_rpc": port(8400, "vllm: first data-parallel RPC port; numbered per node."),
        "vllm": port(20000, "vllm: first block of 50 internal ports; numbered per node."),
    }
    profilers = {"torch": True, "nsys": True, "nsys-time": False}
    fixed = FIXED
    understood = ("served-model-name", "model", "connector", "kv-events-config")
    fixed_env = ("DYN_VLLM_KV_EVENT_PORT", "VLLM_NIXL_SIDE_CHANNEL_PORT", "VLLM_PORT")
    section = Section(
        "vllm",
        {
            "type": Field(Str(), "vllm", "The engine."),
            **environment_fields(),
            "vllm_config": config_field("vllm_config", "vLLM's options per mode, with dashes or underscores."),
            "set_cuda_visible_devices": Field(Bool(), False, "Set CUDA_VISIBLE_DEVICES instead of --device-ids."),
            "connector": Field(Str(), "nixl", "KV connector: nixl, lmcache, kvbm, none (or null), or JSON."),
            "kv_events_config": kv_events.FIELD,
            **MOONCAKE.fields,
            "allow_prefill_decode_colocation": Field(Bool(), False, "Prefill and decode may share one node."),
            "allow_prefill_decode_colocation_across_nodes": Field(Bool(), False, "Also on several nodes."),
            "dp_launch_mode": Field(Choice("per_node", "per_gpu"), "per_node", "Processes of data-parallel workers."),
        },
        doc="vLLM.",
    )

    # ---- before submission

    def problems(self, spec: JsonObject) -> list[Finding]:
        return super().problems(spec) + self._connector_problems(spec) + self._profiler_problems(spec)

    def _profiler_problems(self, spec: JsonObject) -> list[Finding]:
        """Return the problems of profiler options in a job that nsys profiles."""
        return [
            (self.place(mode, key), "is set by nsys profiling.", "Leave one of them out.")
            for mode in self.modes(spec)
            for name, (key, _value) in self.given(spec, mode)[0].items()
            if name.startswith("profiler-config") and spec["profiling"]["type"] == "nsys"
        ]

    def gpu_factors(self, spec: JsonObject, mode: str) -> dict[str, int | None]:
        options = self.mode_config(spec, mode)
        context = options.get("prefill-context-parallel-size")
        factors = {"tensor": options.get(TENSOR), "pipeline": options.get(PIPELINE), "prefill-context": context}
        return {**factors, "data": options.get(DATA)}

    def uses_all(self, spec: JsonObject, mode: str) -> bool:
        return mode in forms(self, spec)

    def size_problems(self, spec: JsonObject, mode: str) -> list[SizeFinding]:
        return parallel_problems(self, spec, mode)

    def _connector_problems(self, spec: JsonObject) -> list[Finding]:
        """Return the problems of unknown connectors and of invalid settings."""
        given: list[tuple[KeyPath, Json]] = [(("backend", "connector"), spec["backend"]["connector"])]
        found: list[Finding] = []
        words = ", ".join((*CONNECTORS, "none"))
        for mode in self.modes(spec):
            options = self.given(spec, mode)[0]
            if "connector" in options:
                key, value = options["connector"]
                given.append((self.place(mode, key), value))
            key, value = options.get("kv-transfer-config", ("", None))
            if value is not None:
                found += readable(
                    self.place(mode, key), value, 'Write a mapping such as {"kv_connector": "NixlConnector"}.'
                )
        for path, value in given:
            if value is None or str(value).lower() in (*NO_CONNECTOR, *CONNECTORS):
                continue
            if isinstance(value, str) and not value.lstrip().startswith("{"):
                hint = nearest(value, CONNECTORS)
                remedy = f"Did you mean {hint}?" if hint else "Other connectors are written as JSON."
                found.append((path, f"is {shown(value)}; expected one of {words}, or JSON.", remedy, "not_a_choice"))
            else:
                found += readable(path, value, f"Write one of {words}, or JSON of the connector's settings.")
        return found

    def notes(self, spec: JsonObject) -> list[str]:
        notes = super().notes(spec)
        for mode in self.modes(spec):
            if "kv-transfer-config" in self.mode_config(spec, mode) and self.connector(spec, mode):
                where = f"backend.vllm_config.{LONG_MODE[mode]}.kv-transfer-config"
                notes.append(f"{where} replaces the settings of the connector.")
        if spec["frontend"]["type"] == "vllm":
            notes += self._serve_notes(spec)
        if spec["backend"]["dp_launch_mode"] == "per_gpu" and forms(self, spec):
            notes.append("backend.dp_launch_mode: per_gpu starts a process per GPU. per_node needs fewer.")
        return notes

    def _serve_notes(self, spec: JsonObject) -> list[str]:
        """Return notes on options that `vllm serve` does not get, because only dynamo uses them."""
        lost = ["backend.connector"] if spec["backend"]["connector"] not in (None, "nixl", *NO_CONNECTOR) else []
        lost += ["backend.kv_events_config"] if spec["backend"]["kv_events_config"] else []
        where = f"backend.{self.config_key}.{LONG_MODE['agg']}"
        for name, (key, value) in self.given(spec, "agg")[0].items():
            if name in ("connector", "kv-events-config") and value and str(value).lower() not in NO_CONNECTOR:
                lost.append(f"{where}.{key}")
        if not lost:
            return []
        return [f"{', '.join(lost)}: no effect with frontend vllm. Use kv-transfer-config to set a connector."]

    def many_names(self, spec: JsonObject) -> bool:
        return bool(spec["frontend"]["type"] == "vllm")

    def connector(self, spec: JsonObject, mode: str) -> Json:
        """Return the KV connector of *mode*: a mapping, JSON text, or None."""
        word = self.mode_config(spec, mode).get("connector", spec["backend"]["connector"])
        if word is None or str(word).lower() in NO_CONNECTOR:
            return None
        return CONNECTORS.get(str(word).lower(), word)

    # ---- placement

    def shares_nodes(self, spec: JsonObject) -> bool:
        backend, resources = spec["backend"], spec["resources"]
        if not resources["prefill_workers"] or not backend["allow_prefill_decode_colocation"]:
            return False
        gpus = sum(resources[f"{mode}_workers"] * resources[f"gpus_per_{mode}"] for mode in ("prefill", "decode"))
        return bool(gpus <= resources["gpus_per_node"] or backend["allow_prefill_decode_colocation_across_nodes"])

    def splitter(self, spec: JsonObject) -> Split | None:
        found = forms(self, spec)
        if not found:
            return None

        def split(endpoint: Endpoint) -> list[tuple[str, tuple[int, ...], int]]:
            form = found.get(endpoint.mode)
            return form.split(endpoint) if form else [(node, endpoint.gpu_indices, 0) for node in endpoint.nodes]

        return split

    def port_families(self, spec: JsonObject) -> tuple[Family, ...]:
        found = forms(self, spec)
        ranks = max((form.size for form in found.values()), default=1)
        gpus = max((allocated(spec["resources"], mode) for mode in self.modes(spec)), default=1)
        families = [
            Family("system", scope="job"),
            Family("http", who="leader"),
            # vLLM adds the data-parallel rank to this port; further ranks use the following ports.
            Family("kv_events", scope="job") if ranks == 1 else Family("kv_events", size=ranks),
            Family("nixl", who="leader", shared=True, size=gpus),
            Family("vllm", size=50),
        ]
        if found:
            families.append(Family("dp_rpc", who="leader", shared=True))
        return tuple(families)

    def uses_kvbm(self, spec: JsonObject, mode: str) -> bool:
        ours = dynamo.serves(spec) and self.connector(spec, mode) is CONNECTORS["kvbm"]
        return ours or super().uses_kvbm(spec, mode)

    # ---- steps

    def options(self, spec: JsonObject, mode: str, own: Iterable[Option] = ()) -> list[Option]:
        own = list(own)
        if self.connector(spec, mode) and spec["frontend"]["type"] != "vllm":
            key, _value = self.given(spec, mode)[0].get("connector", ("", None))
            path = self.place(mode, key) if key else ("backend", "connector")
            own.append(Option("kv-transfer-config", self.connector(spec, mode), path))
        if spec["profiling"]["type"] == "nsys":
            own.append(self._profiler(spec, mode, profiler="cuda"))
        return super().options(spec, mode, own)

    def _profiler(self, spec: JsonObject, mode: str, **which: Json) -> Option:
        """Return the option of the profiler *which*; its steps count from the request that starts it."""
        first, last = profiling.steps(spec, mode)
        limits = {} if last is None else {"max_iterations": last - (first or 0)}
        value = {**which, **({"delay_iterations": first} if first else {}), **limits}
        return Option("profiler-config", value, ("profiling", LONG_MODE[mode]))

    def command(self, process: Process, layout: Layout, shared: Shared) -> list[Word]:
        spec, mode = layout.spec, process.mode
        serve = spec["frontend"]["type"] == "vllm"
        name = self.served_names(spec) if serve else layout.served_name
        own = [Option("served-model-name", name, layout.served_by)]
        if not serve:
            own.append(Option("model", layout.model_path, layout.model_origin))
            own.append(Option("disaggregation-mode", None if mode == "agg" else mode))
        elif process.leader:
            own += [Option("host", "0.0.0.0"), Option("port", process.ports["http"])]
        if not self.sees_only_its_gpus(process, layout) and super().sees_only_its_gpus(process, layout):
            own.append(Option("device-ids", ",".join(map(str, process.gpu_indices))))
        data = form(spec, mode, shared.config)
        group = data.arguments(process, layout) if data else world(process, layout)
        own += [Option(*one) for one in group.items()]
        options = shared.options
        if group.get("headless"):
            options = [option for option in options if option.name != "api-server-count"]
        if spec["profiling"]["type"] == "torch" and "profiler-config" not in self.given(spec, mode)[0]:
            # A trace of the API server alone would say nothing of the workers.
            where = {"torch_profiler_dir": profiling.folder(process, layout), "ignore_frontend": True}
            own.append(self._profiler(spec, mode, profiler="torch", **where))
        if serve:
            return [layout.program("vllm"), "serve", layout.model_path, *own, *options]
        return [layout.python, "-m", "dynamo.vllm", *own, *self._dynamo_options(process, layout, shared), *options]

    def _dynamo_options(self, process: Process, layout: Layout, shared: Shared) -> list[Option]:
        """Return the options that only dynamo's worker has."""
        own = [dynamo.request_plane(layout)]
        if layout.spec["enable_config_dump"]:
            own.append(dynamo.config_dump(process, layout))
        if shared.events:
            endpoint = f"tcp://*:{process.ports['kv_events']}"
            own.append(kv_events.at(shared.events, endpoint, enable_kv_cache_events=True))
        return own

    def environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        ports, nodes = process.ports, process.endpoint.nodes
        env: dict[str, str | Option] = {
            "VLLM_NIXL_SIDE_CHANNEL_PORT": str(ports["nixl"]),
            "VLLM_NIXL_SIDE_CHANNEL_HOST": layout.address(process.node),
        }
        if len(nodes) == 1:
            # A worker over several nodes negotiates its ports; a fixed one would conflict.
            env["VLLM_PORT"] = str(ports["vllm"])
        if dynamo.serves(layout.spec):
            env["DYN_VLLM_KV_EVENT_PORT"] = str(ports["kv_events"])
        return env

    def profiler_environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        # Older releases read this instead of profiler-config.
        torch = layout.spec["profiling"]["type"] == "torch"
        return {"VLLM_TORCH_PROFILER_DIR": profiling.folder(process, layout)} if torch else {}

    def log(self, process: Process) -> str:
        if len(process.gpu_indices) < len(process.endpoint.gpu_indices):
            # Several processes of one endpoint on a node: each has its own log.
            return f"logs/%N_{process.name}.out"
        return super().log(process)

    def sees_only_its_gpus(self, process: Process, layout: Layout) -> bool:
        kept = bool(layout.spec["backend"]["set_cuda_visible_devices"])
        return kept and super().sees_only_its_gpus(process, layout)

    # ---- readiness

    def own_sides(self, layout: Layout) -> list[Process]:
        # All but the further ranks of a model over several nodes.
        found = forms(self, layout.spec)
        return [
            process
            for process in layout.processes
            if process.leader or process.mode in found and not found[process.mode].spans
        ]

    def instances(self, layout: Layout) -> dict[str, int]:
        found, sides = super().instances(layout), self.own_sides(layout)
        for mode in forms(self, layout.spec):
            found["prefill" if mode == "prefill" else "decode"] = sum(one.mode == mode for one in sides)
        return found
