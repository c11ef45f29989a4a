# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmark programs of others write into their result files."""

from __future__ import annotations

VLLM = {
    "date": "20261101-101112", "endpoint_type": "openai", "backend": "vllm", "label": None, "model_id": "m",
    "tokenizer_id": "m", "num_prompts": 20, "request_rate": "inf", "burstiness": 1.0, "max_concurrency": 4,
    "duration": 2.5, "completed": 20, "failed": 0, "total_input_tokens": 2000, "total_output_tokens": 500,
    "request_throughput": 8.0, "request_goodput": None, "output_throughput": 200.0, "total_token_throughput": 1000.0,
    "max_output_tokens_per_s": 220.0, "mean_ttft_ms": 12.0, "median_ttft_ms": 11.0, "std_ttft_ms": 1.0,
    "p99_ttft_ms": 20.0, "mean_tpot_ms": 5.0, "median_tpot_ms": 5.0, "std_tpot_ms": 0.1, "p99_tpot_ms": 6.0,
    "mean_itl_ms": 5.0, "median_itl_ms": 5.0, "std_itl_ms": 0.1, "p99_itl_ms": 6.0,
}  # fmt: skip
SA_BENCH = {
    **{key: VLLM[key] for key in VLLM if key not in ("failed", "max_output_tokens_per_s", "endpoint_type")},
    "peak_output_tokens_per_s": 220.0, "errors": ["", "HTTP 500", *[""] * 18], "completed": 19,
    "mean_e2el_ms": 140.0, "percentiles_e2el_ms": [[99, 150.0], [12.5, 3.0]],
}  # fmt: skip
SGLANG = {
    "backend": "sglang-oai", "dataset_name": "random", "request_rate": float("inf"), "max_concurrency": 8,
    "duration": 4.0, "completed": 32, "total_input_tokens": 3200, "total_output_tokens": 1600,
    "total_output_tokens_retokenized": 1590, "request_throughput": 8.0, "input_throughput": 800.0,
    "output_throughput": 400.0, "total_throughput": 1200.0, "mean_e2e_latency_ms": 900.0, "p99_e2e_latency_ms": 990.0,
    "mean_ttft_ms": 30.0, "mean_tpot_ms": 7.0, "mean_itl_ms": 7.0, "concurrency": 7.2, "accept_length": None,
}  # fmt: skip


def aiperf_metric(unit, **values):
    return {"unit": unit, "avg": 1.0, **values}


AIPERF = {
    "input_config": {"loadgen": {"concurrency": 16}, "endpoint": {"model_names": ["m"]}},
    "was_cancelled": False,
    "start_time": "2026-11-01T10:00:00", "end_time": "2026-11-01T10:00:10", "error_summary": [],
    "request_latency": aiperf_metric("ms", avg=500.0, p50=480.0, p99=700.0),
    "time_to_first_token": aiperf_metric("ms", avg=50.0, p50=45.0, p90=80.0, p95=90.0, p99=99.0, std=5.0),
    "inter_token_latency": aiperf_metric("sec", avg=0.01, p50=0.009),
    "output_token_throughput": aiperf_metric("tokens/sec", avg=640.0),
    "request_throughput": aiperf_metric("requests/sec", avg=10.0),
    "request_count": aiperf_metric("requests", avg=100.0),
    "error_request_count": aiperf_metric("requests", avg=2.0),
    "benchmark_duration": aiperf_metric("sec", avg=10.0),
    "output_sequence_length": aiperf_metric("tokens", avg=64.0),
    "input_sequence_length": aiperf_metric("tokens", avg=256.0),
}  # fmt: skip
LM_EVAL = {
    "results": {"gsm8k": {
        "alias": "gsm8k", "exact_match,flexible-extract": 0.9, "exact_match_stderr,flexible-extract": 0.01,
        "exact_match,strict-match": 0.85, "exact_match_stderr,strict-match": 0.02,
    }},
    "configs": {"gsm8k": {}}, "versions": {"gsm8k": 3}, "n-shot": {"gsm8k": 5},
    "n-samples": {"gsm8k": {"original": 1319, "effective": 200}},
}  # fmt: skip
