# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Frontends whose keys are known and checked, but which this version cannot run yet."""

from __future__ import annotations

from ..spec.section import Field
from ..spec.types import MapOf, Type
from .base import Frontend


class Unbuilt(Frontend):
    """A frontend that is refused before submission."""

    def problems(self, spec):
        return [(("frontend", "type"), f"is {self.type}, which this version cannot run yet.", "Use dynamo.")]


class TrtllmServe(Unbuilt):
    type = "trtllm_serve"
    needs_infra = False
    fields = {
        "ctx_router": Field(MapOf(Type()), None, "Router options of context servers."),
        "gen_router": Field(MapOf(Type()), None, "Router options of generation servers."),
        "server_config_extra": Field(MapOf(Type()), None, "Further keys of the server configuration."),
    }


class VllmServe(Unbuilt):
    type = "vllm"
    needs_infra = False
