# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a program of a benchmark finds in its environment: where the service is. The names are srtctl's."""

from __future__ import annotations

from ..topology.layout import Layout
from ..topology.modes import MODES


def environment(layout: Layout) -> dict[str, str]:
    """Return the variables that describe the service of *layout*. Lists have commas, in the order of workers.

    An endpoint is ``host:port`` of a worker's leader: its system port behind dynamo, else its HTTP port.
    """
    env = {
        "SRTCTL_FRONTEND_TYPE": layout.spec["frontend"]["type"],
        "SRT_FRONTEND_HOST": layout.head_address,
        "SRT_FRONTEND_PORT": str(layout.ports["frontend"]),
        "SRT_GPUS_PER_NODE": str(layout.spec["resources"]["gpus_per_node"]),
        "SRT_WORKER_NODES": ",".join(layout.roles.workers),
    }
    for mode in MODES:
        leaders = [process for process in layout.processes if process.leader and process.mode == mode]
        if leaders:
            env[f"SRT_{mode.upper()}_IPS"] = ",".join(layout.address(process.node) for process in leaders)
            endpoints = [layout.control[process.name] for process in leaders if process.name in layout.control]
            env[f"SRT_{mode.upper()}_ENDPOINTS"] = ",".join(endpoints)
    if layout.metrics_urls:
        env["AIPERF_SERVER_METRICS_URLS"] = ",".join(layout.metrics_urls)
    return env
