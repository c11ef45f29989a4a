# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Backends whose keys are known and checked, but which this version cannot run yet."""

from __future__ import annotations

from ..spec.section import TEXTS, Field, Section, optional
from ..spec.types import Bool, Choice, Int, ListOf, MapOf, OneOf, Str, Type
from .base import LONG_MODE, Backend, environment_fields


class Unbuilt(Backend):
    """A backend that is refused before submission."""

    def problems(self, spec):
        return [(("backend", "type"), f"is {self.type}, which this version cannot run yet.", "Use mocker or sglang.")]


def config_section(key):
    """Return the section of free engine options per mode."""
    options = MapOf(Type())
    return Section(key, {mode: Field(options, None, f"Options of {mode} workers.") for mode in LONG_MODE.values()})


KV_EVENTS = OneOf(Bool(), MapOf(Type()))


class Trtllm(Unbuilt):
    type = "trtllm"
    config_key = "trtllm_config"
    frontends = ("dynamo", "trtllm_serve")
    section = Section(
        "trtllm",
        {
            "type": Field(Str(), "trtllm", "The engine."),
            **environment_fields(),
            "trtllm_config": Field(config_section("trtllm_config"), None, "Engine configuration per mode."),
            "publish_events_and_metrics": Field(Bool(), False, "Publish KV events and metrics."),
            "sequential_node_start": Field(Int(0), 0, "Workers of a node start in batches of this size; 0: together."),
            "numa_memory_bind": Field(Bool(), None, "Bind memory to the CPUs' own; default: on gb200 and gb300."),
        },
        doc="TensorRT-LLM, launched with MPI.",
    )


class Vllm(Unbuilt):
    type = "vllm"
    config_key = "vllm_config"
    frontends = ("dynamo", "vllm")
    section = Section(
        "vllm",
        {
            "type": Field(Str(), "vllm", "The engine."),
            **environment_fields(),
            "vllm_config": Field(config_section("vllm_config"), None, "Engine options per mode."),
            "set_cuda_visible_devices": Field(Bool(), False, "Set CUDA_VISIBLE_DEVICES instead of --device-ids."),
            "connector": Field(Str(), "nixl", "KV connector: nixl, lmcache, kvbm, none, or JSON."),
            "kv_events_config": Field(KV_EVENTS, None, "Publish KV events."),
            "mooncake_kv_store": optional(
                Section(
                    "mooncake_kv_store",
                    {
                        "container": Field(Str(), None, "Image of the store."),
                        "env": Field(TEXTS, {}, "Environment of the store."),
                        "master_extra_args": Field(ListOf(Str()), [], "Further options of mooncake_master."),
                        "store_config": Field(MapOf(Type()), None, "Store configuration."),
                    },
                ),
                "A Mooncake KV store beside the workers.",
            ),
            "allow_prefill_decode_colocation": Field(Bool(), False, "Prefill and decode may share one node."),
            "allow_prefill_decode_colocation_across_nodes": Field(Bool(), False, "The same on several nodes."),
            "dp_launch_mode": Field(Choice("per_node", "per_gpu"), "per_node", "Processes of data-parallel workers."),
        },
        doc="vLLM.",
    )
