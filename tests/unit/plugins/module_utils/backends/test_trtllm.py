# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.backends.base import on_each_node
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.allocation_request import allocation_request

CONFIG = {"prefill": {"tensor-parallel-size": 4, "max_batch_size": 8}, "decode": {"tensor_parallel_size": 16}}
RESOURCES = {"prefill_nodes": 1, "prefill_workers": 2, "decode_nodes": 2, "decode_workers": 1}


def spec_of(backend=None, **changes):
    backend = {"type": "trtllm", "trtllm_config": CONFIG, **(backend or {})}
    return jobs.spec_of(jobs.raw(**{"backend": backend, "resources": RESOURCES, **changes}))


def test_one_launch_an_endpoint():
    plan = jobs.plan_of(spec_of(srun_options={"mem": 0}))
    workers = {step["name"]: step for step in plan["steps"] if step["tier"] == "worker"}
    assert list(workers) == ["prefill_0", "prefill_1", "decode_0"]
    step = workers["decode_0"]
    assert (step["nodes"], step["ntasks"]) == (["n2", "n3"], 16)
    assert step["srun_options"] == {"mpi": "pmix", "oversubscribe": None, "cpu-bind": "verbose,none", "mem": "0"}
    assert step["argv"][:4] == ["trtllm-llmapi-launch", "python3", "-m", "dynamo.trtllm"]
    assert workers["prefill_1"]["ntasks"] == 4 and workers["prefill_1"]["env"]["CUDA_VISIBLE_DEVICES"] == "4,5,6,7"
    names = {step["env"]["TRTLLM_EPLB_SHM_NAME"] for step in workers.values()}
    assert len(names) == 3
    assert [one["name"] for one in plan["checks"]][:3] == list(workers)


def test_configuration_files_are_part_of_the_step():
    plan = jobs.plan_of(spec_of())
    files = {one["path"]: one["content"] for one in plan["files"]}
    assert yaml.safe_load(files["trtllm_config_prefill.yaml"]) == {"max_batch_size": 8, "tensor_parallel_size": 4}
    other = {**CONFIG, "prefill": {"tensor_parallel_size": 4, "max_batch_size": 9}}
    changed = jobs.plan_of(spec_of({"trtllm_config": other}))
    digests = [{step["name"]: step["digest"] for step in one["steps"]} for one in (plan, changed)]
    assert {name for name in digests[0] if digests[0][name] != digests[1][name]} == {"prefill_0", "prefill_1"}


@pytest.mark.parametrize(
    "gpu_type, given, bound",
    [("h100", None, False), ("GB200", None, True), ("gb300", False, False), ("h100", True, True)],
)
def test_memory_binding(gpu_type, given, bound):
    spec = spec_of({"numa_memory_bind": given}, resources={**RESOURCES, "gpu_type": gpu_type})
    argv = jobs.step(jobs.plan_of(spec), "decode_0")["argv"]
    assert (argv[:3] == ["numactl", "-m", "0,1"]) is bound


def test_aggregated_workers_are_not_bound():
    resources = {**jobs.AGGREGATED, "gpu_type": "gb200"}
    plan = jobs.plan_of(spec_of({"trtllm_config": {}}, resources=resources))
    argv = jobs.step(plan, "agg_0")["argv"]
    assert argv[0] == "trtllm-llmapi-launch" and "--disaggregation-mode" not in argv


def test_workers_of_a_node_in_turn():
    resources = {**RESOURCES, "prefill_workers": 4}
    config = {**CONFIG, "prefill": {"tensor_parallel_size": 2}}
    plan = jobs.plan_of(spec_of({"sequential_node_start": 2, "trtllm_config": config}, resources=resources))
    before = [jobs.step(plan, f"prefill_{index}")["preamble"] for index in range(4)]
    assert "8081" not in before[1] and "urllib" not in before[1]
    for text in before[2:]:
        assert "http://10.0.0.1:8081/health" in text and "http://10.0.0.1:8082/health" in text
    assert "urllib" not in (jobs.step(plan, "decode_0")["preamble"] or "")
    for text in before:
        assert subprocess.run(["bash", "-n", "-c", text], check=False).returncode == 0


