# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of known programs that say nothing of a load on the service: :func:`aside` names them."""

from __future__ import annotations

from ...json_types import JsonObject

# {what it is: keys that it has all of}.
KINDS = {
    "a rollup of srt.slurm": {"schema_version", "job_id", "results", "nodes_summary"},
    "a rollup of srtctl": {"benchmark_type", "timestamp", "config"},
    "a rollup of an early srtctl": {"job_id", "results", "nodes_summary", "environment_config"},
    "offline throughput of vLLM, without a service": {"elapsed_time", "num_requests", "tokens_per_second"},
    "offline latency of vLLM, without a service": {"avg_latency", "latencies", "percentiles"},
}


def aside(raw: JsonObject) -> str | None:
    """Return what *raw* is if it is of a known program and says nothing of a load on the service, else None."""
    return next((what for what, keys in KINDS.items() if keys <= raw.keys()), None)
