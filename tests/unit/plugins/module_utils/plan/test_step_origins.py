# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where each variable and each option of a step is said to be from: the line of the job that has it, or the plan."""

from __future__ import annotations

import re
import textwrap

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner, provenance
from ansible_collections.srt.slurm.plugins.module_utils.slurm import srun
from ansible_collections.srt.slurm.plugins.module_utils.stages import job_spec

SGLANG = """\
name: origins
model: {path: /models/r1, container: img:1}
resources: {gpu_type: h100, gpus_per_node: 8, prefill_nodes: 1, prefill_workers: 1, decode_nodes: 1, decode_workers: 1}
backend:
  sglang_config:
    prefill:
      tp-size: 8
      served-model-name: org/R1
      model-path: /model/
      port: 30001
      host: "0.0.0.0"
      disaggregation-bootstrap-port: 30001
      request-plane: http
      mem_fraction_static: 0.84
      cuda-graph-bs: [1, 2]
      disaggregation-transfer-backend: mooncake
    decode:
      tp: 8
      served-model-name: other
  mooncake_kv_store:
    env: {MOONCAKE_PROTOCOL: rdma, MOONCAKE_MASTER: mine}
    master_extra_args: ["--rpc_thread_num=4", "--max_threads", "2", "--port", "1"]
frontend: {args: {http_port: 9, router-mode: kv}}
dynamo: {request_plane: nats}
observability: {enabled: true}
profiling:
  type: torch
  prefill: {start_step: 3}
  decode: {}
environment: {DYN_SYSTEM_PORT: "7", A: "1", MOONCAKE_TE_META_DATA_SERVER: x}
ports: {mooncake: 9000}
benchmark:
  type: sa-bench
  isl: 1024
  osl: 8
  concurrencies: [4]
  custom_tokenizer: glm
  reuse_http_connections: false
"""
VLLM = """\
name: origins
model: {path: "hf:org/model", container: img:1}
resources: {gpu_type: h100, gpus_per_node: 8, agg_nodes: 1, agg_workers: 2, gpus_per_agg: 4}
backend:
  type: vllm
  connector: lmcache
  kv_events_config:
    aggregated: true
  aggregated_environment: {HF_HOME: /hf}
  vllm_config:
    aggregated: {tensor-parallel-size: 4, served_model_name: m, dump-config-to: /x}
benchmark: {type: sa-bench, isl: 1, osl: 1, concurrencies: [4], custom_tokenizer: null}
"""
TRTLLM = """\
name: origins
model: {path: /models/llama}
resources: {gpu_type: h100, gpus_per_node: 8, agg_nodes: 1, agg_workers: 1}
backend:
  type: trtllm
  trtllm_config:
    aggregated: {tp_size: 8, moe-expert-parallel-size: 2}
frontend: {type: trtllm_serve}
profiling: {type: nsys-time, delay_secs: 5, duration_secs: 6, extra_nsys_args: ["--backtrace=none"]}
benchmark: {type: sa-bench, isl: 1, osl: 1, concurrencies: [4], custom_tokenizer: /tok/dir}
"""
MOCKER = """\
name: origins
model: {path: /models/tiny}
resources: {gpu_type: h100, gpus_per_node: 8, agg_nodes: 1, agg_workers: 2, gpus_per_agg: 4}
backend:
  type: mocker
  speedup_ratio: 9
  enable_prefix_caching: false
  mocker_config: {aggregated: {max-num-seqs: 3, engine-type: trtllm, enable_chunked_prefill: false}}
dynamo: {install: false}
observability: {enable_otel: true, otel_endpoint: "http://c:1"}
benchmark: {type: sa-bench, isl: 1, osl: 1, concurrencies: [4]}
"""


