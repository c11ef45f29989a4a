# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TensorRT-LLM: one MPI launch per endpoint, behind dynamo (dynamo.trtllm) or trtllm-serve."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

from ..json_types import JsonObject, KeyPath
from ..schema.section import Field, Section
from ..schema.types import Bool, Int, ListOf, Str
from ..services import dynamo
from ..topology.layout import Layout, Process
from ..topology.modes import LONG_MODE
from ..topology.options import Option, Word, as_option
from ..topology.ports import Family
from ..topology.step import MPI, DraftStep
from . import profiling, trtllm_log
from .base import Backend, Shared, config_field, environment_fields
from .flags import DATA, PIPELINE, SHORT, SIZES, TENSOR, SizeFinding
from .sizes import not_dividing, text

FAMILIES = (Family("system", scope="job"), Family("http", who="leader"))

# Kinds of GPU whose memory is a separate NUMA node, which host allocations must avoid.
COHERENT = ("gb200", "gb300")

CONTEXT = "context-parallel-size"
MOE = {word: f"moe-{word}-parallel-size" for word in ("tensor", "expert", "cluster")}

# Names of these on the command line of trtllm-serve; the configuration has the long names only.
ALIASES = {short: name for short, name in SHORT.items() if name != DATA}

# Engine options that trtllm-serve takes on the command line; in the configuration they would be read too late.
SERVE = (TENSOR, MOE["expert"], PIPELINE)
ALIASES.update({"cp": CONTEXT, "cp-size": CONTEXT, "ep": MOE["expert"], "ep-size": MOE["expert"]})

# Waits until a worker on the same node is ready. Every rank runs it; the engine needs Python anyway.
WAIT = """\
{python} - {url} <<'EOF'
import sys, time, urllib.request
while True:
    try:
        if urllib.request.build_opener().open(sys.argv[1], timeout=5).status == 200:
            break
    except OSError:
        pass
    time.sleep(1)
EOF"""


