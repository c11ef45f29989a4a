# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Recipes in the shapes that srtctl users have, unchanged, with their cluster file: they plan, with few notes."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec

CLUSTER = """\
default_account: "restricted"
default_partition: "batch"
default_time_limit: "4:00:00"
gpus_per_node: 4
network_interface: "enP6p9s0np0"
use_gpus_per_node_directive: true
use_segment_sbatch_directive: true
srtctl_root: "/path/to/srtctl"
model_paths: {deepseek-r1: "/models/DeepSeek-R1", llama-70b: "/models/Llama-3-70B"}
containers: {latest: "/containers/sglang-latest.sqsh", stable: "/containers/sglang-stable.sqsh"}
cloud: {endpoint_url: "https://s3.example.com", bucket: "results", prefix: "my-team/"}
"""

OLDER_CLUSTER = """\
cluster:
  account: "your-account"
  partition: "batch"
  network_interface: "eth0"
  gpus_per_node: 4
  default_time_limit: "4:00:00"
  default_container: "/path/to/container.sqsh"
model_paths: {deepseek-r1: "/models/deepseek-r1"}
containers: {latest: "/containers/sglang-latest.sqsh"}
srtctl_root: "/path/to/srtctl"
"""

HEAD = """\
name: "my-benchmark"
model: {path: "deepseek-r1", container: "latest", precision: "fp8"}
resources:
  gpu_type: "gb200"
  prefill_nodes: 1
  decode_nodes: 2
  prefill_workers: 1
  decode_workers: 1
  gpus_per_node: 4
"""
LOAD = 'benchmark: {type: "sa-bench", isl: 1024, osl: 1024, concurrencies: [256, 512], req_rate: "inf"}\n'

RECIPES = {
    "installation page": HEAD
    + LOAD
    + """\
extra_mount:
  - "/local-dir1:/container-dir1"
slurm: {time_limit: "02:00:00"}
backend:
  prefill_environment: {TORCH_DISTRIBUTED_DEFAULT_TIMEOUT: "1800"}
  sglang_config:
    prefill: {kv-cache-dtype: "fp8_e4m3", mem-fraction-static: 0.84, tensor-parallel-size: 4}
    decode: {tensor-parallel-size: 8, expert-parallel-size: 8, data-parallel-size: 8, enable-dp-attention: true}
""",
    "first page, underscores": HEAD
    + LOAD
    + """\
slurm: {account: "your-account", partition: "batch", time_limit: "4:00:00"}
backend:
  sglang_config:
    prefill: {kv_cache_dtype: "fp8_e4m3", mem_fraction_static: 0.84}
    decode: {kv_cache_dtype: "fp8_e4m3", mem_fraction_static: 0.82}
""",
    "older frontends": HEAD
    + LOAD
    + "backend: {enable_multiple_frontends: true, num_additional_frontends: 9, use_sglang_router: false}\n",
    "older router": HEAD + LOAD + "backend: {enable_multiple_frontends: false, use_sglang_router: true}\n",
    "older profile": HEAD
    + 'profiling: {type: "torch", isl: 1024, osl: 128, concurrency: 24, start_step: 0, stop_step: 50}\n'
    + 'benchmark: {type: "manual"}\n',
    "profile and measure": HEAD
    + LOAD
    + "profiling: {type: nsys, prefill: {start_step: 1, stop_step: 9}, decode: {start_step: 1, stop_step: 9}}\n",
    "flags that the plan sets": HEAD
    + """\
backend:
  sglang_config:
    prefill: {disaggregation-mode: prefill, disaggregation-bootstrap-port: 30001, served-model-name: "org/R1"}
    decode: {disaggregation-mode: decode, served-model-name: "org/R1", numa-node: [0, 0, 1, 1]}
benchmark: {type: "sa-bench", isl: 1024, osl: 1024, concurrencies: "4x8x32", req_rate: "inf"}
""",
    "trtllm": """\
name: ctx2_gen1
model: {path: "llama-70b", container: "stable", precision: "fp4"}
resources: {gpu_type: gb200, gpus_per_node: 4, prefill_nodes: 4, prefill_workers: 2, gpus_per_prefill: 8,
            decode_nodes: 4, decode_workers: 1, gpus_per_decode: 16}
backend:
  type: trtllm
  trtllm_config:
    prefill: {tensor_parallel_size: 8, moe_expert_parallel_size: 8, cuda_graph_config: {max_batch_size: 32}}
    decode: {tensor_parallel_size: 16, moe_expert_parallel_size: 16, kv_cache_config: {dtype: fp8}}
benchmark: {type: "trace-replay", trace_file: "traces/t.jsonl", concurrencies: [1], ttft_threshold_ms: 20000}
frontend: {type: dynamo, enable_multiple_frontends: false, args: {router-mode: "kv", enforce-disagg: true}}
health_check: {max_attempts: 500, interval_seconds: 10}
dynamo: {install: false}
""",
    "zip overrides": """\
base:
  name: "b200"
  dynamo: {version: "0.9.1"}
  model: {path: "deepseek-r1", container: "latest", precision: "fp8"}
  resources: {gpu_type: b200, prefill_nodes: 1, prefill_workers: 1, decode_nodes: 1, decode_workers: 1,
              gpus_per_node: 8}
  benchmark: {type: "sa-bench", isl: 8192, osl: 1024, req_rate: "inf"}
zip_override_stp:
  name: ["one", "two"]
  resources: {decode_nodes: [3, 4], decode_workers: [3, 4]}
  backend: {sglang_config: {decode: {max-running-requests: [40, 24], expert-parallel-size: 1}}}
  benchmark: {concurrencies: ["144", "16x32x64"]}
""",
    "accuracy": HEAD + 'benchmark: {type: "gpqa", num_examples: 198, max_tokens: 32768, repeat: 8, num_threads: 128}\n',
}


