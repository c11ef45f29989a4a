# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""trtllm-serve: workers with their own HTTP server; disaggregated ones behind its orchestrator."""

from __future__ import annotations

from collections.abc import Mapping

from ..failures import Finding
from ..json_types import JsonObject
from ..plan_file import Check, PlanFile
from ..schema.section import Field
from ..schema.text import to_yaml
from ..schema.types import MapOf, Type
from ..services import dynamo
from ..topology.layout import Layout
from ..topology.options import Option, Word
from ..topology.step import MPI, DraftStep, http_check, one_file
from .base import Frontend, frontend_name

CONFIG = "trtllm_serve.yaml"

# Keys of the server configuration that the plan sets: those of the job are ignored with a note, or are an error.
OURS = ("hostname", "port")
WORKERS = ("context_servers", "generation_servers")


class TrtllmServe(Frontend):
    type = "trtllm_serve"
    fixed = ("config", "c", "config_file")
    # Its other settings would be lost silently; server_config_extra has them.
    refused = fixed
    fields = {
        "ctx_router": Field(MapOf(Type()), None, "trtllm_serve: router options of context servers."),
        "gen_router": Field(MapOf(Type()), None, "trtllm_serve: router options of generation servers."),
        "server_config_extra": Field(MapOf(Type()), None, "trtllm_serve: additional keys of the server configuration."),
    }

    def problems(self, spec: JsonObject) -> list[Finding]:
        problems = super().problems(spec)
        workers = spec["resources"]["agg_workers"]
        if workers and workers != 1:
            problem = f"is {workers}; trtllm_serve has no router for aggregated workers."
            problems.append((("resources", "agg_workers"), problem, "Use 1."))
        for key in spec["frontend"]["server_config_extra"] or {}:
            if key in WORKERS:
                path = ("frontend", "server_config_extra", key)
                problems.append((path, "is set by the plan.", "Leave it out. Workers follow from resources."))
        return problems

    def notes(self, spec: JsonObject) -> list[str]:
        found, options = super().notes(spec), spec["frontend"]
        lost = [key for key in options["server_config_extra"] or {} if key in OURS]
        if lost:
            found.append(f"frontend.server_config_extra: {', '.join(lost)}: ignored, the plan sets this.")
        return found

    def embedded(self, spec: JsonObject) -> bool:
        return bool(spec["resources"]["agg_workers"])

    def multiple(self, spec: JsonObject) -> bool:
        # Its orchestrator does not share its state of the workers: there can be only one.
        return False

    def steps(self, layout: Layout) -> list[DraftStep]:
        spec = layout.spec
        limit = spec["health_check"]["max_attempts"] * spec["health_check"]["interval_seconds"]
        own = [
            Option("config", f"{layout.run_dir}/{CONFIG}"),
            # Workers load in parallel; by default it would give up on them after three minutes.
            Option("server_start_timeout", limit),
        ]
        command: list[Word] = [layout.program("trtllm-serve"), "disaggregated", *self.options(spec, own)]
        env = {**dynamo.observe(layout, "frontend"), **self.environment(spec)}
        return self.frontend_steps(layout, command, env, files=[CONFIG], srun_options=MPI)

    def files(self, layout: Layout) -> list[PlanFile]:
        if not layout.frontends:
            return []
        options = layout.spec["frontend"]
        more = {key: value for key, value in (options["server_config_extra"] or {}).items() if key not in OURS}
        content = {"hostname": "0.0.0.0", "port": layout.frontend_port, **more}
        for key, mode, router in (
            ("context_servers", "prefill", options["ctx_router"]),
            ("generation_servers", "decode", options["gen_router"]),
        ):
            urls = [layout.worker_urls[f"{endpoint.name}"] for endpoint in layout.of_mode(mode)]
            content[key] = {"num_instances": len(urls), "urls": urls, **({"router": router} if router else {})}
        return [one_file(CONFIG, to_yaml(content))]

    def ready_checks(self, layout: Layout, instances: Mapping[str, int], index: int) -> list[Check]:
        if not layout.frontends:
            return []
        host = layout.address(layout.frontends[index])
        name = frontend_name(index)
        return [http_check(f"{name}_health", host, layout.frontend_port, "/health", [name])]
