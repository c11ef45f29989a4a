# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.backends import BACKENDS
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError


def test_command():
    argv = jobs.step(jobs.plan_of(backend={"speedup_ratio": 1000}), "prefill_1")["argv"]
    assert argv == [
        *("python3", "-m", "dynamo.mocker"),
        *("--model-path", "/models/tiny"),
        *("--model-name", "tiny"),
        *("--engine-type", "vllm"),
        *("--disaggregation-mode", "prefill"),
        *("--speedup-ratio", "1000"),
        *("--data-parallel-size", "1"),
        *("--num-gpu-blocks-override", "16384"),
        *("--max-num-seqs", "256"),
        *("--max-num-batched-tokens", "8192"),
    ]


def test_environment():
    step = jobs.step(
        jobs.plan_of(
            backend={"decode_environment": {"WHERE": "{node}:{node_id}", "BOTH": "mode", "DYN_LOG": "debug"}},
            environment={"BOTH": "job", "BRACES": "{other}"},
        ),
        "decode_1",
    )
    env = step["env"]
    assert step["preamble"] == "export CUDA_VISIBLE_DEVICES=4,5,6,7"
    assert env["DYN_SYSTEM_PORT"] == "8084"
    assert env["DYN_SYSTEM_STARTING_HEALTH_STATUS"] == "ready"
    assert env["ETCD_ENDPOINTS"] == "http://10.0.0.1:2379"
    assert env["NATS_SERVER"] == "nats://10.0.0.1:4222"
    assert env["DYN_REQUEST_PLANE"] == "tcp" and "DYN_EVENT_PLANE" not in env
    assert env["HEAD_NODE_IP"] == "10.0.0.1"
    assert env["CUDA_VISIBLE_DEVICES"] == "4,5,6,7"
    assert env["WHERE"] == "n2:1" and env["BOTH"] == "job" and env["BRACES"] == "{other}"
    assert env["DYN_LOG"] == "debug"


def test_whole_nodes_need_no_cuda_visible_devices():
    plan = jobs.plan_of(resources={"prefill_workers": 1, "decode_workers": 1})
    assert "CUDA_VISIBLE_DEVICES" not in jobs.step(plan, "prefill_0")["env"]


def test_the_plan_decides_over_a_user_value():
    plan = jobs.plan_of(environment={"CUDA_VISIBLE_DEVICES": "7"})
    assert jobs.step(plan, "prefill_0")["env"]["CUDA_VISIBLE_DEVICES"] == "0,1,2,3"


def test_aggregated():
    plan = jobs.plan_of(resources=jobs.AGGREGATED)
    assert "--disaggregation-mode" not in jobs.step(plan, "agg_0")["argv"]
    assert "mocker_config.yaml" in [one["path"] for one in plan["files"]]


def test_bootstrap_only_on_request():
    off = jobs.plan_of()
    assert not [one for one in off["steps"] if "--bootstrap-ports" in one["argv"]]
    on = jobs.plan_of(backend={"bootstrap": True})
    assert jobs.option(jobs.step(on, "prefill_1")["argv"], "--bootstrap-ports") == "31001"
    assert "--bootstrap-ports" not in jobs.step(on, "decode_0")["argv"]


def test_an_endpoint_over_nodes_is_one_process():
    plan = jobs.plan_of(resources={"prefill_nodes": 2, "prefill_workers": 1})
    assert [one["name"] for one in plan["steps"] if one["name"].startswith("prefill")] == ["prefill_0"]
    assert [one["name"] for one in plan["processes"]][:2] == ["prefill_0", "prefill_0_r1"]
    assert "prefill_0_r1" not in [one["name"] for one in plan["checks"]]
    assert any("spans nodes" in note for note in plan["notes"])


def test_config_options_win_and_the_plans_own_do_not():
    plan = jobs.plan_of(
        backend={"mocker_config": {"prefill": {"max_num_seqs": 7, "model-path": "/other", "reasoning": {"a": 1}}}}
    )
    argv = jobs.step(plan, "prefill_0")["argv"]
    assert jobs.option(argv, "--max-num-seqs") == "7" and argv.count("--max-num-seqs") == 1
    assert jobs.option(argv, "--model-path") == "/models/tiny"
    assert jobs.option(argv, "--reasoning") == '{"a":1}'
    assert jobs.option(jobs.step(plan, "decode_0")["argv"], "--max-num-seqs") == "256"
    assert any("model-path" in note for note in plan["notes"])
    text = next(one["content"] for one in plan["files"] if one["path"] == "mocker_config.yaml")
    assert yaml.safe_load(text)["prefill"]["max-num-seqs"] == 7


def test_options_that_differ_from_the_default():
    argv = jobs.step(
        jobs.plan_of(
            backend={
                "engine_type": "sglang",
                "block_size": 16,
                "num_workers": 2,
                "startup_time": 1.5,
                "enable_prefix_caching": False,
                "enable_chunked_prefill": False,
                "decode_speedup_ratio": 2,
            }
        ),
        "decode_0",
    )["argv"]
    assert jobs.option(argv, "--engine-type") == "sglang"
    assert jobs.option(argv, "--block-size") == "16"
    assert jobs.option(argv, "--num-workers") == "2"
    assert jobs.option(argv, "--startup-time") == "1.5"
    assert jobs.option(argv, "--decode-speedup-ratio") == "2"
    assert "--no-enable-prefix-caching" in argv and "--no-enable-chunked-prefill" in argv


