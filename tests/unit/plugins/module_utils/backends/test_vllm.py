# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job.allocation_request import node_count
from ansible_collections.srt.slurm.plugins.module_utils.schema.source import parse_yaml

SPLIT = {"prefill_nodes": 1, "prefill_workers": 2, "decode_nodes": 2, "decode_workers": 1}


def spec_of(backend=None, **changes):
    return jobs.spec_of(jobs.raw(**{"backend": {"type": "vllm", **(backend or {})}, "resources": SPLIT, **changes}))


def modes(**configs):
    return {"vllm_config": configs}


def test_dynamo_command():
    config = modes(prefill={"served_model_name": "m", "tensor-parallel-size": 4, "kv-events-config": {"topic": "t"}})
    plan = jobs.plan_of(spec_of(config))
    step = jobs.step(plan, "prefill_1")
    assert step["argv"] == [
        *("python3", "-m", "dynamo.vllm", "--served-model-name", "m", "--model", "/models/tiny"),
        *("--disaggregation-mode", "prefill", "--device-ids", "4,5,6,7", "--request-plane", "tcp"),
        *("--dump-config-to", "/out/7/logs/n1_prefill_1_config.json", "--kv-events-config"),
        '{"publisher":"zmq","topic":"t","endpoint":"tcp://*:5551","enable_kv_cache_events":true}',
        *("--kv-transfer-config", '{"kv_connector":"NixlConnector","kv_role":"kv_both"}'),
        *("--tensor-parallel-size", "4"),
    ]
    env = step["env"]
    assert env["VLLM_NIXL_SIDE_CHANNEL_HOST"] == "10.0.0.1" and env["DYN_VLLM_KV_EVENT_PORT"] == "5551"
    assert env["VLLM_PORT"] == "20050" and "CUDA_VISIBLE_DEVICES" not in env
    channel = [int(jobs.step(plan, f"prefill_{i}")["env"]["VLLM_NIXL_SIDE_CHANNEL_PORT"]) for i in (0, 1)]
    assert channel[1] - channel[0] >= 4


def test_the_configuration_is_dumped_unless_the_job_says_no():
    for wanted in (True, False):
        argv = jobs.step(jobs.plan_of(spec_of(enable_config_dump=wanted)), "prefill_1")["argv"]
        assert ("--dump-config-to" in argv) is wanted


def test_a_model_over_two_nodes_without_data_parallelism():
    plan = jobs.plan_of(spec_of(modes(decode={"tensor-parallel-size": 16})))
    first, second = jobs.step(plan, "decode_0"), jobs.step(plan, "decode_0_r1")
    assert jobs.option(second["argv"], "--master-addr") == "10.0.0.2"
    assert jobs.option(second["argv"], "--node-rank") == "1"
    assert "--headless" in second["argv"] and "--headless" not in first["argv"]
    assert "VLLM_PORT" not in first["env"]
    assert "decode_0_r1" not in [one["name"] for one in plan["checks"]]


def instances(plan):
    health = next(one for one in plan["checks"] if one["name"] == "frontend_0_workers")
    return {one["label"]: one["min"] for one in health["expect"]}


def test_data_parallel_per_node():
    plan = jobs.plan_of(spec_of(modes(decode={"data-parallel-size": 8, "tensor-parallel-size": 2, "headless": None})))
    for rank, name in enumerate(("decode_0", "decode_0_r1")):
        argv = jobs.step(plan, name)["argv"]
        assert jobs.option(argv, "--data-parallel-size-local") == "4"
        assert jobs.option(argv, "--data-parallel-start-rank") == str(rank * 4)
        assert jobs.option(argv, "--data-parallel-address") == "10.0.0.2"
        assert "--data-parallel-hybrid-lb" in argv and "--headless" not in argv
    assert instances(plan) == {"prefill": 2, "decode": 2}


