# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines of SGLang workers.

The stamps have no zone; lines that dynamo's tracing wraps have one in UTC beside it, or instead of it::

    [2026-01-16 06:20:17 DP0 TP0] Prefill batch, #new-seq: 18, #new-token: 16384, #cached-token: 0, ...
    2026-04-27T23:03:15.250907Z  INFO ...: Decode batch, #running-req: 7, #full token: 7040, ...,
"""

from __future__ import annotations

import re

from ..log_lines import HINT, OPEN, PLAIN, LogLines
from .flags import SHORT, SHORT_EXPERT, SIZES, spellings
from .log_figures import INT, NUM, BatchLine, LogFigures, fields
from .worker_figures import DECODE, PREFILL, Metrics, number, possible, sizes_in, whole

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
    markers=(r"Received sigquit from a child process",),
    work=(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?: [A-Z]+\d+)*\] ",),
)

_LOADED = re.compile(r"avail mem=([\d.]+) GB(?:, mem usage=([\d.]+) GB)?")
_KV_TOKENS = re.compile(r"#tokens: *(\d+)")
_KV_SIZE = re.compile(r"\b(?:KV|K|V) size: *([\d.]+) GB")
_SIZES = {
    key: re.compile(rf"\b{key}=(\d+)|--(?:{'|'.join(spellings(name, {**SHORT, **SHORT_EXPERT}))})[ =](\d+)")
    for key, name in SIZES.items()
}


def _count(key: bytes) -> bytes:
    return rb"#" + key + rb": *" + INT


# In all versions the form of a name, a period or comma or number, and keys.
_BATCH = rb" batch(?:[.,]| \[\d+\],?)"
_COMMON = {
    "running": _count(b"running-req"),
    "queue": _count(b"queue-req"),
    "kv": rb"(?<!swa )(?<!cpu )token usage: *" + NUM,  # of several pools the first, or the only one
}


def _read_line(line: str, metrics: Metrics) -> None:
    if "Load weight end" in line:
        loaded = _LOADED.search(line)
        if loaded:
            avail, usage = (number(text, float) if text else None for text in loaded.groups())
            metrics.memory(avail_gb=avail, usage_gb=usage)
    elif "KV Cache is allocated" in line:
        parts = [number(text, float) for text in _KV_SIZE.findall(line)]
        metrics.memory(kv_tokens=whole(_KV_TOKENS, line), kv_gb=possible(round(sum(parts), 3)) if parts else None)
    else:
        metrics.set_sizes(sizes_in(line, _SIZES))


FIGURES = LogFigures(
    mark=b" batch",
    batches=(
        BatchLine(
            re.compile(rb"\bPrefill" + _BATCH),
            PREFILL,
            fields(
                new=_count(b"new-token"),
                cached=_count(b"cached-token"),
                inflight=_count(b"inflight-req"),
                input=rb"input throughput \(token/s\): *" + NUM,
                **_COMMON,
            ),
            needed=("new", "cached"),
        ),
        BatchLine(
            re.compile(rb"\bDecode" + _BATCH),
            DECODE,
            fields(transfer=_count(b"transfer-req"), gen=rb"gen throughput \(token/s\): *" + NUM, **_COMMON),
            needed=("running", "gen"),
        ),
    ),
    unknown=re.compile(rb"\b[A-Z]\w*" + _BATCH + rb" *(?:#|[\w-]+: )"),
    marks=(
        (b"Load weight end", ("avail_mem_gb", "mem_usage_gb")),
        (b"KV Cache is allocated", ()),
        *((mark, tuple(SIZES)) for mark in (b"ServerArgs(", b"--tp", b"--tensor-parallel-size")),
    ),
    read=_read_line,
    stamps=(
        re.compile(rb"\[(?P<Y>\d{1,4})-(?P<M>\d{1,2})-(?P<D>\d{1,2}) (?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>[\d.]{1,12})"),
    ),
)