def test_workers_in_one_process_count_for_the_frontend():
    checks = jobs.plan_of(backend={"num_workers": 3})["checks"]
    check = next(one for one in checks if one["name"] == "frontend_0_workers")
    assert [expect["min"] for expect in check["expect"]] == [6, 6]


def test_served_name():
    assert "tiny" in jobs.step(jobs.plan_of(), "prefill_0")["argv"]
    plan = jobs.plan_of(backend={"mocker_config": {"decode": {"served_model_name": "fancy"}}})
    for name in ("prefill_0", "decode_0"):
        assert jobs.option(jobs.step(plan, name)["argv"], "--model-name") == "fancy"
    assert plan["checks"][-1]["body"]["model"] == "fancy"


def test_zero_speedup_is_refused():
    with pytest.raises(SpecError, match="not as infinity"):
        jobs.spec_of(backend={"speedup_ratio": 0})


def test_bootstrap_needs_one_worker_a_process():
    with pytest.raises(SpecError, match="a port for each worker"):
        jobs.spec_of(backend={"bootstrap": True, "num_workers": 2})


@pytest.mark.parametrize("name", sorted(BACKENDS))
def test_every_backend_has_the_interface(name):
    backend = BACKENDS[name]
    assert backend.type == name and backend.frontends and backend.section.fields["type"].default == name
    for mode in ("prefill", "decode", "aggregated"):
        assert f"{mode}_environment" in backend.section.fields


def test_a_modes_option_over_the_general_one_is_a_note():
    backend = {"max_num_seqs": 9, "mocker_config": {"prefill": {"max-num-seqs": 7, "block_size": 4}}}
    notes = jobs.plan_of(backend=backend)["notes"]
    assert notes == ["backend.mocker_config.prefill: max-num-seqs 7 replaces backend.max_num_seqs 9 for these workers."]


def test_workers_of_a_modes_own_options_count():
    config = {"prefill": {"num-workers": 2}, "decode": {"num_workers": "3"}}
    for general, wanted in ((1, [4, 6]), (5, [4, 6])):
        plan = jobs.plan_of(backend={"num_workers": general, "mocker_config": config})
        check = next(one for one in plan["checks"] if one["name"] == "frontend_0_workers")
        assert [expect["min"] for expect in check["expect"]] == wanted
        assert jobs.option(jobs.step(plan, "decode_0")["argv"], "--num-workers") == "3"


@pytest.mark.parametrize("value", [0, -1, 1.5, "x", True])
def test_workers_of_a_mode_must_be_a_number(value):
    with pytest.raises(
        SpecError, match=r"backend.mocker_config.decode.num-workers: is .*; expected a positive whole number"
    ):
        jobs.spec_of(backend={"mocker_config": {"decode": {"num-workers": value}}})


def test_bootstrap_looks_at_the_modes_options_too():
    with pytest.raises(SpecError, match="backend.bootstrap: needs a port for each worker, and num-workers puts"):
        jobs.spec_of(backend={"bootstrap": True, "mocker_config": {"prefill": {"num-workers": 2}}})
    # Decode workers have no such port, and one worker a process is what it needs.
    jobs.spec_of(backend={"bootstrap": True, "mocker_config": {"decode": {"num-workers": 2}}})
    jobs.spec_of(backend={"bootstrap": True, "num_workers": 2, "mocker_config": {"prefill": {"num-workers": 1}}})


@pytest.mark.parametrize(
    ("general", "own", "flag", "note"),
    [
        (False, {"enable-prefix-caching": True}, "--enable-prefix-caching", "enable-prefix-caching true replaces"),
        (False, {"no_enable_prefix_caching": False}, "--enable-prefix-caching", "true replaces"),
        (False, {"no-enable-prefix-caching": True}, "--no-enable-prefix-caching", None),
        (True, {"enable_prefix_caching": False}, "--no-enable-prefix-caching", None),
        (True, {"no-enable-prefix-caching": True}, "--no-enable-prefix-caching", None),
        (True, {"enable_prefix_caching": None}, None, None),
    ],
)
def test_a_switch_is_there_once(general, own, flag, note):
    plan = jobs.plan_of(backend={"enable_prefix_caching": general, "mocker_config": {"prefill": own}})
    argv = jobs.step(plan, "prefill_0")["argv"]
    assert [word for word in argv if "prefix-caching" in word] == ([flag] if flag else [])
    told = [one for one in plan["notes"] if "prefix" in one]
    assert len(told) == bool(note) and (note or "") in "".join(told)


def test_an_empty_option_of_a_mode_leaves_the_general_one():
    plan = jobs.plan_of(backend={"max_num_seqs": 9, "mocker_config": {"prefill": {"max-num-seqs": None}}})
    assert jobs.option(jobs.step(plan, "prefill_0")["argv"], "--max-num-seqs") == "9"


def test_zero_speedup_of_a_mode_is_pointed_out():
    notes = jobs.plan_of(backend={"mocker_config": {"decode": {"speedup-ratio": 0}}})["notes"]
    assert any("mocker_config.decode: speedup-ratio 0: dynamo.mocker" in note for note in notes)
