# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run directory with a plan and results, as a whole run leaves it."""

from __future__ import annotations

import json


def raw_result(concurrency=4, **other):
    """Return the content of a good result file."""
    count = concurrency * 10
    result = {
        "schema_version": 1, "max_concurrency": concurrency, "num_prompts": count, "completed": count, "failed": 0,
        "duration": 2.0, "request_rate": "inf", "request_throughput": count / 2.0, "request_goodput": None,
        "output_throughput": 8.0 * count, "total_token_throughput": 40.0 * count,
        "peak_output_tokens_per_s": 9.0 * count,
        "total_input_tokens": 64 * count, "total_output_tokens": 16 * count, "server_input_tokens": 64 * count,
        "min_input_token_difference": 0, "max_input_token_difference": 0, "short_outputs": 0, "usage_source": "server",
        "output_lens": [16] * count, "errors": [""] * count, "interrupted": False, "endpoint": "/v1/completions",
        "random_range_ratio": 1.0, "ignore_eos": True, "inexact_prompts": 0,
        "started_at": "2026-11-21T10:00:00.000Z", "ended_at": "2026-11-21T10:00:02.000Z",
    }  # fmt: skip
    for number, metric in enumerate(("ttft", "tpot", "itl", "e2el"), 1):
        for statistic in ("mean", "median", "std", "p90", "p95", "p99"):
            result[f"{statistic}_{metric}_ms"] = float(number * concurrency)
    return dict(result, **other)


def point(concurrency=4, digest="d"):
    stem = f"results/sa-bench_isl_64_osl_16/results_concurrency_{concurrency}_gpus_16"
    name = f"bench_c{concurrency}"
    argv = [
        "python3",
        "/run/programs/load_client",
        "--base-url",
        "http://h:8000",
        "--concurrency",
        str(concurrency),
        "--isl",
        "64",
    ]
    return {
        "name": name, "key": {"concurrency": concurrency}, "label": f"c={concurrency}",
        "digest": f"{digest}{concurrency}", "result": f"{stem}.json",
        "progress": f"{stem}.progress.json", "deadline_s": 60, "parameters": {"model": "tiny"},
        "expect": {"num_prompts": concurrency * 10, "isl": 64, "osl": 16},
        "step": {"name": name, "tier": "benchmark", "nodes": ["node0001"], "ntasks": 1, "argv": argv, "env": {},
                 "log": f"logs/%N_{name}.out", "critical": False, "digest": f"s{concurrency}", "stop_grace_s": 5},
    }  # fmt: skip


def make_plan(run_dir, concurrencies=(4, 16), backend="mocker", **backend_options):
    """Return the plan of a job with two prefill and one decode worker."""

    def worker(mode, index, node):
        return {"name": f"{mode}_{index}", "kind": "worker", "mode": mode, "index": index, "rank": 0,
                "tier": "worker", "nodes": [node], "ntasks": 1, "critical": True,
                "argv": ["python3", "-m", f"dynamo.{backend}", "--model-path", "/m/tiny", "--tp-size", "8"], "env": {},
                "log": f"logs/%N_{mode}_{index}.out", "digest": f"w{index}"}  # fmt: skip

    def endpoint(mode, index, node):
        return {"name": f"{mode}_{index}", "mode": mode, "index": index, "gpus": 8, "nodes": [node]}

    workers = [("prefill", 0, "node0001"), ("prefill", 1, "node0002"), ("decode", 0, "node0003")]
    nodes = [
        {"name": f"node000{number}", "address": f"10.0.0.{number}", "roles": [], "gpus": 8} for number in (1, 2, 3)
    ]
    return {
        "schema_version": 1, "job_id": "77", "run_dir": str(run_dir), "name": "job", "nodes": nodes,
        "spec": {
            "name": "job", "model": {"path": "/m/tiny", "precision": "fp8", "container": None},
            "resources": {"gpu_type": "h100", "gpus_per_node": 8},
            "backend": {"type": backend, "speedup_ratio": 100.0, "prefill_environment": {"A": "1", "HF_TOKEN": "hf_x"},
                        **backend_options},
            "frontend": {"type": "dynamo"}, "benchmark": {"type": "sa-bench", "isl": 64, "osl": 16},
            "environment": {"B": "2"},
        },
        "endpoints": [endpoint(*one) for one in workers], "processes": [], "steps": [worker(*one) for one in workers],
        "files": [], "checks": [], "digests": {"serving": "srv"}, "notes": ["a note"], "holder_node": "node0001",
        "parts": [], "groups": {}, "health_timeout_s": 5.0, "frontend_url": "http://node0001:8000",
        "benchmark": {"type": "sa-bench", "points": [point(concurrency) for concurrency in concurrencies]},
    }  # fmt: skip


def write_point(run_dir, made, raw, reasons=(), origin=None):
    """Write the result and the verdict of a point."""
    # Not above: pytest-ansible wants to be the first to import the collection.
    from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client.result import figures
    from ansible_collections.srt.slurm.plugins.module_utils.results import verdict as verdicts

    path = run_dir / made["result"]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(raw))
    verdict = verdicts.make_verdict(made, list(reasons), figures(raw), str(path), origin=origin)
    verdicts.write_verdict(str(path), verdict)
    return path
