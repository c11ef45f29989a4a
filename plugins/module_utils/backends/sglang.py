# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""SGLang: keys of the job file."""

from __future__ import annotations

from ..spec.section import TEXTS, Field, Section, optional
from ..spec.types import ListOf, Str
from .base import environment_fields
from .unbuilt import KV_EVENTS, Unbuilt, config_section


class Sglang(Unbuilt):
    type = "sglang"
    config_key = "sglang_config"
    frontends = ("dynamo", "sglang")
    section = Section(
        "sglang",
        {
            "type": Field(Str(), "sglang", "The engine."),
            "gpu_type": Field(Str(), None, "Accepted for old files; has no effect."),
            **environment_fields(),
            "sglang_config": Field(config_section("sglang_config"), None, "Engine options per mode."),
            "kv_events_config": Field(KV_EVENTS, None, "Publish KV events."),
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