def test_data_parallel_replicas_that_span_nodes():
    resources = {**SPLIT, "decode_nodes": 4}
    config = modes(decode={"data-parallel-size": 2, "tensor-parallel-size": 16})
    plan = jobs.plan_of(spec_of(config, resources=resources))
    argv = jobs.step(plan, "decode_0_r2")["argv"]
    assert jobs.option(argv, "--nnodes") == "4" and "--headless" in argv
    assert "--data-parallel-rpc-port" in argv and "--data-parallel-hybrid-lb" not in argv
    assert instances(plan) == {"prefill": 2, "decode": 1}


def test_data_parallel_per_gpu():
    config = {**modes(decode={"data-parallel-size": 16, "data-parallel-rpc-port": 1}), "dp_launch_mode": "per_gpu"}
    plan = jobs.plan_of(spec_of(config))
    steps = [step for step in plan["steps"] if step["name"].startswith("decode_0")]
    assert len(steps) == 16 and instances(plan)["decode"] == 16
    assert [jobs.option(step["argv"], "--data-parallel-rank") for step in steps] == [str(rank) for rank in range(16)]
    assert jobs.option(steps[9]["argv"], "--device-ids") == "1" and steps[9]["nodes"] == ["n3"]
    assert len({step["log"] for step in steps}) == 16
    assert {jobs.option(step["argv"], "--data-parallel-rpc-port") for step in steps} == {"8400"}
    assert any("data-parallel-rpc-port: ignored, the plan sets this" in note for note in plan["notes"])
    assert any("per_gpu" in note for note in plan["notes"])


@pytest.mark.parametrize(
    "word, expected",
    [
        ("none", None),
        ("lmcache", "LMCacheConnectorV1"),
        ("KVBM", "DynamoConnector"),
        ('{"kv_connector": "Mine"}', "Mine"),
    ],
)
def test_connectors(word, expected):
    argv = jobs.step(jobs.plan_of(spec_of({"connector": word})), "decode_0")["argv"]
    if expected is None:
        assert "--kv-transfer-config" not in argv
    else:
        assert json.loads(jobs.option(argv, "--kv-transfer-config"))["kv_connector"] == expected


def flag_given(**backend):
    """Return whether a decode worker gets a connector; the job is read like a file, where null is a value."""
    text = yaml.safe_dump(jobs.raw(backend={"type": "vllm"}, resources=SPLIT))
    job, source = parse_yaml(text, "j.yaml")
    job["backend"].update(backend)
    return "--kv-transfer-config" in jobs.step(jobs.plan_of(jobs.spec_of(job, source)), "decode_0")["argv"]


def test_a_connector_of_null_is_none_and_an_absent_one_is_the_default():
    assert flag_given() is True
    assert flag_given(connector=None) is False
    assert flag_given(connector="null") is False and flag_given(connector="") is False
    assert flag_given(connector="nixl", vllm_config={"decode": {"connector": None}}) is False
    assert flag_given(connector=None, vllm_config={"decode": {"connector": "nixl"}}) is True


@pytest.mark.parametrize(
    "backend, path, words",
    [
        ({"connector": "nixll"}, "connector", "Did you mean nixl?"),
        ({"connector": "moon"}, "connector", "expected one of nixl, lmcache, kvbm, none, or JSON"),
        ({"connector": '{"kv_connector": '}, "connector", "which is not JSON"),
        ({"connector": "[1]"}, "connector", "expected one of nixl"),
        (modes(decode={"connector": "x"}), "vllm_config.decode.connector", "or JSON"),
        (modes(decode={"connector": 5}), "vllm_config.decode.connector", "a mapping or the JSON text of one"),
        (modes(decode={"kv-transfer-config": "Nixl"}), "vllm_config.decode.kv-transfer-config", "not JSON"),
        (modes(decode={"kv_transfer_config": "[1]"}), "vllm_config.decode.kv_transfer_config", "a mapping or the"),
        (modes(decode={"kv-transfer-config": True}), "vllm_config.decode.kv-transfer-config", "is true"),
        (modes(prefill={"kv-events-config": "{a}"}), "vllm_config.prefill.kv-events-config", "not JSON"),
    ],
)
def test_connectors_that_nobody_can_read(backend, path, words):
    with pytest.raises(SpecError) as caught:
        spec_of(backend)
    assert [one["path"] for one in caught.value.problems] == [f"backend.{path}"] and words in str(caught.value)


