# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Log lines of TensorRT-LLM workers (``print_iter_log: true``), all formats since 2025.

Each line describes one iteration of rank 0::

    iter = 2, global_rank = 0, ..., host_step_time = 4.08ms, ..., states = {'num_ctx_tokens': 4, ...}

An iteration with context tokens is a prefill batch, one with generation tokens a decode batch, and
a mixed one is both. The throughput of an iteration is its tokens over its host time. Stamps are local times.
"""

from __future__ import annotations

import re

from ..log_lines import CLEAR, LogLines
from .flags import SIZES
from .log_figures import INT, BatchLine, LogFigures, fields
from .worker_figures import DECODE, PREFILL, Batch, Column, Metrics, decimal, number, possible, sizes_in

LINES = LogLines(
    fatal=((CLEAR, "crash", r"\[TensorRT-LLM\]\[ERROR\] Assertion failed"),),
    words=("[e]", "[f]", "died"),
    prefixes=(r"\[\d\d/\d\d/\d{4}-\d\d:\d\d:\d\d\] |\[TRT-LLM\] |\[RANK \d+\] |\[[TVDIWEF]\] ",),
    levels=(r"\[TRT-LLM\] \[(\w)\]",),
    echoes=(r"worker (?:returned error|died)",),
    markers=(r"Rank\d+ Task exit code: (?!0\b)-?\d+", r"Failed to initialize executor"),
)

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


def _read_line(line: str, metrics: Metrics) -> None:
    """Add the figures of one line that is no iteration. Sizes in GiB are stored as the engine prints them."""
    if "Peak memory during memory usage profiling" in line:
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
    else:
        metrics.set_sizes(sizes_in(line, {"tp_size": _MPI_SIZE}))


def _iterations(lines: Batch) -> list[Batch]:
    """Return the batches of iterations: what they read, and what they wrote. Those of other ranks do not count."""
    given = lines.columns
    idle: Column = [0] * lines.size
    read, made, ranks = given["new"], given["made"], given.get("rank", idle)
    times_ms = given.get("ms") or [1000 * one for one in given.get("seconds") or idle]
    shared = {name: given[name] for name in ("running", "queue", "kv") if name in given}
    mine = [row for row in range(lines.size) if not ranks[row]]
    prefills = [row for row in mine if read[row]]
    mixed = [row for row in prefills if made[row]]
    decodes = [row for row in mine if made[row] and not read[row]]
    cached = given.get("cached", idle)
    reading = {"new": read, "cached": cached, "input": _throughput(read, times_ms), **shared}
    writing = {"gen": _throughput(made, times_ms)}
    return [
        lines.only(prefills, PREFILL, False, reading),
        lines.only(mixed, DECODE, True, writing),
        lines.only(decodes, DECODE, False, {**writing, **shared}),
    ]


def _throughput(tokens: Column, times_ms: Column) -> list[float]:
    return [possible(round(count * 1000 / ms, 3)) if ms else 0 for count, ms in zip(tokens, times_ms)]


def _state(name: bytes) -> bytes:
    return rb"""['"]""" + name + rb"""['"]: *(\d+)(?=[,\s}])"""


_TIME = rb"(?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>[\d.]{1,12})"

FIGURES = LogFigures(
    mark=b"iter = ",
    batches=(
        BatchLine(
            re.compile(rb"\biter = \d+\b[^{]{0,600}\bstates = \{[^{}]{0,600}\}"),
            PREFILL,
            fields(
                new=_state(b"num_ctx_tokens"),
                made=_state(b"num_generation_tokens"),
                cached=_state(b"cached_kv_tokens"),
                rank=rb"(?:global_rank *= *|\[RANK )(\d+)",
                ms=rb"host_step_time *= *([\d.]+) *ms",
                seconds=rb"elapsed_time *= *([\d.]+) *s",
                running=rb"num_scheduled_requests *[:=] *" + INT,
                queue=rb"num_unscheduled *= *" + INT,
                kv=rb"kv_cache_util *= *([\d.]+)",
            ),
            needed=("new", "made"),
            split=_iterations,
        ),
    ),
    unknown=re.compile(rb"\biter = \d"),
    marks=(
        (b"Peak memory during memory usage profiling", ()),
        (b"[MemUsageChange] Allocated", ()),
        (b"parallel_size", ()),
        (b"tllm_mpi_size", ("tp_size",)),
    ),
    read=_read_line,
    stamps=(
        re.compile(rb"\btimestamp = (?P<Y>\d{1,4})-(?P<M>\d{1,2})-(?P<D>\d{1,2}) " + _TIME),
        re.compile(
            rb"\[(?P<M>\d{1,2})/(?P<D>\d{1,2})/(?P<Y>\d{1,4})-(?P<h>\d{1,2}):(?P<m>\d{1,2}):(?P<s>[\d.]{1,12})\]"
        ),
    ),
)
