# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""vLLM itself, on CPUs, with random weights: what the stand-in workers of other tests only claim."""

from __future__ import annotations

import gzip
import json

import exams
import pytest

pytestmark = pytest.mark.engines

# Slow enough for two processors: a load client that has to wait for them says so, and its figures do not count.
LOAD = {
    "type": "sa-bench",
    "isl": 64,
    "osl": 16,
    "random_range_ratio": 1,
    "concurrencies": [4],
    "req_rate": 5,
    "num_prompts_mult": 16,
    "num_warmup_mult": 1,
}
# A line with figures each second, also in a short load.
ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_LOG_STATS_INTERVAL": "1",
    "VLLM_NO_USAGE_STATS": "1",
}
OPTIONS = {"max-model-len": 2048, "max-num-seqs": 64, "dtype": "float32", "enforce-eager": True}


def job_file(cluster, engine, name, **changes):
    """Return the path of a job with one worker."""
    return cluster.job_file(
        name,
        model={"path": str(engine / "model"), "precision": "fp32"},
        python=str(engine / "venv" / "bin" / "python"),
        resources={"gpu_type": "cpu", "gpus_per_node": 1, "agg_nodes": 1, "agg_workers": 1},
        backend={"type": "vllm", "vllm_config": {"aggregated": OPTIONS}},
        frontend={"type": "vllm"},
        environment=ENVIRONMENT,
        **{"benchmark": LOAD, **changes},
    )


def run(cluster, engine, name, **changes):
    """Run a job with one worker to its end; return the rollup."""
    job = job_file(cluster, engine, name, **changes)
    played = cluster.playbook(job)
    assert played.rc == 0, played.text[-6000:]
    assert cluster.jobs(name) == []
    return json.loads((cluster.latest / "rollup.json").read_text())


def test_a_load_is_valid_and_the_worker_has_figures(cluster, engine):
    rollup = run(cluster, engine, "vllm_cpu")
    (point,) = rollup["results"]
    assert rollup["valid"] and (point["completed"], point["failed"]) == (64, 0)
    assert point["total_output_tokens"] == 64 * 16 and point["mean_ttft_ms"] > 0 and point["mean_tpot_ms"] > 0
    (node,) = rollup["nodes_summary"]["nodes"]
    assert node["worker_type"] == "agg" and node["avg_gen_throughput"] > 0, node


@pytest.fixture
def exam(cluster, engine, lm_eval):
    """``exam(**benchmark)`` asks the toy questions of gsm8k on one service; returns (played, the point)."""
    site = cluster.folder / "exams.yaml"
    site.write_text(json.dumps({"harness_dir": str(lm_eval), "use_segment_sbatch_directive": False}))
    with_site = ("-e", f"cluster_file={site}")
    data = exams.write(cluster.folder / "sums.jsonl", exams.SUMS)

    def take(**benchmark):
        benchmark = {"type": "gsm8k", "data": data, "num_shots": 0, "max_tokens": 16, "num_threads": 2, **benchmark}
        job = job_file(cluster, engine, "vllm_exam", benchmark=benchmark)
        played = cluster.playbook(job, *with_site, "-e", "keep=true")
        (point,) = json.loads((cluster.latest / "rollup.json").read_text())["results"]
        return played, point

    yield take
    cluster.end(cluster.folder / "vllm_exam.yaml", *with_site)


def test_a_model_that_knows_nothing_has_a_low_score_which_is_no_fault(exam):
    played, point = exam()
    assert (played.rc, point["state"]) == (0, "valid"), played.text[-6000:]
    assert (point["samples"], point["completed"], point["failed"], point["harness"]) == (4, 4, 0, "lm-eval 0.4.13")
    assert 0 <= point["score"] < 0.5
    # The same with a score that it cannot reach: the score is the only reason.
    played, point = exam(min_score=0.5)
    assert (played.rc, point["state"]) == (2, "invalid") and point["samples"] == 4, played.text[-6000:]
    assert point["invalid_reasons"] == [f"its score is {point['score']:.4f}, and 0.5 is needed (min_score)"]
    # Requests that the engine refuses are a fault, and no score.
    played, point = exam(max_tokens=100_000)
    assert (played.rc, point["state"], point["score"]) == (2, "invalid", None), played.text[-6000:]
    assert "harness exited with code 1" in point["invalid_reasons"][0] and "400" in played.text


def test_a_profiled_load_passes_with_a_trace_of_the_worker(cluster, engine):
    rollup = run(
        cluster, engine, "vllm_profiled", profiling={"type": "torch", "aggregated": {"start_step": 5, "stop_step": 15}}
    )
    (point,) = rollup["results"]
    assert (rollup["valid"], rollup["passed"], point["profiled"]) == (False, True, "torch")
    (trace,) = [one["path"] for one in point["profiles"]]
    assert trace.startswith("logs/profiles/agg/agg_0/")
    with gzip.open(cluster.latest / trace, "rt") as stream:
        events = json.load(stream)["traceEvents"]
    assert any("attention" in str(event.get("name")) for event in events)