class Trtllm(Backend):
    type = "trtllm"
    title = "TensorRT-LLM"
    aliases = ALIASES
    size_options = {**SIZES, "ep_size": MOE["expert"]}
    log_lines, figures = trtllm_log.LINES, trtllm_log.FIGURES
    config_key = "trtllm_config"
    config_per_mode = True
    frontends = (dynamo.FRONTEND, "trtllm_serve")
    mpi = True
    profilers = {"nsys": False, "nsys-time": False}
    section = Section(
        "trtllm",
        {
            "type": Field(Str(), "trtllm", "The engine."),
            **environment_fields(),
            "trtllm_config": config_field("trtllm_config", "Engine configuration per mode, as TensorRT-LLM reads it."),
            "publish_events_and_metrics": Field(Bool(), False, "Publish KV events and metrics."),
            "publish_metrics": Field(Bool(), None, "Publish metrics alone, which newer versions of dynamo can."),
            "served_model_name": Field(Str(), None, "Public name of the model; default: that of its directory."),
            **{
                f"{mode}_extra_args": Field(ListOf(Str()), [], f"trtllm_serve: further words of {mode} workers.")
                for mode in LONG_MODE.values()
            },
            "sequential_node_start": Field(
                Int(0), 0, "Workers of a node start in batches of this size; 0: all at once."
            ),
            "numa_memory_bind": Field(Bool(), None, "Bind memory to NUMA nodes 0 and 1; default: on gb200 and gb300."),
        },
        doc="TensorRT-LLM, launched with MPI.",
    )

    def gpu_factors(self, spec: JsonObject, mode: str) -> dict[str, int | None]:
        options = self.mode_config(spec, mode)
        return {"tensor": options.get(TENSOR), "pipeline": options.get(PIPELINE), "context": options.get(CONTEXT)}

    def uses_all(self, spec: JsonObject, mode: str) -> bool:
        # MPI starts a rank on each GPU, and the engine accepts no other number.
        return True

    def size_problems(self, spec: JsonObject, mode: str) -> list[SizeFinding]:
        options = self.mode_config(spec, mode)
        # Some kinds of context parallelism share their GPUs with the experts.
        worlds = {options.get(TENSOR) or 1, (options.get(TENSOR) or 1) * (options.get(CONTEXT) or 1)}
        why = "Experts are spread over those GPUs."
        found: list[SizeFinding] = []
        for name in MOE.values():
            if all(world % (options.get(name) or 1) for world in worlds):
                found += not_dividing(name, options, TENSOR, why)
        given = {word: options[name] for word, name in MOE.items() if options.get(name)}
        if not found and len(given) > 1 and {"tensor", "expert"} <= set(given) and prod(given.values()) not in worlds:
            problem = f"{text(given)} = {prod(given.values())} is not {TENSOR} {options.get(TENSOR) or 1}. {why}"
            found.append((MOE["expert"], f"is {given['expert']}. For experts, {problem}", "Leave one of them out."))
        return found

    def tasks_per_node(self, spec: JsonObject) -> int:
        tasks: int = spec["resources"]["gpus_per_node"]
        return tasks

    def port_families(self, spec: JsonObject) -> tuple[Family, ...]:
        return FAMILIES

    def uses_kvbm(self, spec: JsonObject, mode: str) -> bool:
        connector = self.mode_config(spec, mode).get("kv-connector-config")
        return super().uses_kvbm(spec, mode) or "kvbm" in str(connector).lower()

    def runs(self, process: Process) -> bool:
        # The leader's step covers all nodes of the endpoint.
        return process.leader

    def configuration(self, spec: JsonObject, mode: str) -> JsonObject:
        options = {underscored(name): value for name, value in self.mode_config(spec, mode).items()}
        if spec["observability"]["enabled"] and options:
            options = {"enable_iter_perf_stats": True, "return_perf_metrics": True, **options}
        return dict(sorted(options.items()))

    def options(self, spec: JsonObject, mode: str, own: Iterable[Option] = ()) -> list[Option]:
        # All other options are in the configuration file.
        if spec["frontend"]["type"] != "trtllm_serve":
            return []
        given = self.given(spec, mode)[0]
        sizes = {name: given[name] for name in SERVE if given.get(name, ("", None))[1]}
        return [Option(underscored(name), value, self.place(mode, key)) for name, (key, value) in sizes.items()]

    def command(self, process: Process, layout: Layout, shared: Shared) -> list[Word]:
        spec, mode = layout.spec, process.mode
        argv: list[Word] = [layout.program("trtllm-llmapi-launch")]
        if mode != "agg" and _binds_memory(spec):
            argv = ["numactl", "-m", "0,1", *argv]
        config = f"{layout.run_dir}/{self.config_file(mode)}"
        if spec["frontend"]["type"] == "trtllm_serve":
            argv += [layout.program("trtllm-serve"), layout.model_path, Option("host", "0.0.0.0")]
            name = spec["backend"]["served_model_name"]
            argv += [Option("port", process.ports["http"]), *shared.options, Option("config", config)]
            argv += [Option("served_model_name", name, ("backend", "served_model_name"))] if name else []
            key = f"{LONG_MODE[mode]}_extra_args"
            return [*argv, *(as_option(word, ("backend", key)) for word in spec["backend"][key])]
        publish = [("backend", "publish_events_and_metrics"), ("observability", "enabled")]
        own = [
            Option("model-path", layout.model_path, layout.model_origin),
            Option("served-model-name", layout.served_name, layout.served_by),
            Option("disaggregation-mode", None if mode == "agg" else mode),
            Option("extra-engine-args", config),
            dynamo.request_plane(layout),
            *[Option("publish-events-and-metrics", True, path) for path in publish if spec[path[0]][path[1]]][:1],
        ]
        if spec["backend"]["publish_metrics"] and not any(spec[path[0]][path[1]] for path in publish):
            own.append(Option("publish-metrics", True, ("backend", "publish_metrics")))
        return [*argv, layout.python, "-m", "dynamo.trtllm", *own]

    def environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        # Shared memory of the expert balancer: the same name for all ranks, unique among workers.
        env: dict[str, str | Option] = {"TRTLLM_EPLB_SHM_NAME": f"moe_shared_{layout.job_id}_{process.endpoint.name}"}
        if dynamo.serves(layout.spec) and layout.spec["backend"]["sequential_node_start"]:
            # Without it the worker's /health always answers 503, and the next batch would wait forever.
            env["DYN_SYSTEM_USE_ENDPOINT_HEALTH_STATUS"] = '["generate"]'
        return env

    def profiler_environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        if layout.spec["profiling"]["type"] != "nsys":
            return {}
        env: dict[str, str | Option] = {"TLLM_LLMAPI_ENABLE_NVTX": "1"}
        first, last = profiling.steps(layout.spec, process.mode)
        if first is not None and last is not None:
            path = ("profiling", LONG_MODE[process.mode])
            env["TLLM_PROFILE_START_STOP"] = Option("TLLM_PROFILE_START_STOP", f"{first}-{last}", path)
        return env

    def worker_steps(self, layout: Layout) -> list[DraftStep]:
        shared = {mode: self.shared(layout.spec, mode) for mode in self.modes(layout.spec)}
        steps: list[DraftStep] = []
        earlier: dict[str, list[Process]] = {}
        for process in layout.processes:
            if not self.runs(process):
                continue
            endpoint = process.endpoint
            step = self.worker_step(
                process,
                layout,
                shared[process.mode],
                nodes=endpoint.nodes,
                ntasks=len(endpoint.nodes) * len(endpoint.gpu_indices),
                srun_options=MPI,
                files=[self.config_file(process.mode)],
            )
            before = earlier.setdefault(process.node, [])
            step["preamble"] = "\n".join(filter(None, [step["preamble"], *self._turn(before, layout)])) or None
            before.append(process)
            steps.append(step)
        return steps

    def _turn(self, before: Sequence[Process], layout: Layout) -> list[str]:
        """Return shell lines that wait for the previous batch; *before* are the workers already on the node."""
        size = layout.spec["backend"]["sequential_node_start"] if before else None
        if not size or len(before) < size:
            return []
        first = (len(before) // size - 1) * size
        family = "system" if dynamo.serves(layout.spec) else "http"
        return [
            WAIT.format(python=layout.python, url=f"http://{layout.address(one.node)}:{one.ports[family]}/health")
            for one in before[first : first + size]
        ]

    def worker_urls(self, layout: Layout) -> dict[str, str]:
        # Its orchestrator adds the scheme.
        return {name: url.removeprefix("http://") for name, url in super().worker_urls(layout).items()}

    def publishes_metrics(self, spec: JsonObject) -> bool:
        if not dynamo.serves(spec):  # the pages of its own server are in another form
            return False
        backend = spec["backend"]
        published = backend["publish_events_and_metrics"] or backend["publish_metrics"]
        return bool(published or spec["observability"]["enabled"])

    def served_names(self, spec: JsonObject) -> list[str]:
        # The engine's configuration has no such key, and trtllm-serve names the model after its directory.
        if spec["backend"]["served_model_name"]:
            return [spec["backend"]["served_model_name"]]
        path: str = spec["model"]["path"].rstrip("/")
        return [(path[3:] if path.startswith("hf:") else path).rsplit("/", 1)[-1]]

    def served_by(self, spec: JsonObject) -> KeyPath:
        return ("backend", "served_model_name") if spec["backend"]["served_model_name"] else ("model", "path")


def underscored(name: str) -> str:
    """Return the option's full *name* in the engine's spelling."""
    return name.replace("-", "_")


def _binds_memory(spec: JsonObject) -> bool:
    """Return whether memory is bound to NUMA nodes 0 and 1: as the job says, else on GPUs with memory of their own."""
    bind: bool | None = spec["backend"]["numa_memory_bind"]
    return spec["resources"]["gpu_type"].lower() in COHERENT if bind is None else bind
