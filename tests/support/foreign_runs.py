# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run directories as srtctl left them, one of each age."""

from __future__ import annotations

import json

from result_files import SA_BENCH

RESOURCES = {
    "gpu_type": "h100", "gpus_per_node": 8, "prefill_nodes": 1, "prefill_workers": 1, "decode_nodes": 2,
    "decode_workers": 2, "agg_nodes": None, "agg_workers": 0, "gpus_per_prefill": 8, "gpus_per_decode": 8,
}  # fmt: skip
RECIPE = """\
name: a-job
model: {path: /models/tiny, container: /images/sglang.sqsh, precision: fp8}
resources: {gpu_type: h100, gpus_per_node: 8, prefill_nodes: 1, prefill_workers: 1, decode_nodes: 2, decode_workers: 2}
environment: {HF_TOKEN: hf_secret, A: "1"}
backend:
  type: sglang
  prefill_environment: {B: "2"}
  sglang_config:
    prefill: {tp-size: 8, api-key: abc}
    decode: {tp-size: 8}
benchmark: {type: sa-bench, isl: 1024, osl: 128, concurrencies: "4x16"}
"""
PREFILL = "Prefill batch, #new-seq: 1, #new-token: 100, #cached-token: 100, input throughput (token/s): 500.0\n"
DECODE = "Decode batch, #running-req: 7, gen throughput (token/s): 50.5, #queue-req: 0\n"


def result(level, **changed):
    """Return a result of sa-bench in its newest form."""
    count = 10 * level
    made = {
        **{key: value for key, value in SA_BENCH.items() if not key.startswith("percentiles")},
        "model_id": "tiny", "max_concurrency": level, "num_prompts": count, "completed": count,
        "errors": [""] * count, "duration": 5.0, "total_input_tokens": 1000 * count, "total_output_tokens": 100 * count,
        "request_throughput": count / 5, "output_throughput": 20.0 * count, "total_token_throughput": 220.0 * count,
        "p99_e2el_ms": 150.0,
    }  # fmt: skip
    return {**made, **changed}


def old(made):
    """Return the result *made* with the keys of the first sa-bench."""
    names = {"total_input_tokens": "total_input", "total_output_tokens": "total_output"}
    kept = {
        names.get(key, key): value
        for key, value in made.items()
        if not key.startswith("p99_") and key not in ("peak_output_tokens_per_s", "reuse_http_connections")
    }
    for name in ("ttft", "tpot", "itl", "e2el"):
        kept[f"percentiles_{name}_ms"] = [[99, made[f"p99_{name}_ms"]]]
    return kept


def write(path, content):
    """Write text, or JSON, at *path*."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def metadata(job_id="4711", **changed):
    """Return ``<job id>.json`` of 2026."""
    made = {
        "version": "2.0", "orchestrator": True, "job_id": job_id, "job_name": "a-job",
        "generated_at": "2026-08-01 10:00:00",
        "model": {"path": "/models/tiny", "container": "/images/sglang.sqsh", "precision": "fp8"},
        "resources": RESOURCES, "backend_type": "sglang", "frontend_type": "dynamo",
        "benchmark": {"type": "sa-bench", "isl": 1024, "osl": 128}, "tags": ["nightly"],
    }  # fmt: skip
    return {**made, **changed}


def name_of(level, gpus="gpus_24_ctx_8_gen_16"):
    return f"sa-bench_isl_1024_osl_128/results_concurrency_{level}_{gpus}.json"


def of_2026(folder, levels=(4, 16), job_id="4711"):
    """Make a run directory of August 2026 in *folder*, and return it."""
    run = folder / job_id
    write(run / f"{job_id}.json", metadata(job_id))
    write(run / "logs" / f"{job_id}.json", metadata(job_id))
    write(run / "config.yaml", RECIPE)
    write(run / "logs" / "config.yaml", RECIPE)
    write(run / "recipe.lock.yaml", f"{RECIPE}lock: {{version: 2, slurm: {{job_id: '{job_id}'}}}}\n")
    write(run / "logs" / f"sweep_{job_id}.log", "done\n")
    write(run / "logs" / "resource_snapshot.json", {"version": 1, "slurm_environment": {"SLURM_JOB_ID": job_id}})
    write(run / "logs" / "benchmark-rollup.json", {"benchmark_type": "sa-bench", "timestamp": "T", "config": {}})
    prints = {"hostname": "n1", "frameworks": {"sglang": "0.5.23", "vllm": None}, "cuda_version": "12.9", "gpu": "H100"}
    write(run / "logs" / "fingerprint_prefill_w0.json", prints)
    write(run / "logs" / "n1_prefill_w0.out", f"[CMD] python3 -m dynamo.sglang --tp-size 8 --api-key abc\n{PREFILL}")
    write(run / "logs" / "n2_decode_w0.out", DECODE)
    write(run / "logs" / "n3_decode_w1.out", DECODE)
    for level in levels:
        times = {"benchmark_start_time_unix": 1785578400.0 + level, "benchmark_end_time_unix": 1785578405.0 + level}
        write(run / "logs" / name_of(level), result(level, **times))
    return run


def of_early_2026(folder):
    """Make a run directory without a lock and without fingerprints, with worker logs in two files each."""
    run = of_2026(folder)
    for name in ("recipe.lock.yaml", "logs/resource_snapshot.json", "logs/fingerprint_prefill_w0.json"):
        (run / name).unlink()
    for name in ("n2_decode_w0", "n3_decode_w1"):
        (run / "logs" / f"{name}.out").rename(run / "logs" / f"{name}.err")
        write(run / "logs" / f"{name}.out", "started\n")
    write(
        run / "logs" / "rollup.json", {"job_id": "4711", "results": [], "nodes_summary": {}, "environment_config": {}}
    )
    return run


def of_2025(folder):
    """Make a run directory of the first form: all in one folder, old names and old keys."""
    run = folder / "3667_1P_2D_20251110_192145"
    about = {
        key: value for key, value in RESOURCES.items() if not key.startswith("gpus_per_") or key == "gpus_per_node"
    }
    write(run / "3667.json", {
        "run_metadata": {
            **about, "slurm_job_id": "3667", "run_date": "20251110_192145", "container": "/images/old.sqsh",
            "job_name": "an-old-job", "model_dir": "/models/tiny/", "mode": "disaggregated", "partition": "p",
        },
        "profiler_metadata": {"type": "vllm", "isl": "1024", "osl": "128", "concurrencies": "4x16", "req-rate": "inf"},
    })  # fmt: skip
    write(run / "watch_n1_prefill_w0.err", PREFILL)
    write(run / "watch_n1_prefill_w0.out", "")
    write(run / "n2_decode_w0.err", DECODE)
    for level in (4, 16):
        stem = f"vllm_isl_1024_osl_128/results_concurrency_{level}_gpus_24_ctx_8_gen_16.json"
        write(run / stem, old(result(level)))
    return run
