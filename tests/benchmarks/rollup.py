#!/usr/bin/env python3
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  lines of logs are as long as they are
"""How fast worker logs are read for a rollup. Prints a table with goals and ratios; exit code 1 when a goal is missed.

Usage: rollup.py [--size MB] [--engine NAME ...]

A log of each engine is made in a temporary directory, with stamps, once with figures in one line of ten and once in all
lines, and read as a rollup reads it: over all, in the windows of ten points, and over time.

1. CPU speed of one process: at least 250 MB/s with figures in one line of ten, 60 MB/s with figures in all. The ratio is
   to the CPU time of ``grep -c`` for the lines with figures.
2. Memory: the peak of the process at most 48 MB above its start, and the same for a log of four times the size.
3. A second reading of a log that has grown by 1 %: at most 5 % of the time of the first.

The default of 64 MB takes seconds; ``--size 1024`` measures logs of 1 GB.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "collections"))

from ansible_collections.srt.slurm.plugins.module_utils.results import worker_logs  # noqa: E402

FAST, SLOW, MOST_MB, AGAIN = 250.0, 60.0, 48.0, 0.05
BEGIN = 1769000000.0
STEP_S = 0.05  # between lines
NOISE = (
    "[{iso} DP0 TP0] Received request id={hex} prompt_len={n} sampling_params=(temperature=0.7, top_p=0.95, max_tokens={n})",
    "{utc}  INFO http-request: dynamo_llm::http::service::metrics: request completed request_id={hex} model=tiny "
    "endpoint=chat_completions status=200 latency_ms={n} input_tokens={n} output_tokens={n}",
    'INFO:     10.0.0.{n}:{n} - "POST /generate HTTP/1.1" 200 OK',
    "[{iso} TP0] KVTransfer room={hex}{hex} bytes={n} chunks={n} from 10.0.0.{n} to 10.0.0.{n} finished in {f} ms",
)
FIGURES = {
    "sglang": (
        "[{iso} DP0 TP0 EP0] Decode batch, #running-req: {n}, #full token: {n}, full token usage: 0.{n}, pre-allocated usage: "
        "0.00, #prealloc-req: 0, #transfer-req: {n}, #retracted-req: 0, cuda graph: True, gen throughput (token/s): {f}, "
        "#queue-req: {n}",
        "[{iso} DP0 TP0 EP0] Prefill batch, #new-seq: 1, #new-token: {n}, #cached-token: {n}, full token usage: 0.{n}, "
        "#running-req: {n}, #queue-req: {n}, #pending-token: 0, cuda graph: False, input throughput (token/s): {f}",
    ),
    "trtllm": (
        "[{us}] [TRT-LLM] [RANK 0] [I] iter = {n}, global_rank = 0, rank = 0, num_scheduled_requests = {n}, kv_cache_util = "
        "0.{n}, currank_total_requests = {n}/{n}, host_step_time = {f}ms, prev_device_step_time = {f}ms, timestamp = {iso}, "
        "states = {{'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': {n}, 'cached_kv_tokens': {n}}}",
    ),
    "vllm": (
        "(APIServer pid=13294) INFO {short} [loggers.py:335] Engine 000: Avg prompt throughput: {f} tokens/s, Avg generation "
        "throughput: {f} tokens/s, Running: {n} reqs, Waiting: {n} reqs, GPU KV cache usage: {p}%, Prefix cache hit rate: {p}%",
    ),
}
STARTS = {
    "sglang": "server_args=ServerArgs(tp_size=8, pp_size=1, dp_size=1, ep_size=1)\nLoad weight end. avail mem=75.11 GB, mem "
    "usage=107.07 GB.\nKV Cache is allocated. #tokens: 524288, KV size: 17.16 GB\n",
    "trtllm": "TensorRT-LLM engine args: {'tensor_parallel_size': 8}\n",
    "vllm": "INFO config: tensor_parallel_size=8, pipeline_parallel_size=1, data_parallel_size=1\nINFO Model loading took 1.0 GiB\n",
}
MARKS = {"sglang": "batch", "trtllm": "iter = ", "vllm": "throughput: "}


def write(path, engine, size, share):
    """Write a log of at least *size* bytes with figures in *share* of its lines; return its last time."""
    source, now, written = random.Random(7), BEGIN, 0
    with open(path, "w", encoding="utf-8") as stream:
        stream.write(STARTS[engine])
        while written < size:
            lines = []
            for number in range(20000):
                form = source.choice(FIGURES[engine] if number % 10 < 10 * share else NOISE)
                now += STEP_S
                lines.append(form.format(**values(source, now)))
            text = "\n".join(lines) + "\n"
            written += stream.write(text)
    os.utime(path, (now, now))
    return now


def values(source, now):
    """Return what fills a line."""
    time_ = time.gmtime(now)
    iso = time.strftime("%Y-%m-%d %H:%M:%S", time_)
    return {
        "iso": iso, "utc": iso.replace(" ", "T") + ".123456Z", "us": time.strftime("%m/%d/%Y-%H:%M:%S", time_),
        "short": iso[5:], "hex": f"{source.getrandbits(64):016x}", "n": source.randrange(1, 999),
        "f": f"{source.uniform(1, 2000):.2f}", "p": f"{source.uniform(0, 99):.1f}",
    }  # fmt: skip


def measured(engine, path, windows, known=None):
    """Return (CPU seconds, state) of one reading."""
    begun = time.process_time()
    state = worker_logs.read_log(engine, path, windows, known)
    return time.process_time() - begun, state


def grep_s(engine, path):
    """Return the CPU seconds of ``grep -c``."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {"LC_ALL": "C", "PATH": os.environ["PATH"]}
    # GNU grep does not read on when its output is /dev/null.
    subprocess.run(["grep", "-c", MARKS[engine], path], capture_output=True, check=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def peak_mb(engine, path):
    """Return by how much reading a log raises the peak memory of a new process, in MB."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from ansible_collections.srt.slurm.plugins.module_utils.results import worker_logs\n"
        "peak = lambda: int(open('/proc/self/status').read().split('VmHWM:')[1].split()[0]) / 1024\n"
        "before = peak(); worker_logs.read_log(sys.argv[2], sys.argv[3]); print(peak() - before)"
    )
    argv = [sys.executable, "-c", program, os.path.join(ROOT, "collections"), engine, path]
    return float(subprocess.run(argv, capture_output=True, text=True, check=True).stdout)


def one(engine, share, size, folder):
    """Measure one kind of log; return whether it reaches its goals."""
    path = os.path.join(folder, f"{engine}.log")
    end = write(path, engine, size, share)
    width = (end - BEGIN) / 10
    windows = [(BEGIN + number * width, BEGIN + (number + 0.9) * width) for number in range(10)]
    real = os.path.getsize(path) / 1e6
    spent, state = measured(engine, path, windows)
    json.dumps(state._asdict())
    figures = state.metrics(windows)
    assert not figures.lost_lines and not figures.unknown_lines and not figures.undated_lines, figures.record()
    assert all(totals.means for totals in figures.windows.values())
    speed, goal, ratio = real / spent, FAST if share < 1 else SLOW, spent / max(grep_s(engine, path), 1e-3)
    peak = peak_mb(engine, path)
    with open(path, "rb+") as stream:
        part = stream.read(int(size / 100))
        stream.seek(0, 2)
        stream.write(part[: part.rfind(b"\n") + 1])
    again, _state = measured(engine, path, windows, state)
    good = speed >= goal and peak <= MOST_MB and again <= AGAIN * spent + 0.005
    row = f"{engine:<8} {share:>5.0%} {real:>8.0f} {speed:>9.0f} {goal:>6.0f} {ratio:>8.1f} {peak:>8.1f}"
    print(f"{row} {again / spent:>8.1%}  {'ok' if good else 'MISSED'}")
    return good


def main():
    """Measure all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=64, help="of a log in MB")
    parser.add_argument("--engine", action="append", choices=sorted(FIGURES), help="only this one")
    options = parser.parse_args()
    print(f"{'engine':<8} {'lines':>5} {'MB':>8} {'MB/s CPU':>9} {'goal':>6} {'x grep':>8} {'peak MB':>8} {'again':>8}")
    good = True
    with tempfile.TemporaryDirectory() as folder:
        for engine in options.engine or sorted(FIGURES):
            for share in (0.1, 1.0):
                good = one(engine, share, options.size * 1e6, folder) and good
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
