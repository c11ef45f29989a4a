# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of the load client (``load_client/stats.py``)."""

from __future__ import annotations

from ...json_types import JsonObject
from ...metrics import LATENCIES, STATISTICS
from ..base import Figures

# {metric: its key in a result file}
KEYS = {
    "output_tps": "output_throughput",
    "total_tps": "total_token_throughput",
    "request_throughput": "request_throughput",
    "request_goodput": "request_goodput",
    "request_rate": "request_rate",
    "peak_output_tps": "peak_output_tokens_per_s",
    **{f"{one}_{name}_ms": f"{one}_{name}_ms" for name in LATENCIES for one in STATISTICS},
    "total_input_tokens": "total_input_tokens",
    "total_output_tokens": "total_output_tokens",
    "duration": "duration",
    "completed": "completed",
    "failed": "failed",
    "num_prompts": "num_prompts",
    "usage_source": "usage_source",
}


def figures(raw: JsonObject) -> Figures:
    """Return the metrics of a result, its ``concurrency`` and its times."""
    return {
        "concurrency": raw.get("max_concurrency"),
        **{name: raw.get(key) for name, key in KEYS.items()},
        "started_at": raw.get("started_at"),
        "ended_at": raw.get("ended_at"),
    }