def origins(tmp_path, text):
    """Return ``{(step, variable or --option): (value of a variable, what is said)}`` of the job *text*."""
    (tmp_path / "job").write_text(textwrap.dedent(text))
    params = {"job_file": str(tmp_path / "job"), "check_paths": False}
    (tmp_path / "srtslurm.yaml").write_text("{}")
    params["cluster_file"] = str(tmp_path / "srtslurm.yaml")
    result = job_spec.run(params, Context(check_mode=True))
    spec = result["jobs"][0]["spec"]
    plan, made_of = planner.build_with_origins(spec, planner.imaginary_allocation(spec))
    places, found = provenance.Places(result["origins"][0]), {}
    for step in plan["steps"] + [point["step"] for point in plan["benchmark"]["points"]]:
        assert not {"made_of", "origins"} & set(step)
        shown = srun.printable(step, "JOBID", "/out", provenance.remarks(made_of[step["name"]], places))
        for name, value, place in re.findall(r"^  (\S+?)(?:=(.*))?  # (.*)$", shown, re.M):
            found[(step["name"], name)] = (value, place)
        # Nothing is left without an origin.
        flags = {word.partition("=")[0] for word in step["argv"] if word.startswith("--")}
        assert flags | set(step["env"]) == {name for one, name in found if one == step["name"]}
    return found


