# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines of vLLM workers: averages over ten seconds, not batches, so there are no batch or token counts::

(APIServer pid=1) INFO 11-21 21:27:05 [loggers.py:335] Engine 000: Avg prompt throughput: 369.7 tokens/s, ...
"""

from __future__ import annotations

import re

from ..log_lines import PLAIN, LogLines
from .flags import SIZES
from .worker_figures import Metrics, decimal, number, sizes_in, whole

LINES = LogLines(
    fatal=(
        (PLAIN, "gpu", r"Free memory on device .* on startup is less than desired"),
        (
            PLAIN,
            "gpu_memory",
            r"No available memory for the cache blocks|at least one request with the model'?s max seq len",
        ),
    ),
    words=("on startup", "cache blocks", "one request", "died", "root cause", "stack trace", "background process"),
    prefixes=(
        r"\([^()]*\bpid=\d+[^()]*\) ",  # of a process, also Ray's
        r"(?:TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]+\] ",
    ),
    echoes=(r"[Ss]ee (?:the )?root cause|[Ss]ee stack trace|EngineDeadError|died unexpectedly|background process",),
)

_PROMPT = re.compile(r"Avg prompt throughput: ([\d.]+) tokens/s")
_GENERATION = re.compile(r"Avg generation throughput: ([\d.]+) tokens/s")
_RUNNING = re.compile(r"Running: (\d+) reqs")
_WAITING = re.compile(r"(?:Waiting|Pending): (\d+) reqs")
_HIT_RATE = re.compile(r"(?<!External )[Pp]refix cache hit rate: (?:GPU: )?([\d.]+)%")
_KV_MEMORY = re.compile(r"Available KV cache memory: ([\d.]+) GiB")
_KV_TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
_MODEL = re.compile(r"Model loading took ([\d.]+) Gi?B")
_SIZES = {key: re.compile(rf"{name.replace('-', '_')}'?[=:] *(\d+)") for key, name in SIZES.items() if key != "ep_size"}


def read_line(line: str, metrics: Metrics) -> None:
    """Add one line of the log to *metrics*; ValueError if it has an impossible figure.

    Sizes in GiB are stored as the engine prints them.
    """
    if "Avg prompt throughput" in line:
        prompt, generation, rate = (decimal(pattern, line) for pattern in (_PROMPT, _GENERATION, _HIT_RATE))
        running, waiting = whole(_RUNNING, line), whole(_WAITING, line)
        metrics.input_throughput.add(prompt, keep_zero=False)
        metrics.gen_throughput.add(generation, keep_zero=False)
        metrics.running.add(running)
        metrics.queue.add(waiting)
    if "refix cache hit rate" in line:
        rate = decimal(_HIT_RATE, line)
        metrics.hit_rate = metrics.hit_rate if rate is None else rate
    elif "KV cache" in line:
        tokens = _KV_TOKENS.search(line)
        metrics.memory(
            kv_gb=decimal(_KV_MEMORY, line), kv_tokens=number(tokens.group(1).replace(",", ""), int) if tokens else None
        )
    elif "Model loading took" in line:
        metrics.memory(usage_gb=decimal(_MODEL, line))
    elif "parallel_size" in line:
        metrics.set_sizes(sizes_in(line, _SIZES))
