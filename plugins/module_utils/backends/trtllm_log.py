# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines of TensorRT-LLM workers (``print_iter_log: true``), all formats since 2025.

Each line describes one iteration of rank 0::

    iter = 2, global_rank = 0, ..., host_step_time = 4.08ms, ..., states = {'num_ctx_tokens': 4, ...}

An iteration with context tokens is a prefill batch, one with generation tokens a decode batch, and
a mixed one is both. The throughput of an iteration is its tokens over its host time.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

from ..log_lines import CLEAR, LogLines
from .flags import SIZES
from .worker_figures import Metrics

LINES = LogLines(
    fatal=((CLEAR, "crash", r"\[TensorRT-LLM\]\[ERROR\] Assertion failed"),),
    words=("[e]", "[f]", "died"),
    prefixes=(r"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] |\[TRT-LLM\] |\[RANK \d+\] |\[[TVDIWEF]\] ",),
    levels=(r"\[TRT-LLM\] \[(\w)\]",),
    echoes=(r"worker (?:returned error|died)",),
)

_STATES = re.compile(r"states = (\{[^}]*\})")
_RANK = re.compile(r"global_rank *= *(\d+)|\[RANK (\d+)\]")
_HOST_MS = re.compile(r"host_step_time *= *([\d.]+) *ms")
_ELAPSED_S = re.compile(r"elapsed_time *= *([\d.]+) *s")
_SCHEDULED = re.compile(r"num_scheduled_requests *[:=] *(\d+)")
_UNSCHEDULED = re.compile(r"num_unscheduled *= *(\d+)")
_PEAK = re.compile(r"Peak memory during memory usage profiling[^:]*: *([\d.]+) GiB")
_AVAILABLE_KV = re.compile(r"available KV cache memory[^:]*: *([\d.]+) GiB")
_TOTAL = re.compile(r"device total memory *([\d.]+) GiB")
_ALLOCATED = re.compile(r"Allocated ([\d.]+) GiB for max tokens[^(]*\((\d+)\)")
_MPI_SIZE = re.compile(r"tllm_mpi_size: *(\d+)")
_SIZES = {
    key: re.compile(rf"{'' if key == 'ep_size' else '(?<!moe_)'}{name.replace('-', '_')}'?[=:] *(\d+)")
    for key, name in SIZES.items()
    if key != "dp_size"
}


def read_line(line: str, metrics: Metrics) -> None:
    """Add one line of the log to *metrics*. Sizes in GiB are stored as the engine prints them."""
    if "iter = " in line and "states = " in line:
        _iteration(line, metrics)
    elif "Peak memory during memory usage profiling" in line:
        peak, kv, total = (_number(pattern, line) for pattern in (_PEAK, _AVAILABLE_KV, _TOTAL))
        free = round(total - peak, 3) if total is not None and peak is not None else None
        metrics.memory(avail_gb=free, usage_gb=peak, kv_gb=kv)
    elif "[MemUsageChange] Allocated" in line:
        found = _ALLOCATED.search(line)
        if found:
            metrics.memory(kv_gb=float(found.group(1)), kv_tokens=int(found.group(2)))
    elif "parallel_size" in line:
        if "engine args" in line:  # the final arguments override the defaults printed before
            metrics.sizes.update(dict.fromkeys(_SIZES))
        for name, pattern in _SIZES.items():
            found = pattern.search(line)
            if found:
                metrics.size(name, found.group(1))
    elif "tllm_mpi_size" in line and metrics.sizes["tp_size"] is None:
        found = _MPI_SIZE.search(line)
        if found:
            metrics.size("tp_size", found.group(1))


def _iteration(line: str, metrics: Metrics) -> None:
    rank = _RANK.search(line)
    if rank and int(rank.group(1) or rank.group(2)):
        return
    found = _STATES.search(line)
    try:
        states = ast.literal_eval(found.group(1)) if found else {}
    except (ValueError, SyntaxError):
        return  # the line was cut
    context, generated = states.get("num_ctx_tokens", 0), states.get("num_generation_tokens", 0)
    if not context and not generated:
        return
    milliseconds = _number(_HOST_MS, line) or 1000 * (_number(_ELAPSED_S, line) or 0)
    running, queue = _number(_SCHEDULED, line, int), _number(_UNSCHEDULED, line, int)
    metrics.batches += 1
    if context:
        cached = states.get("cached_kv_tokens", 0)
        metrics.prefill(context, cached, _throughput(context, milliseconds), running, queue)
    if generated:
        metrics.decode(_throughput(generated, milliseconds), None if context else running, queue)


def _throughput(tokens: int, milliseconds: float) -> float | None:
    return round(tokens * 1000 / milliseconds, 3) if milliseconds else None


def _number(pattern: re.Pattern[str], line: str, kind: Callable[[str], float] = float) -> float | None:
    found = pattern.search(line)
    return kind(found.group(1)) if found else None
