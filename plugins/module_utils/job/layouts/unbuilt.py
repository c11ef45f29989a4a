# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recipes can say and nothing here does yet, with the reason. Each is refused by name, in both layouts.

Who builds one of them removes its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ...failures import Problem
from ...json_types import Json, JsonObject, KeyPath
from ...schema.source import Source

LATER = "is not built yet"
ENGINES = {
    "atom": f"{LATER}: the engine of AMD's recipes, which needs the frontend atomesh.",
    "tilert": f"{LATER}: the engine of TileRT, which needs the frontend tilert-router.",
    "tokenspeed": f"{LATER}.",
}
FRONTENDS = {
    "vllm-router": f"{LATER}: the router of vLLM.",
    "smg": f"{LATER}: the model gateway of SGLang.",
    "sgl-router": f"{LATER}: a router in an image without a shell.",
    "atomesh": f"{LATER}: the router of the engine atom.",
    "tilert-router": f"{LATER}: the router of the engine tilert.",
    "llm-d": f"{LATER}: Envoy and its endpoint picker.",
    "none": f"{LATER}: a job of services alone.",
}
SERVICES = {
    "mooncake-store": f"{LATER}.",
    "mooncake-donor": f"{LATER}.",
    "lmcache-server": f"{LATER}.",
    "ray": f"{LATER}.",
    "gms": f"{LATER}: it belongs to engine.failover.",
    "dcgm-exporter": f"{LATER} as a service.",
    "node-exporter": f"{LATER} as a service.",
    "process-exporter": f"{LATER}.",
    "llm-d-sidecar": f"{LATER}.",
}
EXPORTERS = "Write it under observability.tachometer, or leave it out."
REMEDIES = {"dcgm-exporter": EXPORTERS, "node-exporter": EXPORTERS}
BENCHMARKS = {
    "agentperf": f"{LATER}. A benchmark of type custom can run its program.",
    "agentic": f"{LATER}. A benchmark of type custom can run its script.",
    "agentx": f"{LATER}. A benchmark of type custom can run its script.",
    "aime": f"{LATER}.",
    "aiperf-bench": f"{LATER}.",
    "prefix-replay": f"{LATER}.",
    "mlperf": f"{LATER}.",
}
ROLE_KEYS = {"sidecar": f"{LATER}: a sidecar beside each worker."}
# Keys, by their path in both layouts, where * stands for any key.
KEYS: dict[KeyPath, str] = {
    ("host_setup",): f"{LATER}: commands on the bare hosts before and after the service.",
    ("post_eval",): f"{LATER}: an evaluation after the benchmark.",
    ("engine", "failover"): f"{LATER}: shadow engines.",
    ("backend", "failover"): f"{LATER}: shadow engines.",
    ("engine", "numa_cpu_bind"): f"{LATER}.",
    ("backend", "numa_cpu_bind"): f"{LATER}.",
    ("frontend", "worker_selection"): f"{LATER}: a file of router policies.",
    ("frontend", "container_image"): f"{LATER}: the router runs in the job's image.",
    ("frontend", "numa_bind"): f"{LATER}.",
    ("frontend", "epp_config"): f"{LATER}: it belongs to llm-d.",
    ("dynamo", "sidecar"): f"{LATER}: a sidecar beside each worker.",
    **{
        ("dynamo", f"sidecar_{key}"): f"{LATER}: a sidecar beside each worker."
        for key in ("port", "binary", "startup_timeout", "context_length", "args")
    },
    **{
        ("profiling", key): f"{LATER}."
        for key in ("nsys_trace", "trace_fork_before_exec", "capture_range_end", "nsys_library_paths")
    },
    **{
        ("profiling", phase, key): f"{LATER}: all workers of the phase are profiled."
        for phase in ("prefill", "decode", "aggregated")
        for key in ("capture_scope", "worker_index", "worker_rank")
    },
    ("observability", "nsys"): f"{LATER}: profiling.type: nsys profiles workers.",
    **{("observability", "tachometer", key): f"{LATER}." for key in ("default_exporters", "default_gpu_exporter")},
    **{
        (*path, key): f"{LATER}."
        for path in (
            ("observability", "tachometer", "dcgm_exporter"),
            ("observability", "tachometer", "node_exporter"),
            ("telemetry", "dcgm_exporter"),
        )
        for key in ("binary", "kind", "gpu_labels", "gpu_metrics")
    },
    ("engine", "vllm_serve_binary"): f"{LATER}: the program is vllm.",
    ("backend", "vllm_serve_binary"): f"{LATER}: the program is vllm.",
}
# Values that turn a key off, besides those that are empty.
OFF: dict[KeyPath, tuple[Json, ...]] = {
    ("engine", "vllm_serve_binary"): ("vllm",),
    ("backend", "vllm_serve_binary"): ("vllm",),
    **{("observability", "tachometer", exporter, "kind"): ("dcgm",) for exporter in ("dcgm_exporter", "node_exporter")},
    ("profiling", "nsys_trace"): ("cuda,nvtx",),
    ("profiling", "capture_range_end"): ("stop",),
    **{("profiling", phase, "capture_scope"): ("all",) for phase in ("prefill", "decode", "aggregated")},
}
# Keys of forks of the tool, by the fork.
TILERT_FORK, AMD_FORK = "SemiAnalysis' fork for TileRT", "AMD's fork"
FORKS: dict[KeyPath, str] = {
    **{
        ("engine", key): TILERT_FORK
        for key in (
            *("prefill_container", "model_profile", "weight_model_type", "weights_dir", "max_seq_len"),
            *("prefill_kv_cache_dtype", "transport", "with_mtp", "speculative_tokens"),
        )
    },
    ("backend", "enable_kv_events"): AMD_FORK,
    ("runtime_config_transport",): AMD_FORK,
    ("record_launch_plan",): AMD_FORK,
}
FORK_FRONTENDS = {"infera": AMD_FORK}