@pytest.mark.parametrize(
    ("text", "step", "name", "place"),
    [
        (SGLANG, "prefill_0", "--tensor-parallel-size", "job:7"),
        (SGLANG, "decode_0", "--tensor-parallel-size", "job:18"),
        (SGLANG, "prefill_0", "--mem-fraction-static", "job:14"),
        (SGLANG, "prefill_0", "--cuda-graph-bs", "job:15"),
        # What the plan decides is never said to be the job's.
        (SGLANG, "prefill_0", "--disaggregation-bootstrap-port", "plan, instead of 30001 in job:12"),
        (SGLANG, "prefill_0", "--port", "plan, instead of 30001 in job:10"),
        (SGLANG, "prefill_0", "--host", "plan"),
        (SGLANG, "prefill_0", "--disaggregation-transfer-backend", "job:16"),
        (SGLANG, "decode_0", "--host", "plan"),
        (SGLANG, "prefill_0", "--model-path", "plan, instead of /model/ in job:9"),
        (SGLANG, "decode_0", "--model-path", "plan"),
        (SGLANG, "prefill_0", "--disaggregation-mode", "plan"),
        (SGLANG, "prefill_0", "--request-plane", "job:24, instead of http in job:13"),
        (SGLANG, "decode_0", "--request-plane", "job:24"),
        (MOCKER, "agg_0", "--model-path", "job:2"),
        # One mode's name is everybody's.
        (SGLANG, "prefill_0", "--served-model-name", "job:8"),
        (SGLANG, "decode_0", "--served-model-name", "job:8, instead of other in job:19"),
        (SGLANG, "bench_c4", "--model", "job:8"),
        (MOCKER, "bench_c4", "--model", "job:2"),
        (TRTLLM, "bench_c4", "--model", "job:2"),
        (VLLM, "agg_1", "--served-model-name", "job:11"),
        (VLLM, "bench_c4", "--model", "job:11"),
        # A word that names no directory is ignored.
        (SGLANG, "bench_c4", "--tokenizer", "plan"),
        (MOCKER, "bench_c4", "--tokenizer", "job:2"),
        (VLLM, "bench_c4", "--tokenizer", "job:2"),
        (TRTLLM, "bench_c4", "--tokenizer", "job:10"),
        (SGLANG, "bench_c4", "--isl", "job:34"),
        (SGLANG, "bench_c4", "--num-prompts", "default of benchmark.num_prompts_mult"),
        (SGLANG, "bench_c4", "--no-reuse-connections", "job:38"),
        (SGLANG, "bench_c4", "--gpus", "plan"),
        (VLLM, "bench_c4", "--backend", "job:5"),
        (VLLM, "bench_c4", "HF_HOME", "job:9"),
        # Variables that carry a key of the job.
        (SGLANG, "prefill_0", "MOONCAKE_PROTOCOL", "job:21"),
        (SGLANG, "mooncake", "MOONCAKE_PROTOCOL", "job:21"),
        (SGLANG, "prefill_0", "MOONCAKE_MASTER", "plan"),
        (SGLANG, "mooncake", "--rpc_thread_num", "job:22"),
        (SGLANG, "mooncake", "--max_threads", "job:22"),
        (SGLANG, "prefill_0", "MOONCAKE_TE_META_DATA_SERVER", "plan, instead of x in job:30"),
        (SGLANG, "mooncake", "--port", "job:31"),
        (SGLANG, "mooncake", "--metrics_port", "default of ports.mooncake_metrics"),
        (SGLANG, "prefill_0", "DYN_REQUEST_PLANE", "job:24"),
        (SGLANG, "frontend_0", "DYN_REQUEST_PLANE", "job:24"),
        (MOCKER, "agg_0", "DYN_REQUEST_PLANE", "default of dynamo.request_plane"),
        (SGLANG, "prefill_0", "PROFILE_PREFILL_START_STEP", "job:28"),
        (SGLANG, "prefill_0", "PROFILE_TYPE", "job:27"),
        (SGLANG, "prefill_0", "DYN_LOG", "job:25"),
        (SGLANG, "frontend_0", "DYN_LOG", "job:25"),
        (MOCKER, "agg_0", "DYN_LOG", "plan"),
        (MOCKER, "agg_0", "DYN_LOGGING_JSONL", "job:10"),
        (MOCKER, "frontend_0", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "job:10"),
        (SGLANG, "prefill_0", "DYN_SYSTEM_PORT", "plan, instead of 7 in job:30"),
        (SGLANG, "frontend_0", "DYN_SYSTEM_PORT", "job:30"),
        (SGLANG, "bench_c4", "A", "job:30"),
        # The frontend's own options.
        (SGLANG, "frontend_0", "--http-port", "plan, instead of 9 in job:23"),
        (SGLANG, "frontend_0", "--router-mode", "job:23"),
        (MOCKER, "frontend_0", "--http-port", "plan"),
        # Keys that have another name on the command line.
        (VLLM, "agg_0", "--kv-transfer-config", "job:6"),
        (VLLM, "agg_0", "--kv-events-config", "job:8"),
        (VLLM, "agg_0", "--dump-config-to", "plan, instead of /x in job:11"),
        (VLLM, "agg_0", "--request-plane", "default of dynamo.request_plane"),
        (TRTLLM, "agg_0", "--tensor_parallel_size", "job:7"),
        (TRTLLM, "agg_0", "--moe_expert_parallel_size", "job:7"),
        (TRTLLM, "agg_0", "--port", "plan"),
        (TRTLLM, "agg_0", "--delay", "job:9"),
        (TRTLLM, "agg_0", "--backtrace", "job:9"),
        (MOCKER, "agg_0", "--speedup-ratio", "job:6"),
        (MOCKER, "agg_0", "--no-enable-prefix-caching", "job:7"),
        (MOCKER, "agg_0", "--no-enable-chunked-prefill", "job:8"),
        (MOCKER, "agg_0", "--max-num-seqs", "job:8"),
        (MOCKER, "agg_0", "--engine-type", "default of backend.engine_type, instead of trtllm in job:8"),
    ],
)
def test_origin(tmp_path, text, step, name, place):
    assert origins(tmp_path, text)[(step, name)][1] == place


def test_settings_of_events_are_from_the_key_that_has_them(tmp_path):
    text = VLLM.replace("aggregated: true", "prefill: true").replace("dump-config-to: /x", "kv-events-config: {a: 1}")
    assert origins(tmp_path, text)[("agg_0", "--kv-events-config")][1] == "job:11"


def test_what_the_store_says_of_a_host_wins_over_the_environment_of_all(tmp_path):
    text = SGLANG.replace("MOONCAKE_PROTOCOL: rdma", "MOONCAKE_LOCAL_HOSTNAME: h").replace(
        "MOONCAKE_TE_META_DATA_SERVER: x", "MOONCAKE_LOCAL_HOSTNAME: y"
    )
    assert origins(tmp_path, text)[("prefill_0", "MOONCAKE_LOCAL_HOSTNAME")] == ("h", "job:21, instead of y in job:30")


def test_a_long_value_that_lost_is_cut(tmp_path):
    text = MOCKER.replace("engine-type: trtllm", f"model-path: /{'x' * 100}")
    place = origins(tmp_path, text)[("agg_0", "--model-path")][1]
    assert place == f"job:2, instead of /{'x' * 56}... in job:8"
