# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sglang_router before SGLang servers, plain or prefill/decode (checked against 0.3.2)."""

from __future__ import annotations

from collections.abc import Mapping

from ..plan_file import Check
from ..schema.section import port
from ..topology.layout import Layout
from ..topology.options import Option, Word
from ..topology.step import DraftStep, http_check
from .base import Frontend, frontend_name

# The router's names of the modes.
WORKER_TYPE = {"prefill": "prefill", "decode": "decode", "agg": "regular"}


class SglangRouter(Frontend):
    type = "sglang"
    fixed = ("host", "port", "prometheus-port", "worker-urls", "prefill", "decode", "pd-disaggregation")
    # Workers of another job would take part of the load.
    refused = ("worker-urls", "prefill", "decode")
    ports = {"prometheus": port(29000, "sglang: metrics port of each router.")}

    def steps(self, layout: Layout) -> list[DraftStep]:
        own = [
            Option("host", "0.0.0.0"),
            Option("port", layout.frontend_port),
            # Two routers on one host would compete for the default port, and one would exit.
            Option("prometheus-port", layout.ports["prometheus"]),
            # Workers start at the same time as the router: check for them every second, not every 30 s.
            Option("worker-startup-check-interval", 1),
        ]
        command: list[Word] = [layout.python, "-m", "sglang_router.launch_router", *self._workers(layout)]
        command += self.options(layout.spec, own)
        return self.frontend_steps(layout, command, self.environment(layout.spec))

    def _workers(self, layout: Layout) -> list[str]:
        words = []
        leaders = [process for process in layout.processes if process.leader]
        if not any(process.mode == "prefill" for process in leaders):
            return ["--worker-urls", *(layout.worker_urls[process.name] for process in leaders)]
        for process in leaders:
            words += [f"--{process.mode}", layout.worker_urls[process.name]]
            if process.mode == "prefill":
                words.append(str(process.ports["bootstrap"]))
        return ["--pd-disaggregation", *words]

    def ready_checks(self, layout: Layout, instances: Mapping[str, int], index: int) -> list[Check]:
        name = frontend_name(index)
        host, port = layout.address(layout.frontends[index]), layout.frontend_port
        return [
            http_check(
                f"{name}_workers",
                host,
                port,
                "/workers",
                [name],
                # The router's own statistics count registered workers, healthy or not.
                expect=[
                    {
                        "label": mode,
                        "path": "workers",
                        "where": {"worker_type": worker_type, "is_healthy": True},
                        "min": len(layout.of_mode(mode)),
                        "modes": [mode],
                    }
                    for mode, worker_type in WORKER_TYPE.items()
                    if layout.of_mode(mode)
                ],
            )
        ]