def test_a_connector_may_be_a_mapping_in_a_mode():
    config = modes(decode={"connector": {"kv_connector": "Mine"}, "kv-transfer-config": None})
    argv = jobs.step(jobs.plan_of(spec_of(config)), "decode_0")["argv"]
    assert "--kv-transfer-config" not in argv, "null as an option leaves the flag out"
    argv = jobs.step(jobs.plan_of(spec_of(modes(decode={"connector": {"kv_connector": "Mine"}}))), "decode_0")["argv"]
    assert json.loads(jobs.option(argv, "--kv-transfer-config")) == {"kv_connector": "Mine"}


def test_the_mode_names_its_own_connector_and_the_engine_option_wins():
    config = modes(prefill={"connector": "none"}, decode={"kv_transfer_config": {"kv_connector": "Own"}})
    plan = jobs.plan_of(spec_of(config))
    assert "--kv-transfer-config" not in jobs.step(plan, "prefill_0")["argv"]
    argv = jobs.step(plan, "decode_0")["argv"]
    assert json.loads(jobs.option(argv, "--kv-transfer-config")) == {"kv_connector": "Own"}
    assert argv.count("--kv-transfer-config") == 1 and "--connector" not in argv
    assert any("kv-transfer-config replaces" in note for note in plan["notes"])


def test_kvbm_leaders_have_ports():
    plan = jobs.plan_of(spec_of({"decode_environment": {"DYN_CONNECTOR": "KVBM"}}))
    env = jobs.step(plan, "decode_0_r1")["env"]
    assert env["DYN_KVBM_LEADER_ZMQ_HOST"] == "10.0.0.2"
    assert (env["DYN_KVBM_LEADER_ZMQ_PUB_PORT"], env["DYN_KVBM_LEADER_ZMQ_ACK_PORT"]) == ("5600", "5601")


def test_the_jobs_environment_does_not_move_ports():
    environment = {"DYN_SYSTEM_PORT": "1", "CUDA_VISIBLE_DEVICES": "7", "VLLM_NIXL_SIDE_CHANNEL_HOST": "mine"}
    plan = jobs.plan_of(spec_of(environment=environment))
    env = jobs.step(plan, "prefill_0")["env"]
    assert env["DYN_SYSTEM_PORT"] == "8081" and "CUDA_VISIBLE_DEVICES" not in env
    assert env["VLLM_NIXL_SIDE_CHANNEL_HOST"] == "mine"
    assert any(note.startswith("environment: CUDA_VISIBLE_DEVICES, DYN_SYSTEM_PORT:") for note in plan["notes"])


def test_set_cuda_visible_devices():
    step = jobs.step(jobs.plan_of(spec_of({"set_cuda_visible_devices": True})), "prefill_1")
    assert step["env"]["CUDA_VISIBLE_DEVICES"] == "4,5,6,7" and "--device-ids" not in step["argv"]


