# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dynamo.mocker: a worker that simulates an engine's timing without a GPU (checked against 1.6.1)."""

from __future__ import annotations

from collections.abc import Iterable

from ..failures import Finding
from ..json_types import JsonObject
from ..schema.section import Field, Section
from ..schema.types import Bool, Choice, Float, Int, Str, shown
from ..topology.layout import Layout, Process
from ..topology.modes import A_WORKER, LONG_MODE
from ..topology.options import Option, Word, override
from .base import Backend, Shared, config_field, environment_fields
from .flags import DATA, is_count, whole

# The plan sets these for each worker: other values would break the wiring.
FIXED = ("model-path", "model-name", "served-model-name", "disaggregation-mode", "bootstrap-ports", "engine-type")

WORKERS = "num-workers"

# Options that are on by default; the prefix "no-" turns them off.
SWITCHES = ("enable-prefix-caching", "enable-chunked-prefill")


class Mocker(Backend):
    type = "mocker"
    title = "The mocker"
    aliases = {"dp": DATA, "dp-size": DATA}
    config_key = "mocker_config"
    fixed = FIXED
    profilers = {}  # it runs no kernels
    needs_scraping = True  # its log has no batch lines
    section = Section(
        "mocker",
        {
            "type": Field(Str(), "mocker", "The engine."),
            "engine_type": Field(Choice("vllm", "sglang", "trtllm"), "vllm", "The engine that is simulated."),
            "speedup_ratio": Field(Float(0), 100.0, "Speed-up over the simulated engine. 0 does not mean infinite."),
            "decode_speedup_ratio": Field(Float(0), 1.0, "Further speed-up of decode steps."),
            "num_gpu_blocks_override": Field(Int(1), 16384, "KV cache blocks per data-parallel rank."),
            "max_num_seqs": Field(Int(1), 256, "Sequences per iteration."),
            "max_num_batched_tokens": Field(Int(1), 8192, "Tokens per iteration."),
            "block_size": Field(Int(1), None, "Tokens per KV block; the default depends on engine_type."),
            "data_parallel_size": Field(Int(1), 1, "Data-parallel ranks of a worker."),
            "num_workers": Field(Int(1), 1, "Workers inside one process; each counts as a worker for the frontend."),
            "startup_time": Field(Float(0), None, "Simulated start-up in seconds."),
            "kv_transfer_bandwidth": Field(Float(0), None, "Simulated KV transfer in GB/s."),
            "kv_cache_dtype": Field(Str(), None, "Simulated KV cache type."),
            "enable_prefix_caching": Field(Bool(), True, "Simulate prefix caching."),
            "enable_chunked_prefill": Field(Bool(), True, "Simulate chunked prefill."),
            "preemption_mode": Field(Str(), None, "lifo or fifo."),
            "bootstrap": Field(
                Bool(),
                False,
                "Prefill and decode meet at the bootstrap ports, as real engines do. Costs about 45 ms per request.",
            ),
            **environment_fields(),
            "mocker_config": config_field(
                "mocker_config", "Additional dynamo.mocker options per mode, with dashes or underscores."
            ),
        },
        doc="dynamo.mocker; needs frontend.type dynamo.",
    )

    def problems(self, spec: JsonObject) -> list[Finding]:
        backend, problems = spec["backend"], super().problems(spec)
        if backend["speedup_ratio"] == 0:
            problem = "is 0, which dynamo.mocker 1.6 treats as 1, not as infinity."
            problems.append((("backend", "speedup_ratio"), problem, "Write 1000 for almost no delay."))
        for mode in self.modes(spec):
            key, value = self.given(spec, mode)[0].get(WORKERS, ("", None))
            number = 1 if value is None or value is False else whole(value)
            if not is_count(number) or number < 1:
                problem = f"is {shown(value)}; expected a positive whole number."
                problems.append((self.place(mode, key), problem, "Write the number, or leave it out."))
            elif backend["bootstrap"] and mode == "prefill" and self.workers(spec, mode) > 1:
                problem = f"needs a port for each worker, and {key or 'num_workers'} puts several into one process."
                problems.append((("backend", "bootstrap"), problem, "Leave one of them out."))
        return problems

    def notes(self, spec: JsonObject) -> list[str]:
        notes = super().notes(spec)
        fields = self.section.fields
        for mode in self.modes(spec):
            where = f"backend.mocker_config.{LONG_MODE[mode]}"
            for name, value in self._mode_options(spec, mode).items():
                key = name.replace("-", "_")
                general = spec["backend"].get(key)
                if name not in FIXED and key in fields and general != fields[key].default and value != general:
                    texts = f"{name} {shown(value)} replaces backend.{key} {shown(general)}"
                    notes.append(f"{where}: {texts} for these workers.")
                if name == "speedup-ratio" and value == 0:
                    notes.append(f"{where}: {name} 0: dynamo.mocker 1.6 treats it as 1, not as infinity.")
        resources = spec["resources"]
        for mode in LONG_MODE:
            if (resources[f"gpus_per_{mode}"] or 0) > resources["gpus_per_node"] and resources[f"{mode}_workers"]:
                worker = A_WORKER[mode].capitalize()
                notes.append(f"{worker} spans nodes. The mocker simulates it on its first node only.")
        return notes

    def runs(self, process: Process) -> bool:
        # One simulation is one process; a copy on each node would register as another worker.
        return process.leader

    def instances(self, layout: Layout) -> dict[str, int]:
        counts = {mode: len(layout.of_mode(mode)) * self.workers(layout.spec, mode) for mode in LONG_MODE}
        return {"prefill": counts["prefill"], "decode": counts["decode"] + counts["agg"]}

    def workers(self, spec: JsonObject, mode: str) -> int:
        """Return the number of workers in one process of *mode*."""
        count: int = whole(self._mode_options(spec, mode).get(WORKERS, spec["backend"]["num_workers"]))
        return count

    def _mode_options(self, spec: JsonObject, mode: str) -> JsonObject:
        """Return {name: value} of :meth:`_given`."""
        return {option.name: option.value for option in self._given(spec, mode)}

    def _given(self, spec: JsonObject, mode: str) -> list[Option]:
        """Return ``mocker_config`` of *mode*, with switches as true or false under their names without "no-"."""
        options = []
        for name, (key, value) in sorted(self.given(spec, mode)[0].items()):
            plain = name.removeprefix("no-")
            if plain in SWITCHES and isinstance(value, bool):
                options.append(Option(plain, value is (plain == name), self.place(mode, key)))
            elif value is not None and value is not False:
                options.append(Option(name, value, self.place(mode, key)))
        return options

    def options(self, spec: JsonObject, mode: str, own: Iterable[Option] = ()) -> list[Option]:
        given = [option for option in self._given(spec, mode) if option.name not in self.fixed]
        # Options that are on by default need no flag.
        return [_switch(option) for option in override(_own(spec["backend"]), given) if option.value is not None]

    def command(self, process: Process, layout: Layout, shared: Shared) -> list[Word]:
        backend, mode = layout.spec["backend"], process.mode
        own = [
            Option("model-path", layout.model_path, layout.model_origin),
            Option("model-name", layout.served_name, layout.served_by),
            Option("engine-type", backend["engine_type"], ("backend", "engine_type")),
            Option("disaggregation-mode", mode if mode != "agg" else None),
            Option("bootstrap-ports", process.ports.get("bootstrap") if backend["bootstrap"] else None),
        ]
        return [layout.python, "-m", "dynamo.mocker", *own, *shared.options]

    def environment(self, process: Process, layout: Layout) -> dict[str, str | Option]:
        # Without it the worker's /health always answers 503.
        return {"DYN_SYSTEM_STARTING_HEALTH_STATUS": "ready"}


