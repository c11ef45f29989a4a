# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines of vLLM workers: averages over ten seconds, not batches, so there are no batch or token counts::

    (APIServer pid=1) INFO 11-21 21:27:05 [loggers.py:335] Engine 000: Avg prompt throughput: 369.7 tokens/s, ...

The stamps have neither a zone nor, until 2026, a year.
"""

from __future__ import annotations

import re

from ..log_lines import PLAIN, LogLines
from .flags import SIZES
from .log_figures import INT, BatchLine, LogFigures, fields
from .worker_figures import INTERVAL, Batch, Metrics, decimal, number, sizes_in

LINES = LogLines(
    fatal=(
        (PLAIN, "gpu", r"Free memory on device .* on startup is less than desired"),
        (
            PLAIN,
            "gpu_memory",
            r"No available memory for the cache blocks|at least one request with the model'?s max seq len",
        ),
    ),
    markers=(r"\bEngineDeadError\b", r"Engine core initialization failed"),
    words=("on startup", "cache blocks", "one request", "died", "root cause", "stack trace", "background process"),
    prefixes=(
        r"\([^()]*\bpid=\d+[^()]*\) ",  # of a process, also Ray's
        r"(?:TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d \[[^\]]+\] ",
    ),
    echoes=(r"[Ss]ee (?:the )?root cause|[Ss]ee stack trace|EngineDeadError|died unexpectedly|background process",),
)

_KV_MEMORY = re.compile(r"Available KV cache memory: ([\d.]+) GiB")
_KV_TOKENS = re.compile(r"KV cache size: ([\d,]+) tokens")
_MODEL = re.compile(r"Model loading took ([\d.]+) Gi?B")
_HIT_RATE = re.compile(r"Prefix cache hit rate: GPU: ([\d.]+)%")
_SIZES = {key: re.compile(rf"{name.replace('-', '_')}'?[=:] *(\d+)") for key, name in SIZES.items() if key != "ep_size"}
_SHARES = {"kv_percent": "kv", "hit_percent": "hit"}


def _shares(batch: Batch) -> list[Batch]:
    """Return *batch* with shares from 0 to 1 instead of per cent."""
    columns = {
        _SHARES.get(name, name): [one / 100 for one in values] if name in _SHARES else values
        for name, values in batch.columns.items()
    }
    if any(max(columns.get(name) or (0,)) > 1 for name in _SHARES.values()):
        raise ValueError("The share is impossible.")
    return [batch._replace(columns=columns)]


def _read_line(line: str, metrics: Metrics) -> None:
    """Add the figures of one line that is not about an interval. Sizes in GiB are stored as the engine prints them."""
    if "Prefix cache hit rate: GPU: " in line:
        rate = decimal(_HIT_RATE, line)
        if rate is not None:
            metrics.hit_rate(rate)
    elif "KV cache " in line:
        tokens = _KV_TOKENS.search(line)
        metrics.memory(
            kv_gb=decimal(_KV_MEMORY, line), kv_tokens=number(tokens.group(1).replace(",", ""), int) if tokens else None
        )
    elif "Model loading took" in line:
        metrics.memory(usage_gb=decimal(_MODEL, line))
    else:
        metrics.set_sizes(sizes_in(line, _SIZES))


_LEVEL = rb"\b(?:TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL) "
_DAY = rb"(?P<M>\d{1,2})-(?P<D>\d{1,2}) (?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>[\d.]{1,12})"

FIGURES = LogFigures(
    mark=b" throughput: ",
    batches=(
        BatchLine(
            re.compile(rb"\bAvg prompt throughput: "),
            INTERVAL,
            fields(
                input=rb"Avg prompt throughput: ([\d.]+) tokens/s",
                gen=rb"Avg generation throughput: ([\d.]+) tokens/s",
                running=rb"Running: " + INT + rb" reqs",
                queue=rb"(?:Waiting|Pending): " + INT + rb" reqs",
                kv_percent=rb"\b[A-Z]\w* KV cache usage: ([\d.]+)%",  # the first: an older line has the CPU's behind it
                hit_percent=rb"(?<!External )\b[Pp]refix cache hit rate: ([\d.]+)%",
            ),
            needed=("input", "gen", "running"),
            split=_shares,
        ),
    ),
    # Lines about speculative decoding and the like have other throughputs.
    unknown=re.compile(rb"\b(?:Avg|Average) \w+ throughput: "),
    marks=(
        *((mark, ()) for mark in (b"Prefix cache hit rate: GPU: ", b"KV cache memory: ", b"KV cache size: ")),
        (b"Model loading took", ("mem_usage_gb",)),
        (b"parallel_size", tuple(_SIZES)),
    ),
    read=_read_line,
    stamps=(re.compile(_LEVEL + rb"(?P<Y>\d{1,4})-" + _DAY), re.compile(_LEVEL + _DAY)),
)
