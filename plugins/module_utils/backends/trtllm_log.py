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

import re

from ..log_lines import CLEAR, LogLines
from .flags import SIZES
from .worker_figures import Metrics, decimal, number, possible, sizes_in, whole

LINES = LogLines(
    fatal=((CLEAR, "crash", r"\[TensorRT-LLM\]\[ERROR\] Assertion failed"),),
    words=("[e]", "[f]", "died"),
    prefixes=(r"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] |\[TRT-LLM\] |\[RANK \d+\] |\[[TVDIWEF]\] ",),
    levels=(r"\[TRT-LLM\] \[(\w)\]",),
    echoes=(r"worker (?:returned error|died)",),
)

_STATES, _STATES_END = "states = {", "}"
_STATE = re.compile(r"""['"](\w+)['"]: *(\d+)(?=[,\s}])""")
_RANK = re.compile(r"global_rank *= *(\d+)|\[RANK (\d+)\]")
_HOST_MS = re.compile(r"host_step_time *= *([\d.]+) *ms")
_ELAPSED_S = re.compile(r"elapsed_time *= *([\d.]+) *s")
_SCHEDULED = re.compile(r"num_scheduled_requests *[:=] *(\d+)")
_UNSCHEDULED = re.compile(r"num_unscheduled *= *(\d+)")
_PEAK = re.compile(r"Peak memory during memory usage profiling[^:]{0,200}: *([\d.]+) GiB")
_AVAILABLE_KV = re.compile(r"available KV cache memory[^:]{0,200}: *([\d.]+) GiB")
_TOTAL = re.compile(r"device total memory *([\d.]+) GiB")
_ALLOCATED = re.compile(r"Allocated ([\d.]+) GiB for max tokens[^(]{0,200}\((\d+)\)")
_MPI_SIZE = re.compile(r"tllm_mpi_size: *(\d+)")
_SIZES = {
    key: re.compile(rf"{'' if key == 'ep_size' else '(?<!moe_)'}{name.replace('-', '_')}'?[=:] *(\d+)")
    for key, name in SIZES.items()
    if key != "dp_size"
}


def read_line(line: str, metrics: Metrics) -> None:
    """Add one line of the log to *metrics*; ValueError if it has an impossible figure.

    Sizes in GiB are stored as the engine prints them.
    """
    if "iter = " in line and "states = " in line:
        _iteration(line, metrics)
    elif "Peak memory during memory usage profiling" in line:
        peak, kv, total = (decimal(pattern, line) for pattern in (_PEAK, _AVAILABLE_KV, _TOTAL))
        free = possible(round(total - peak, 3)) if total is not None and peak is not None else None
        metrics.memory(avail_gb=free, usage_gb=peak, kv_gb=kv)
    elif "[MemUsageChange] Allocated" in line:
        found = _ALLOCATED.search(line)
        if found:
            kv_gb, kv_tokens = number(found.group(1), float), number(found.group(2), int)
            metrics.memory(kv_gb=kv_gb, kv_tokens=kv_tokens)
    elif "parallel_size" in line:
        sizes = sizes_in(line, _SIZES)
        if "engine args" in line:  # the final arguments override the defaults printed before
            metrics.sizes.update(dict.fromkeys(_SIZES))
        metrics.set_sizes(sizes)
    elif "tllm_mpi_size" in line:
        metrics.set_sizes(sizes_in(line, {"tp_size": _MPI_SIZE}))


def _iteration(line: str, metrics: Metrics) -> None:
    rank = _RANK.search(line)
    if rank and number(rank.group(1) or rank.group(2), int):
        return
    begin = line.find(_STATES)
    end = line.find(_STATES_END, begin)
    if end < 0:
        return  # the line was cut
    states = {name: number(text, int) for name, text in _STATE.findall(line, begin, end + 1)}
    context, generated = states.get("num_ctx_tokens", 0), states.get("num_generation_tokens", 0)
    if not context and not generated:
        return
    milliseconds = decimal(_HOST_MS, line) or 1000 * (decimal(_ELAPSED_S, line) or 0)
    running, queue = whole(_SCHEDULED, line), whole(_UNSCHEDULED, line)
    read, written = _throughput(context, milliseconds), _throughput(generated, milliseconds)
    metrics.batches += 1
    if context:
        metrics.prefill(context, states.get("cached_kv_tokens", 0), read, running, queue)
    if generated:
        metrics.decode(written, None if context else running, queue)


def _throughput(tokens: int, milliseconds: float) -> float | None:
    return possible(round(tokens * 1000 / milliseconds, 3)) if milliseconds else None