class Refusals:
    """What is refused in the raw *job*, which is changed in place: what is refused is taken out.

    :param engine: the path of its engine's type.
    :ivar wrong: the paths that are taken out.
    """

    def __init__(self, job: JsonObject, source: Source, engine: tuple[str, str]) -> None:
        self.job, self.source = job, source
        self.problems: list[Problem] = []
        self.wrong: set[KeyPath] = set()
        for path, reason in KEYS.items():
            self.key(path, reason)
        for path, fork in FORKS.items():
            self.fork(path, fork)
        self.word(engine, ENGINES, "engine")
        self.word(("frontend", "type"), {**FRONTENDS, **{one: _of(fork) for one, fork in FORK_FRONTENDS.items()}})
        self.word(("benchmark", "type"), BENCHMARKS)
        self.roles()
        self.services()

    def say(self, path: KeyPath, text: str, remedy: str | None = "Leave it out.") -> None:
        """Refuse what is at *path*."""
        self.problems.append(self.source.problem(path, "not_supported", text, remedy))

    def key(self, path: KeyPath, reason: str) -> None:
        """Refuse the key at *path* if it says anything; take it out."""
        for table in tables(self.job, path[:-1]):
            if path[-1] not in table:
                continue
            value = table.pop(path[-1])
            if not _empty(value) and value not in OFF.get(path, ()):
                self.say(path, reason)

    def fork(self, path: KeyPath, fork: str) -> None:
        """Refuse a key of a fork; take it out."""
        for table in tables(self.job, path[:-1]):
            if path[-1] in table:
                del table[path[-1]]
                self.say(path, _of(fork))

    def word(self, path: tuple[str, ...], reasons: Mapping[str, str], section: str | None = None) -> None:
        """Refuse the word at *path* if it is one of *reasons*; take it out."""
        for table in tables(self.job, path[:-1]):
            word = table.get(path[-1])
            if isinstance(word, str) and word in reasons:
                del table[path[-1]]
                self.say(path, f"is {word}, which {reasons[word]}", None)
                self.wrong.add((section,) if section else path)

    def roles(self) -> None:
        """Refuse what is not built of roles."""
        roles = self.job.get("roles")
        for mode, role in (roles if isinstance(roles, dict) else {}).items():
            for key, reason in ROLE_KEYS.items() if isinstance(role, dict) else ():
                if not _empty(role.pop(key, None)):
                    self.say(("roles", mode, key), reason)
            events: Json = role.get("kv_events") if isinstance(role, dict) else None
            for key in ("replay_endpoint", "load_publish_endpoint") if isinstance(events, dict) else ():
                if not _empty(events.pop(key, None)):
                    self.say(("roles", mode, "kv_events", key), f"{LATER}: it belongs to sgl-router.")
            engine = role.get("engine") if isinstance(role, dict) else None
            word = engine.get("type") if isinstance(engine, dict) else engine
            if isinstance(word, str) and word in ENGINES:
                self.say(("roles", mode, "engine"), f"is {word}, which {ENGINES[word]}", None)
                self.wrong.add(("engine",))

    def services(self) -> None:
        """Refuse services that are not built; they stay in the list, as their places count."""
        services = self.job.get("services")
        for index, entry in enumerate(services if isinstance(services, list) else ()):
            if not isinstance(entry, dict) or entry.get("enabled") is False:
                continue
            kind = str(entry.get("type") or "generic")
            if kind in SERVICES:
                where = ("services", index, "type") if entry.get("type") else ("services", index)
                name = f" ({entry['name']})" if entry.get("name") else ""
                text = f"is a service of type {kind}{name}, which {SERVICES[kind]}"
                self.say(where, text, REMEDIES.get(kind, "Leave it out."))


def _of(fork: str) -> str:
    return f"is a key of {fork}, which srtctl itself does not have."


def _empty(value: Json) -> bool:
    """Return whether *value*, or all that is in it, is nothing."""
    if isinstance(value, dict):
        return all(_empty(item) for item in value.values())
    return value is None or value is False or value in ("", [])


def tables(job: Json, path: KeyPath) -> Iterator[JsonObject]:
    """Yield the mapping at *path* of *job*, if there is one."""
    for key in path:
        job = job.get(key) if isinstance(job, dict) else None
    if isinstance(job, dict):
        yield job