def test_colocation():
    resources = {"prefill_nodes": 2, "prefill_workers": 3, "decode_nodes": 2, "decode_workers": 3}
    resources.update(gpus_per_prefill=4, gpus_per_decode=4)
    allowed = {"allow_prefill_decode_colocation": True, "allow_prefill_decode_colocation_across_nodes": True}
    for backend, count in (({}, 4), ({"allow_prefill_decode_colocation": True}, 4), (allowed, 3)):
        spec = spec_of(backend, resources=resources)
        assert node_count(spec) == count
    plan = jobs.plan_of(spec)
    assert [(one["name"], one["nodes"][0]) for one in plan["endpoints"]] == [
        *(("prefill_0", "n1"), ("prefill_1", "n1"), ("prefill_2", "n2")),
        *(("decode_0", "n2"), ("decode_1", "n3"), ("decode_2", "n3")),
    ]
    one = {"prefill_nodes": 1, "prefill_workers": 1, "decode_nodes": 1, "decode_workers": 1}
    one.update(gpus_per_prefill=4, gpus_per_decode=4)
    assert node_count(spec_of({"allow_prefill_decode_colocation": True}, resources=one)) == 1

    # What does not fit beside prefill goes on to the next node.
    spec = spec_of(allowed, resources={**one, "gpus_per_decode": 8})
    assert node_count(spec) == 2 and jobs.plan_of(spec)["endpoints"][1]["nodes"] == ["n2"]


def test_vllm_serve():
    config = modes(aggregated={"tensor-parallel-size": 8, "host": "1.2.3.4", "connector": "nixl", "dp": 1})
    plan = jobs.plan_of(spec_of(config, resources=jobs.AGGREGATED, frontend={"type": "vllm"}))
    assert [step["name"] for step in plan["steps"]] == ["agg_0"]
    argv = jobs.step(plan, "agg_0")["argv"]
    assert argv[:3] == ["vllm", "serve", "/models/tiny"] and jobs.option(argv, "--port") == "8000"
    assert argv.count("--host") == 1 and "--kv-transfer-config" not in argv and "--connector" not in argv
    assert [one["name"] for one in plan["checks"]] == ["agg_0", "models", "token"]
    assert plan["groups"]["srt_head"] == ["n1"]


@pytest.mark.parametrize(
    "backend, changes, words",
    [
        (modes(decode={"tensor-parallel-size": 32}), {}, "needs 32 GPUs (tensor 32), but a decode worker has 16."),
        (
            modes(decode={"data-parallel-size": 4}),
            {},
            "needs 4 GPUs (data 4), but a decode worker has 16, and vLLM must use all of them.",
        ),
        (modes(decode={"data-parallel-size": 16, "headless": True}), {}, "set by the plan for data-parallel"),
        (
            {**modes(decode={"data-parallel-size": 8, "tensor-parallel-size": 2}), "dp_launch_mode": "per_gpu"},
            {},
            "gives each one GPU",
        ),
        ({}, {"frontend": {"type": "vllm"}}, "exactly one aggregated worker"),
        ({"mooncake_kv_store": {}}, {}, "neither prefill nor decode transfers through mooncake"),
        (
            modes(decode={"profiler_config.x": 1}),
            {"profiling": {"type": "nsys", "prefill": {"start_step": 1}, "decode": {"start_step": 1}}},
            "set by nsys profiling",
        ),
    ],
)
def test_problems(backend, changes, words):
    with pytest.raises(SpecError) as caught:
        spec_of(backend, **changes)
    assert words in str(caught.value)


def test_mooncake_store():
    store = {"container": "mc:1", "env": {"A": "1"}, "master_extra_args": ["--rpc_thread_num=4", "--port=1"]}
    config = modes(prefill={"kv-transfer-config": '{"kv_connector": "MooncakeConnector"}'})
    plan = jobs.plan_of(spec_of({**config, "mooncake_kv_store": {**store, "store_config": {"x": 1}}}))
    step = jobs.step(plan, "mooncake")
    assert step["tier"] == "head_infra" and step["nodes"] == plan["groups"]["srt_infra"]
    assert step["argv"].count("--rpc_thread_num=4") == 1 and "--rpc_thread_num=16" not in step["argv"]
    assert "--port=8700" in step["argv"] and "--port=1" not in step["argv"]
    assert [one["port"] for one in step["ready"]] == [8700, 8701, 8702]
    env = jobs.step(plan, "decode_0")["env"]
    assert env["MOONCAKE_MASTER"] == "10.0.0.1:8700" and env["A"] == "1"
    assert env["MOONCAKE_LOCAL_HOSTNAME"] == "10.0.0.2"
    file = next(one for one in plan["files"] if one["path"] == "mooncake_store_config.json")
    assert json.loads(file["content"]) == {"x": 1, "master_server_address": "10.0.0.1:8700"}


