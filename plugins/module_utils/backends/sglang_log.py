# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines of SGLang workers.

Fields are added, removed and reordered between versions, so each is looked up by name::

    [2026-01-16 06:20:17 DP0 TP0] Prefill batch, #new-seq: 18, #new-token: 16384, #cached-token: 0, ...
    Decode batch, #running-req: 7, #full token: 7040, ..., gen throughput (token/s): 6.73, #queue-req: 0,
"""

from __future__ import annotations

import re

from ..log_lines import HINT, OPEN, PLAIN, LogLines
from .flags import SHORT, SHORT_EXPERT, SIZES, spellings
from .worker_figures import Metrics, decimal, number, possible, sizes_in, whole

# The parent process kills itself and all its children if one of them fails.
LINES = LogLines(
    fatal=(
        (PLAIN, "gpu", r"The memory capacity is unbalanced"),
        (
            PLAIN,
            "gpu_memory",
            r"Not enough memory\. Please try to increase --mem-fraction-static|runs out of memory\. ",
        ),
        (OPEN, "fatal", r"Capture cuda graph failed|(?i:scheduler watchdog timeout)"),
        (HINT, "fatal", r"Received sigquit from a child process"),
    ),
    words=("capture", "sigquit"),
    work=(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [A-Z]+\d+)*\] ",),
)

_BATCH = re.compile(r"\b(Prefill|Decode) batch(?:[.,]| \[\d+\],?)")
_COUNT = re.compile(r"#([a-z][a-z-]*): *(\d+)")
_INPUT = re.compile(r"input throughput \(token/s\): *([\d.]+)")
_GEN = re.compile(r"gen throughput \(token/s\): *([\d.]+)")
_LOADED = re.compile(r"avail mem=([\d.]+) GB(?:, mem usage=([\d.]+) GB)?")
_KV_TOKENS = re.compile(r"#tokens: *(\d+)")
_KV_SIZE = re.compile(r"\b(?:KV|K|V) size: *([\d.]+) GB")
_SIZES = {
    key: re.compile(rf"\b{key}=(\d+)|--(?:{'|'.join(spellings(name, {**SHORT, **SHORT_EXPERT}))})[ =](\d+)")
    for key, name in SIZES.items()
}


def read_line(line: str, metrics: Metrics) -> None:
    """Add one line of the log (without colours) to *metrics*; ValueError if it has an impossible figure."""
    batch = _BATCH.search(line)
    if batch:
        counts = {name: number(text, int) for name, text in _COUNT.findall(line, batch.end())}
        if batch.group(1) == "Prefill":
            metrics.prefill(
                new=counts.get("new-token", 0),
                cached=counts.get("cached-token", 0),
                throughput=decimal(_INPUT, line),
                running=counts.get("running-req"),
                queue=counts.get("queue-req"),
                inflight=counts.get("inflight-req"),
            )
        else:
            metrics.decode(
                throughput=decimal(_GEN, line),
                running=counts.get("running-req"),
                queue=counts.get("queue-req"),
                transfer=counts.get("transfer-req"),
            )
    elif "Load weight end" in line:
        loaded = _LOADED.search(line)
        if loaded:
            avail, usage = (number(text, float) if text else None for text in loaded.groups())
            metrics.memory(avail_gb=avail, usage_gb=usage)
    elif "KV Cache is allocated" in line:
        parts = [number(text, float) for text in _KV_SIZE.findall(line)]
        metrics.memory(kv_tokens=whole(_KV_TOKENS, line), kv_gb=possible(round(sum(parts), 3)) if parts else None)
    elif "ServerArgs(" in line or "--tp" in line or "--tensor-parallel-size" in line:
        metrics.set_sizes(sizes_in(line, _SIZES))