def run(tmp_path, text, cluster, rehearse=True):
    (tmp_path / "recipe.yaml").write_text(text)
    (tmp_path / "srtslurm.yaml").write_text(cluster)
    params = {"job_file": str(tmp_path / "recipe.yaml"), "cluster_file": str(tmp_path / "srtslurm.yaml")}
    return job_spec.run({**params, "check_paths": False}, Context(check_mode=rehearse))


@pytest.mark.parametrize("cluster", [CLUSTER, OLDER_CLUSTER], ids=["cluster", "older cluster"])
@pytest.mark.parametrize("name", RECIPES)
def test_recipe(tmp_path, name, cluster):
    result = run(tmp_path, RECIPES[name], cluster)
    for job in result["jobs"]:
        plan = planner.build(job["spec"], planner.imaginary_allocation(job["spec"]))
        assert {step["tier"] for step in plan["steps"]} >= {"worker", "frontend"}
        worker = next(step for step in plan["steps"] if step["tier"] == "worker")
        for flag in [word for word in worker["argv"] if word.startswith("--")]:
            assert worker["argv"].count(flag) == 1, flag
    assert [job["name"] for job in result["jobs"]] == {"zip overrides": ["one", "two"]}.get(
        name, [result["jobs"][0]["name"]]
    )
    older = [note for note in result["notes"] if "older form of" in note and "recipe.yaml" in note]
    assert len(older) == {"older frontends": 3, "older router": 2, "older profile": 5}.get(name, 0)


def test_points_of_a_profile_are_marked(tmp_path):
    for name in ("older profile", "profile and measure"):
        (job,) = run(tmp_path, RECIPES[name], CLUSTER, rehearse=False)["jobs"]
        plan = planner.build(job["spec"], planner.imaginary_allocation(job["spec"]))
        assert plan["benchmark"]["points"] and plan["benchmark"]["profiling"]["type"] in ("torch", "nsys")