def test_nsys_tells_the_engine_when():
    phases = {"prefill": {"start_step": 5, "stop_step": 9}, "decode": {"start_step": 1, "stop_step": 2}}
    profiling = {"type": "nsys", **phases}
    argv = jobs.step(jobs.plan_of(spec_of(profiling=profiling)), "prefill_0")["argv"]
    assert argv[:2] == ["nsys", "profile"]
    assert json.loads(jobs.option(argv, "--profiler-config")) == {
        "profiler": "cuda",
        "delay_iterations": 5,
        "max_iterations": 4,
    }


@pytest.mark.parametrize("value", ["1", "{node_id}"])
def test_a_worker_over_nodes_has_no_port_of_the_jobs_either(value):
    config = {**modes(decode={"data-parallel-size": 16}), "decode_environment": {"VLLM_PORT": value, "OTHER": "1"}}
    plan = jobs.plan_of(spec_of(config))
    for name in ("decode_0", "decode_0_r1"):
        step = jobs.step(plan, name)
        assert "VLLM_PORT" not in step["env"] and step["env"]["OTHER"] == "1"
    told = [note for note in plan["notes"] if "VLLM_PORT" in note]
    assert told == ["backend.decode_environment: VLLM_PORT: ignored, the plan sets this for each process."]


def test_several_names():
    config = modes(aggregated={"tensor-parallel-size": 8, "served-model-name": ["a", "b"]})
    changes = {"resources": jobs.AGGREGATED}
    plan = jobs.plan_of(spec_of(config, frontend={"type": "vllm"}, **changes))
    argv = jobs.step(plan, "agg_0")["argv"]
    at = argv.index("--served-model-name")
    assert argv[at + 1 : at + 3] == ["a", "b"] and plan["checks"][-1]["body"]["model"] == "a"
    assert not [note for note in plan["notes"] if "name" in note]
    # dynamo.vllm takes one name only.
    plan = jobs.plan_of(spec_of(config, **changes))
    argv = jobs.step(plan, "agg_0")["argv"]
    assert jobs.option(argv, "--served-model-name") == "a" and "b" not in argv
    where = "backend.vllm_config.aggregated.served-model-name"
    assert f"{where}: only the first name is served, not b." in plan["notes"]


@pytest.mark.parametrize(
    ("backend", "keys"),
    [
        ({"connector": "lmcache"}, "backend.connector"),
        ({"kv_events_config": {"aggregated": True}}, "backend.kv_events_config"),
        (modes(aggregated={"kv_events_config": True}), "backend.vllm_config.aggregated.kv_events_config"),
        (modes(aggregated={"connector": "kvbm"}), "backend.vllm_config.aggregated.connector"),
        ({"connector": None, **modes(aggregated={"connector": "none"})}, None),
    ],
)
def test_what_vllm_serve_is_not_told_is_a_note(backend, keys):
    plan = jobs.plan_of(spec_of(backend, resources=jobs.AGGREGATED, frontend={"type": "vllm"}))
    told = [note for note in plan["notes"] if "no effect with frontend vllm" in note]
    assert [note.partition(": ")[0] for note in told] == ([keys] if keys else [])
    assert not [name for name in jobs.step(plan, "agg_0")["env"] if "KVBM" in name]
    split = {} if keys and "aggregated" in keys else backend
    assert not [note for note in jobs.plan_of(spec_of(split))["notes"] if "frontend vllm" in note]


def test_the_connector_kvbm_has_ports_too():
    plan = jobs.plan_of(spec_of({"connector": "kvbm"}))
    assert jobs.step(plan, "prefill_1")["env"]["DYN_KVBM_LEADER_ZMQ_PUB_PORT"] == "5602"
