# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dynamo.frontend: HTTP, pre-processing and routing in one process (checked against 1.6.1)."""

from __future__ import annotations

from collections.abc import Mapping

from ..json_types import JsonObject
from ..log_lines import OPEN, LogLines
from ..plan_file import Check
from ..services import dynamo
from ..services.nats_etcd import NatsEtcd
from ..topology.layout import Layout
from ..topology.modes import LONG_MODE
from ..topology.options import Option
from ..topology.step import DraftStep, http_check
from .base import Frontend, frontend_name

LEASE_S = 30.0  # the lease that workers of 1.6.1 request from etcd
MARGIN_S = 5.0
# What workers register as; aggregated ones count as decode (Backend.instances).
COMPONENTS: dict[str, str | list[str]] = {"prefill": "prefill", "decode": ["backend", "decode", "tensorrt_llm"]}


def _kept_s(spec: JsonObject) -> float:
    """Return for how many seconds etcd lists a killed worker: the length of its lease, which is a variable."""
    environments = [spec["backend"].get(f"{mode}_environment") for mode in LONG_MODE.values()]
    given = [env["ETCD_LEASE_TTL"] for env in [spec["environment"], *environments] if "ETCD_LEASE_TTL" in (env or {})]
    numbers = [float(text) for text in given if str(text).isdigit()]
    return max(numbers, default=LEASE_S) + MARGIN_S


class Dynamo(Frontend):
    type = dynamo.FRONTEND
    services = (NatsEtcd(),)
    fixed = ("http-port", "http-host")
    # Lines of its runtime, and so of workers as well.
    log_lines = LogLines(
        fatal=(
            (OPEN, "connection", r"(?i:failed to connect to (?:etcd|nats)|\blease\b.* (?:lost|expired|revoked)\b)"),
        ),
        words=("lease",),
    )

    def wiring(self, layout: Layout) -> dict[str, str | Option]:
        return dynamo.wiring(layout)

    def metrics_urls(self, layout: Layout) -> list[str]:
        return [f"http://{layout.address(node)}:{layout.frontend_port}/metrics" for node in layout.frontends]

    def steps(self, layout: Layout) -> list[DraftStep]:
        spec = layout.spec
        env = {**layout.wiring, **dynamo.observe(layout, "frontend"), **self.environment(spec)}
        options = self.options(spec, [Option("http-port", layout.frontend_port)])
        return self.frontend_steps(layout, [layout.python, "-m", "dynamo.frontend", *options], env)

    def ready_checks(self, layout: Layout, instances: Mapping[str, int], index: int) -> list[Check]:
        name = frontend_name(index)
        host, port = layout.address(layout.frontends[index]), layout.frontend_port
        components: dict[str, str | list[str]] = {"prefill": "prefill", "decode": list(layout.components)}
        return [
            http_check(
                f"{name}_workers",
                host,
                port,
                "/health",
                [name],
                # Only "generate" endpoints are workers; a worker registers further endpoints.
                expect=[
                    {
                        "label": mode,
                        "path": "instances",
                        "where": {"endpoint": "generate", "component": components[mode]},
                        "min": count,
                        "modes": ["prefill"] if mode == "prefill" else ["decode", "agg"],
                    }
                    for mode, count in instances.items()
                    if count
                ],
                listing={"tier": "worker", "by": "etcd", "kept_s": _kept_s(layout.spec)},
            ),
            http_check(
                f"{name}_model",
                host,
                port,
                "/v1/models",
                [name],
                expect=[{"label": "model", "path": "data", "where": {"id": layout.served_name}, "min": 1}],
            ),
        ]