def test_the_allocation_offers_a_task_for_each_gpu():
    request = allocation_request(spec_of())
    assert (request["ntasks"], request["ntasks_per_node"]) == (24, 8)


def test_placeholders_differ_on_each_node():
    text = on_each_node("on {node}, '{node_id}' $HOME", ["n2", "n3"], {"n2": 1, "n3": 2})
    for node, number in (("n2", 1), ("n3", 2)):
        done = subprocess.run(
            ["bash", "-c", f'export X={text}; printf %s "$X"'],
            env={"SLURMD_NODENAME": node},
            text=True,
            capture_output=True,
            check=True,
        )
        assert done.stdout == f"on {node}, '{number}' $HOME"
    step = jobs.step(jobs.plan_of(spec_of({"decode_environment": {"WHERE": "{node}"}})), "decode_0")
    assert step["preamble"].startswith("export WHERE=") and step["env"]["WHERE"] == "n2"


def test_trtllm_serve_disaggregated():
    spec = spec_of(frontend={"type": "trtllm_serve", "ctx_router": {"type": "kv_cache_aware"}})
    plan = jobs.plan_of(spec)
    assert [step["name"] for step in plan["steps"]] == ["prefill_0", "prefill_1", "decode_0", "frontend_0"]
    assert jobs.step(plan, "prefill_1")["argv"] == [
        *("trtllm-llmapi-launch", "trtllm-serve", "/models/tiny", "--host", "0.0.0.0", "--port", "30001"),
        *("--tensor_parallel_size", "4", "--config", "/out/7/trtllm_config_prefill.yaml"),
    ]
    step = jobs.step(plan, "frontend_0")
    assert step["argv"][:2] == ["trtllm-serve", "disaggregated"] and step["files"] == ["trtllm_serve.yaml"]
    config = yaml.safe_load(next(one["content"] for one in plan["files"] if one["path"] == "trtllm_serve.yaml"))
    assert config == {
        "hostname": "0.0.0.0",
        "port": 8000,
        "context_servers": {
            "num_instances": 2,
            "urls": ["10.0.0.1:30000", "10.0.0.1:30001"],
            "router": {"type": "kv_cache_aware"},
        },
        "generation_servers": {"num_instances": 1, "urls": ["10.0.0.2:30000"]},
    }


def test_trtllm_serve_aggregated_is_the_worker_itself():
    changes = {"resources": jobs.AGGREGATED, "frontend": {"type": "trtllm_serve"}}
    plan = jobs.plan_of(spec_of({"trtllm_config": {}}, **changes))
    assert [step["name"] for step in plan["steps"]] == ["agg_0"]
    assert jobs.option(jobs.step(plan, "agg_0")["argv"], "--port") == "8000"
    assert [one["name"] for one in plan["checks"]] == ["agg_0", "token"]
    changes["resources"] = {**jobs.AGGREGATED, "agg_workers": 2}
    with pytest.raises(SpecError, match="no router for aggregated workers"):
        spec_of({"trtllm_config": {}}, **changes)


@pytest.mark.parametrize(
    "changes, words",
    [
        (
            {"backend": {"trtllm_config": {"prefill": {"tensor_parallel_size": 8}}}},
            "needs 8 GPUs (tensor 8), but a prefill worker has 4.",
        ),
        ({"frontend": {"type": "trtllm_serve", "args": {"config": "x"}}}, "is set by the plan"),
        (
            {"frontend": {"type": "trtllm_serve", "server_config_extra": {"context_servers": {}}}},
            "is set by the plan",
        ),
        ({"profiling": {"type": "torch", "prefill": {}, "decode": {}}}, "which trtllm does not support"),
    ],
)
def test_problems(changes, words):
    with pytest.raises(SpecError) as caught:
        spec_of(changes.pop("backend", None), **changes)
    assert words in str(caught.value)


def test_the_block_manager_may_stand_in_the_engines_configuration():
    connector = {"connector_module": "kvbm.trtllm_integration.connector"}
    plan = jobs.plan_of(backend={"type": "trtllm", "trtllm_config": {"decode": {"kv_connector_config": connector}}})
    assert jobs.step(plan, "decode_1")["env"]["DYN_KVBM_LEADER_ZMQ_PUB_PORT"] == "5602"