def _own(backend: JsonObject) -> list[Option]:
    """Return the options for the keys of the *backend* section."""
    values = {
        "speedup-ratio": backend["speedup_ratio"],
        "data-parallel-size": backend["data_parallel_size"],
        "num-gpu-blocks-override": backend["num_gpu_blocks_override"],
        "max-num-seqs": backend["max_num_seqs"],
        "max-num-batched-tokens": backend["max_num_batched_tokens"],
        "decode-speedup-ratio": backend["decode_speedup_ratio"] if backend["decode_speedup_ratio"] != 1 else None,
        "block-size": backend["block_size"],
        WORKERS: backend["num_workers"] if backend["num_workers"] > 1 else None,
        "startup-time": backend["startup_time"],
        "kv-transfer-bandwidth": backend["kv_transfer_bandwidth"],
        "kv-cache-dtype": backend["kv_cache_dtype"],
        **{name: None if backend[name.replace("-", "_")] else False for name in SWITCHES},
        "preemption-mode": backend["preemption_mode"],
    }
    return [Option(name, value, ("backend", name.replace("-", "_"))) for name, value in values.items()]


def _switch(option: Option) -> Option:
    """Return *option* in the engine's form: a switch that is off has the prefix "no-"."""
    off = option.name in SWITCHES and option.value is False
    return option._replace(name=f"no-{option.name}", value=True) if off else option
