# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
# ruff: noqa: E501  lines of logs are as long as they are
"""Worker logs of all engines and their dialects: lines that real versions printed."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.backends import sglang_log, trtllm_log, vllm_log
from ansible_collections.srt.slurm.plugins.module_utils.backends.log_reader import LineReader
from ansible_collections.srt.slurm.plugins.module_utils.backends.worker_figures import Metrics, summarise
from ansible_collections.srt.slurm.plugins.module_utils.results import worker_logs


def read(figures, *lines):
    metrics = Metrics()
    LineReader(figures, metrics).read("".join(f"{line}\n" for line in lines).encode())
    return metrics.record()


PREFILL = [
    # 2026-01, dp attention
    "[2026-01-16 06:20:17 DP0 TP0 EP0] Prefill batch, #new-seq: 18, #new-token: 16384, #cached-token: 0, full token usage: 0.00, "
    "#running-req: 0, #queue-req: 3, #prealloc-req: 0, #inflight-req: 2, input throughput (token/s): 1200.50,",
    # 0.5.23, disaggregated
    "[2026-05-28 17:13:10 TP0] Prefill batch, #new-seq: 1, #new-token: 512, #cached-token: 512, token usage: 0.10, #running-req: 4, "
    "#queue-req: 0, #pending-token: 0, #bootstrap-req: 0, #inflight-req: 5, #optimistic-req: 0, cuda graph: False, "
    "input throughput (token/s): 800.25",
    # throughput before the graph, iteration number, wrapped by dynamo's tracing and srun's label
    "0: 2026-04-27T23:03:15.250907Z  INFO worker: Prefill batch [123], #new-seq: 1, #new-token: 100, #cached-token: 20, "
    "token usage: 0.01, #running-req: 1, #queue-req: 0, input throughput (token/s): 0.00, cuda graph: True",
]
DECODE = [
    # early 2025: a period, no graph
    "[2025-02-01 10:00:00 TP0] Decode batch. #running-req: 8, #token: 1234, token usage: 0.02, gen throughput (token/s): 100.00, "
    "#queue-req: 1",
    # 2026, disaggregated
    "[2026-04-15 17:13:10][scheduler_metrics_mixin.py:424][INFO]: Decode batch, #running-req: 7, #full token: 7040, full token "
    "usage: 0.00, pre-allocated usage: 0.00, #prealloc-req: 0, #transfer-req: 4, #retracted-req: 0, cuda graph: True, gen throughput "
    "(token/s): 300.00, #queue-req: 0, ",
    # speculative decoding, idle
    "(SGLangEngine pid=35555, ip=10.0.0.1) [2026-06-01 00:00:00] Decode batch, #running-req: 3, #token: 1, token usage: 0.00, accept "
    "len: 2.10, accept rate: 0.70, cuda graph: True, gen throughput (token/s): 0.00, #queue-req: 0",
]


def test_sglang_prefill_lines_of_several_versions():
    record = read(sglang_log.FIGURES, *PREFILL)
    assert (record["total_batches"], record["total_prefill_batches"], record["total_decode_batches"]) == (3, 3, 0)
    assert (record["total_new_tokens"], record["total_cached_tokens"]) == (16996, 532)
    assert record["cache_hit_rate"] == pytest.approx(100 * 532 / 17528, abs=1e-3)
    assert (record["avg_input_throughput"], record["max_input_throughput"]) == (
        1000.375,
        1200.5,
    )  # the idle one is no sample
    assert (record["max_queue_requests"], record["max_inflight_requests"], record["max_running_requests"]) == (3, 5, 4)
    assert record["max_transfer_requests"] is None


def test_sglang_decode_lines_of_several_versions():
    record = read(sglang_log.FIGURES, *DECODE)
    assert (record["total_decode_batches"], record["avg_gen_throughput"], record["max_gen_throughput"]) == (
        3,
        200.0,
        300.0,
    )
    assert (record["avg_running_requests"], record["max_running_requests"]) == (6.0, 8)
    assert (record["max_queue_requests"], record["max_transfer_requests"]) == (1, 4)
    assert record["cache_hit_rate"] is None


def test_sglang_memory_and_sizes():
    record = read(
        sglang_log.FIGURES,
        "[2026-01-16 06:18:00 TP0] server_args=ServerArgs(model_path='/m', tp_size=8, pp_size=1, dp_size=4, moe_dense_tp_size=1, "
        "ep_size=8, port=30000)",
        "[2026-01-16 06:18:10 TP0] Load weight end. type=X, dtype=torch.bfloat16, avail mem=75.11 GB, mem usage=107.07 GB.",
        "[2026-01-16 06:18:10 TP1] Load weight end. type=X, dtype=torch.bfloat16, avail mem=70.00 GB, mem usage=110.00 GB.",
        "[2026-01-16 06:18:20 TP0] KV Cache is allocated. #tokens: 524288, KV size: 17.16 GB",
        "[2026-01-16 06:18:21 TP0] KV Cache is allocated. #tokens: 524288, K size: 10.00 GB, V size: 10.50 GB",
    )
    assert (record["tp_size"], record["pp_size"], record["dp_size"], record["ep_size"]) == (8, 1, 4, 8)
    assert (record["avail_mem_gb"], record["mem_usage_gb"]) == (75.11, 107.07)
    assert (record["kv_cache_gb"], record["kv_tokens"]) == (20.5, 524288)


def test_sglang_sizes_from_a_command_line():
    record = read(sglang_log.FIGURES, "python3 -m dynamo.sglang --tp-size 4 --data-parallel-size=2 --ep 4")
    assert (record["tp_size"], record["dp_size"], record["ep_size"], record["pp_size"]) == (4, 2, 4, None)


ITERATIONS = [
    # (a) 2025-04
    "[04/28/2025-09:56:44] [TRT-LLM] [I] iter = 198, global_rank = 0, rank = 0, currank_total_requests = 0/0, elapsed_time = 0.005s, "
    "timestamp = 2025-04-28 09:56:44, states = {'num_ctx_requests': 0, 'num_ctx_tokens': 0, 'num_generation_tokens': 16}",
    # (c) host time, scheduled with a colon
    "[01/16/2026-06:20:17] [TRT-LLM] [RANK 0] [I] iter = 5559, host_step_time = 62.5ms, num_scheduled_requests: 5, "
    "states = {'num_ctx_requests': 5, 'num_ctx_tokens': 40960, 'num_generation_tokens': 0}",
    # (d) and (e) 2026, scheduled with an equals sign, cached tokens, unscheduled requests
    "0: [TRT-LLM] [I] [_torch][RANK 0] iter = 2, global_rank = 0, rank = 0, num_scheduled_requests = 7, kv_cache_util = 0.000, "
    "currank_total_requests = 0/1, host_step_time = 4.00ms, prev_device_step_time = N/A, timestamp = 2026-08-19 14:11:49, states = "
    "{'num_ctx_requests': 1, 'num_ctx_tokens': 40, 'num_generation_tokens': 8, 'cached_kv_tokens': 10}, num_active = 14, "
    "num_fetched = 3, num_dummy = 1, num_unscheduled = 5",
]


def test_trtllm_iterations_of_all_dialects():
    record = read(trtllm_log.FIGURES, *ITERATIONS)
    assert record["total_batches"] == 3
    assert (record["total_prefill_batches"], record["total_decode_batches"]) == (2, 2)  # the mixed one is both
    assert (record["total_new_tokens"], record["total_cached_tokens"]) == (41000, 10)
    assert record["max_input_throughput"] == pytest.approx(40960 * 1000 / 62.5)
    assert record["max_gen_throughput"] == pytest.approx(16 / 0.005)
    assert (record["max_running_requests"], record["max_queue_requests"]) == (7, 5)


@pytest.mark.parametrize(
    "line",
    [
        "iter = 2, global_rank = 1, rank = 1, host_step_time = 4ms, states = {'num_ctx_tokens': 4, 'num_generation_tokens': 0}",
        "[TRT-LLM] [RANK 3] [I] iter = 2, host_step_time = 4ms, states = {'num_ctx_tokens': 4, 'num_generation_tokens': 0}",
        "iter = 2, global_rank = 0, host_step_time = 4ms, states = {'num_ctx_tokens': 0, 'num_generation_tokens': 0}",
        "iter = 2, global_rank = 0, host_step_time = 4ms, states = {'num_ctx_tok",
        "iter = 2, states = {broken}",
    ],
)
def test_trtllm_lines_that_do_not_count(line):
    assert read(trtllm_log.FIGURES, line)["total_batches"] == 0


def test_trtllm_memory_and_sizes():
    record = read(
        trtllm_log.FIGURES,
        "Config(max_batch_size=2048, tensor_parallel_size=1, pipeline_parallel_size=1, moe_expert_parallel_size=1)",
        "TensorRT-LLM engine args: {'tensor_parallel_size': 8, 'pipeline_parallel_size': 2, 'moe_tensor_parallel_size': 3, "
        "'moe_expert_parallel_size': 4, 'max_batch_size': 256}",
        "tllm_mpi_size: 16",
        "Peak memory during memory usage profiling (torch + non-torch): 91.46 GiB, available KV cache memory when calculating max "
        "tokens: 41.11 GiB, fraction is set 0.85, kv size is 35136. device total memory 139.81 GiB",
        "[MemUsageChange] Allocated 41.19 GiB for max tokens in paged KV cache (524288).",
    )
    assert (record["tp_size"], record["pp_size"], record["ep_size"]) == (8, 2, 4)
    assert (record["mem_usage_gb"], record["avail_mem_gb"]) == (91.46, 48.35)
    assert (record["kv_cache_gb"], record["kv_tokens"]) == (41.19, 524288)


def test_vllm_lines_of_several_versions():
    record = read(
        vllm_log.FIGURES,
        "(APIServer pid=13294) INFO 11-21 21:27:05 [loggers.py:335] Engine 000: Avg prompt throughput: 369.7 tokens/s, Avg generation "
        "throughput: 568.7 tokens/s, Running: 5 reqs, Waiting: 2 reqs, GPU KV cache usage: 0.1%, Prefix cache hit rate: 92.5%, "
        "External prefix cache hit rate: 1.0%",
        "INFO 03-01 10:00:00 [metrics.py:486] Avg prompt throughput: 13.2 tokens/s, Avg generation throughput: 13.0 tokens/s, Running: "
        "1 reqs, Swapped: 0 reqs, Pending: 7 reqs, GPU KV cache usage: 0.1%, CPU KV cache usage: 0.0%.",
        "INFO 11-21 Available KV cache memory: 41.11 GiB",
        "INFO 11-21 GPU KV cache size: 524,288 tokens",
        "INFO 11-21 Model loading took 12.30 GiB and 4 seconds",
        "INFO Initializing a V1 LLM engine with config: model='/m', tensor_parallel_size=8, pipeline_parallel_size=1, "
        "data_parallel_size=2,",
    )
    assert (record["max_input_throughput"], record["max_gen_throughput"]) == (369.7, 568.7)
    assert (record["max_running_requests"], record["max_queue_requests"]) == (5, 7)
    assert record["cache_hit_rate"] == 92.5
    assert (record["kv_cache_gb"], record["kv_tokens"], record["mem_usage_gb"]) == (41.11, 524288, 12.3)
    assert (record["tp_size"], record["pp_size"], record["dp_size"]) == (8, 1, 2)
    assert record["total_batches"] == 0


def test_colours_are_taken_off(tmp_path):
    log = tmp_path / "node_prefill_0.out"
    log.write_text(
        "\x1b[2m2026-04-27T23:03:15Z\x1b[0m \x1b[32mPrefill batch\x1b[0m, #new-token: 5, #cached-token: 1,\n"
    )
    assert worker_logs.parse_log("sglang", str(log))["total_new_tokens"] == 5


def test_bytes_that_are_not_text_do_not_hurt(tmp_path):
    log = tmp_path / "x.out"
    log.write_bytes(b"\xff\xfe\nDecode batch, #running-req: 2, gen throughput (token/s): 5.0, \xff\n")
    assert worker_logs.parse_log("sglang", str(log))["max_gen_throughput"] == 5.0


def test_no_parser_and_no_log_are_none(tmp_path):
    assert worker_logs.parse_log("mocker", str(tmp_path / "x")) is None
    assert worker_logs.parse_log("sglang", str(tmp_path / "x")) is None


def test_summary_over_workers():
    def worker(worker_type, lines):
        return dict(read(sglang_log.FIGURES, *lines), worker_type=worker_type, node_name="n", worker_id=0)

    idle = worker("prefill", [])
    summary = summarise([worker("prefill", PREFILL), idle, worker("decode", DECODE), worker("decode", DECODE[:1])])
    assert (summary["total_prefill_nodes"], summary["total_decode_nodes"], summary["total_agg_nodes"]) == (2, 2, 0)
    assert (summary["total_prefill_tokens"], summary["total_cached_tokens"]) == (16996, 532)
    assert summary["avg_prefill_input_throughput"] == pytest.approx(1000.375)  # the idle worker is no sample
    assert (summary["avg_decode_gen_throughput"], summary["max_decode_gen_throughput"]) == (150.0, 300.0)
    assert summary["total_kv_cache_gb"] is None


def test_summary_of_nothing():
    summary = summarise([])
    assert summary["nodes"] == []
    assert summary["overall_cache_hit_rate"] is None
    assert summary["total_prefill_nodes"] == 0
