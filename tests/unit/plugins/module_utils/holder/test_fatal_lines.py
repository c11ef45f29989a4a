# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which line of a log is the cause, in the words of engines and of what runs beside them."""

from __future__ import annotations

import json
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils import log_lines
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.frontends import FRONTENDS, nginx
from ansible_collections.srt.slurm.plugins.module_utils.holder import fatal_lines
from ansible_collections.srt.slurm.plugins.module_utils.holder.fatal_lines import CLEAR, HINT, OPEN, PLAIN, Patterns
from ansible_collections.srt.slurm.plugins.module_utils.log_lines import LogLines
from ansible_collections.srt.slurm.plugins.module_utils.services.nats_etcd import NatsEtcd

PROGRAMS = [one.log_lines for one in (*BACKENDS.values(), *FRONTENDS.values(), NatsEtcd())] + [nginx.LINES]
ALL = Patterns(json.loads(log_lines.to_text(PROGRAMS)))


def rank_of(line):
    return fatal_lines.rank_of(line, ALL)


def cause(lines, killed=False):
    return fatal_lines.cause(lines, killed, ALL)


VLLM = "(EngineCore_DP0 pid=271) ERROR 01-08 11:19:33 [core.py:866]"
SAMPLES = [
    # CUDA, NCCL, MPI
    ("NVRM: Xid (PCI:0000:3b:00): 79, GPU has fallen off the bus", PLAIN, "gpu"),
    ("RuntimeError: No CUDA GPUs are available", PLAIN, "gpu"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", PLAIN, "gpu_memory"),
    ("RuntimeError: CUDA error: out of memory", PLAIN, "gpu_memory"),
    ("RuntimeError: CUDA error: an illegal memory access was encountered", CLEAR, "crash"),
    (
        "torch.distributed.DistBackendError: NCCL error in: x.cpp:1 (run with NCCL_DEBUG=INFO for details)",
        CLEAR,
        "nccl",
    ),
    ("node001:7:9 [0] misc/strongstream.cc:53 NCCL WARN Cuda failure 'out of memory'", PLAIN, "gpu_memory"),
    ("node001:7:9 [0] os/linux.cc:200 NCCL WARN connect returned Connection refused", HINT, "nccl"),
    ("MPI_ABORT was invoked on rank 2 in communicator MPI_COMM_WORLD", HINT, "mpi"),
    ("[node001:00017] PMIX ERROR: UNREACHABLE in file ptl_tcp.c", CLEAR, "mpi"),
    # SGLang
    ("RuntimeError: Not enough memory. Please try to increase --mem-fraction-static.", PLAIN, "gpu_memory"),
    ("[2026-01-01 10:00:00] Received sigquit from a child process. It usually means the child failed.", HINT, "fatal"),
    ("ValueError: The memory capacity is unbalanced. Some GPUs may be occupied by other processes.", PLAIN, "gpu"),
    # vLLM
    (
        f"{VLLM} ValueError: Free memory on device (3.2/79.1 GiB) on startup is less than desired GPU memory",
        PLAIN,
        "gpu",
    ),
    (f"{VLLM} ValueError: No available memory for the cache blocks.", PLAIN, "gpu_memory"),
    (f"{VLLM} KeyError: 'layers.0'", OPEN, "fatal"),
    ("(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.", HINT, "fatal"),
    # TensorRT-LLM
    ("[TensorRT-LLM][ERROR] CUDA runtime error in cudaMalloc: out of memory", PLAIN, "gpu_memory"),
    ("[TensorRT-LLM][ERROR] Assertion failed: hidden size (x.cpp:19)", CLEAR, "crash"),
    ("[05/30/2024-08:54:43] [TRT-LLM] [E] Failed to parse the arguments", HINT, "fatal"),
    # dynamo, NATS, etcd, nginx
    ("Error: Failed to connect to etcd server with config ClientOptions", OPEN, "connection"),
    ("2026-01-01T10:00:00.0Z ERROR dynamo_runtime::worker: Application shutdown with error: lost", HINT, "fatal"),
    ("thread 'main' panicked at src/main.rs:1", CLEAR, "crash"),
    (
        '[7] 2026/01/01 10:00:00.1 [FTL] Error listening on port: 0.0.0.0:4222, "listen tcp: bind: in use"',
        PLAIN,
        "port",
    ),
    ("[7] 2026/01/01 10:00:00.1 [FTL] Can't start JetStream: no", OPEN, "fatal"),
    (
        '{"level":"fatal","msg":"discovery failed","error":"listen tcp 1.2.3.4:2379: bind: address already in use"}',
        PLAIN,
        "port",
    ),
    ("2026-01-01 10:00:00.1 C | etcdmain: listen tcp 127.0.0.1:2380: bind: address already in use", PLAIN, "port"),
    ("nginx: [emerg] bind() to 0.0.0.0:8000 failed (98: Address already in use)", PLAIN, "port"),
    ('2026/01/01 10:00:00 [emerg] 7#7: unknown directive "upstreams" in /x/nginx.conf:3', CLEAR, "usage"),
    ("2026/01/01 10:00:00 [error] 7#7: *1 connect() failed (111: Connection refused)", HINT, "connection"),
    # Python, shells, Slurm
    ("mocker: error: unrecognized arguments: --x", PLAIN, "usage"),
    ("FileNotFoundError: [Errno 2] No such file or directory: 'x'", CLEAR, "missing"),
    ("OSError: [Errno 98] Address already in use", PLAIN, "port"),
    ("OSError: [Errno 28] No space left on device", PLAIN, "disk"),
    ("bash: nats-server: command not found", CLEAR, "missing"),
    ("KeyError: 'model'", OPEN, "fatal"),
    ("ConnectionRefusedError: [Errno 111] Connection refused", HINT, "connection"),
    ("slurmstepd: error: Detected 1 oom_kill event in StepId=15.3.", PLAIN, "memory"),
    ("cat: x: No such file or directory", HINT, "missing"),
]
HARMLESS = [
    "all is well",
    "WARNING tuned.json: No such file or directory, using defaults",
    "WARNING 05-01 10:00:00 [x.py:1] FileNotFoundError: no tuned configuration",
    "2026-01-01 10:00:00,123 - INFO - x: 0 errors, CUDA out of memory never",
    "2026-01-01T10:00:00.0Z  WARN dynamo_runtime::etcd: Connection refused, again in 1 s",
    "\x1b[2m2026-01-01T10:00:00.0Z\x1b[0m \x1b[33m WARN\x1b[0m dynamo: Connection refused",
    '{"level":"warn","msg":"failed to find the file: No such file or directory"}',
    "2026-01-01 10:00:00.1 W | etcdmain: no data-dir: No such file or directory",
    "[7] 2026/01/01 10:00:00.1 [WRN] permission denied",
    "nginx: [alert] could not open error log file: open() failed (13: Permission denied)",
    "[05/30/2024-08:54:43] [TRT-LLM] [W] No such file or directory",
    "[TensorRT-LLM][WARNING] Address already in use",
    "[rank0]:[W501 12:00:00.1 ProcessGroupNCCL.cpp:1250] Warning: Connection reset by peer",
    "W0501 12:00:00.000000 7 x.cc:12] No such file or directory",
    "/usr/x.py:12: UserWarning: CUDA-capable device(s) is/are busy",
    "node001:7:9 [0] NCCL INFO NET/Plugin: No such file or directory",
    "srun: error: node001: task 0: Killed",
]


@pytest.mark.parametrize(("line", "rank", "kind"), SAMPLES)
def test_what_a_line_tells(line, rank, kind):
    assert rank_of(line) == (rank, kind)


@pytest.mark.parametrize("line", HARMLESS)
def test_lines_that_loggers_call_less_than_an_error_are_ignored(line):
    assert rank_of(line) is None
    assert cause([line, "bye"]) is None


def test_no_pattern_is_hidden_by_the_quick_look(monkeypatch):
    quick = [rank_of(line) for line, _rank, _kind in SAMPLES]
    monkeypatch.setattr(ALL, "words", ("",))
    assert quick == [rank_of(line) for line, _rank, _kind in SAMPLES]


OOM = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
FLAGS = "mocker: error: unrecognized arguments: --x"
WORK = ["INFO decoding"] * 30


@pytest.mark.parametrize(
    ("lines", "text", "kind"),
    [
        (["NCCL WARN No device found", FLAGS], FLAGS, "usage"),
        (["Connection refused", "waiting", OOM], OOM, "gpu_memory"),
        ([OOM, "RuntimeError: NCCL error: remote process exited", "Connection reset by peer"], OOM, "gpu_memory"),
        # The part that failed is named, not the one that says that another one did.
        (
            [
                f"{VLLM} {OOM}",
                "(APIServer pid=1) RuntimeError: Engine core initialization failed. See root cause above.",
            ],
            OOM,
            "gpu_memory",
        ),
        (
            ["KeyError: 'a'", "RuntimeError: Engine core initialization failed. See root cause above."],
            "KeyError: 'a'",
            "fatal",
        ),
        # Of an exception that led to another the last counts, unless the first says more.
        (
            [
                "KeyError: 'a'",
                "During handling of the above exception, another exception occurred:",
                "Traceback (most recent call last):",
                '  File "x"',
                "ValueError: b",
            ],
            "ValueError: b",
            "fatal",
        ),
        (
            [
                "OSError: [Errno 28] No space left on device",
                "The above exception was the direct cause of the following exception:",
                "RuntimeError: not saved",
            ],
            "OSError: [Errno 28] No space left on device",
            "disk",
        ),
        # What was got over is no cause, while memory and hardware that were lost stay lost.
        (
            ["ModuleNotFoundError: No module named 'flash_attn'", *WORK, "RuntimeError: shapes"],
            "RuntimeError: shapes",
            "fatal",
        ),
        ([OOM, *WORK, "RuntimeError: NCCL error: remote process exited"], OOM, "gpu_memory"),
        # Of hints the last one counts.
        (["x: Permission denied", "y: No such file or directory"], "y: No such file or directory", "missing"),
        (
            ["Traceback (most recent call last):", '  File "x"', "    f()", "KeyError: 'model'", "bye"],
            "KeyError: 'model'",
            "fatal",
        ),
        (
            ["[rank3]: Traceback (most recent call last):", "[rank3]:   File", "[rank3]: ValueError: no"],
            "ValueError: no",
            "fatal",
        ),
    ],
)
def test_the_cause_among_many_lines(lines, text, kind):
    found = cause(lines)
    assert (found.text, found.kind) == (text, kind)


def test_after_a_signal_from_outside_only_a_fault_right_before_it_counts():
    assert cause([OOM, *["INFO decoding"] * 6], killed=True) is None
    assert cause(["Connection refused"], killed=True) is None
    assert cause([OOM, "Received sigquit from a child process."], killed=True).text == OOM


def test_a_very_long_log_is_looked_at_quickly():
    line = "[2026-01-01 10:00:00 TP0] Decode batch. #running-req: 4, cuda graph: True, gen throughput (token/s): 123.4"
    began = time.process_time()
    assert cause([line] * 10000) is None
    assert time.process_time() - began < 2.0


SERVICE_LINE = '[7] 2026/01/01 10:00:00.1 [FTL] Error listening on port: 0.0.0.0:4222, "listen tcp: bind: in use"'


def test_the_patterns_of_a_service_come_from_its_run_directory(tmp_path):
    (tmp_path / fatal_lines.FILE).parent.mkdir()
    (tmp_path / fatal_lines.FILE).write_text(log_lines.to_text([NatsEtcd.log_lines]))
    assert fatal_lines.rank_of(SERVICE_LINE, fatal_lines.load(str(tmp_path))) == (PLAIN, "port")


@pytest.mark.parametrize(
    "text", [None, "", "[]", log_lines.to_text([LogLines(fatal=((log_lines.PLAIN, "port", "("),))]), "{}"]
)
def test_without_them_the_general_patterns_work(tmp_path, text):
    if text is not None:
        (tmp_path / fatal_lines.FILE).parent.mkdir()
        (tmp_path / fatal_lines.FILE).write_text(text)
    patterns = fatal_lines.load(str(tmp_path))
    assert fatal_lines.rank_of(SERVICE_LINE, patterns) == (OPEN, "fatal")
    assert fatal_lines.rank_of(OOM, patterns) == (PLAIN, "gpu_memory")


def test_every_pattern_of_a_program_has_a_rank_and_a_kind_that_the_holder_knows():
    kinds = {kind for _rank, kind, _text in fatal_lines.PATTERNS}
    rows = [row for one in PROGRAMS for row in one.fatal]
    assert rows and all(rank in fatal_lines.RANKS and kind in kinds for rank, kind, _text in rows)
