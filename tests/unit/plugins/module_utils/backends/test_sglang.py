# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.topology.options import Option

BACKEND = {
    "type": "sglang",
    "sglang_config": {
        "prefill": {"served-model-name": "r1", "tensor_parallel_size": 4, "disaggregation-bootstrap-port": 30001},
        "decode": {"tp-size": 8, "enable-dp-attention": True, "disaggregation-mode": "decode", "x": {"a": 1}},
    },
}
TWO_AND_ONE = {"prefill_nodes": 1, "prefill_workers": 2, "decode_nodes": 2, "decode_workers": 1}


def plan_of(frontend="dynamo", **changes):
    frontend = frontend if isinstance(frontend, dict) else {"type": frontend}
    changes = {"backend": BACKEND, "resources": TWO_AND_ONE, "frontend": frontend, **changes}
    return jobs.plan_of(jobs.spec_of(jobs.raw(**changes)))


def test_dynamo_prefill_command():
    plan = plan_of(backend={**BACKEND, "kv_events_config": True})
    argv = jobs.step(plan, "prefill_1")["argv"]
    assert argv == [
        *("python3", "-m", "dynamo.sglang"),
        *("--model-path", "/models/tiny"),
        *("--served-model-name", "r1"),
        *("--host", "0.0.0.0"),
        *("--port", "30001"),
        *("--nccl-port", "17501"),
        *("--disaggregation-mode", "prefill"),
        *("--disaggregation-bootstrap-port", "31001"),
        *("--dump-config-to", "/out/7/logs/n1_prefill_1_config.json"),
        *("--kv-events-config", '{"publisher":"zmq","topic":"kv-events","endpoint":"tcp://*:5551"}'),
        *("--request-plane", "tcp"),
        *("--tensor-parallel-size", "4"),
    ]
    env = jobs.step(plan, "prefill_1")["env"]
    assert env["CUDA_VISIBLE_DEVICES"] == "4,5,6,7" and env["DYN_SYSTEM_PORT"] == "8082"


def test_the_options_of_each_mode_are_written_beside_the_run():
    plan = plan_of(frontend={"type": "dynamo"})
    (text,) = [one["content"] for one in plan["files"] if one["path"] == "sglang_config.yaml"]
    written = yaml.safe_load(text)
    assert set(written) == {"prefill", "decode"}
    for mode, options in written.items():
        argv = jobs.step(plan, f"{mode}_0")["argv"]
        # What is one process's own, such as its port, is not there; and no step starts anew because of the file.
        words = [word for name, value in options.items() for word in Option(name, value).words()]
        assert words and argv[-len(words) :] == words
        assert jobs.step(plan, f"{mode}_0")["files"] == []


def test_the_configuration_is_dumped_unless_the_job_says_no():
    argv = jobs.step(plan_of(), "prefill_1")["argv"]
    assert jobs.option(argv, "--dump-config-to").endswith("_prefill_1_config.json")
    assert "--dump-config-to" not in jobs.step(plan_of(enable_config_dump=False), "prefill_1")["argv"]


def test_worker_over_two_nodes():
    plan = plan_of()
    leader, follower = jobs.step(plan, "decode_0"), jobs.step(plan, "decode_0_r1")
    assert leader["nodes"] == ["n2"] and follower["nodes"] == ["n3"]
    for step, rank in ((leader, "0"), (follower, "1")):
        assert jobs.option(step["argv"], "--dist-init-addr") == "10.0.0.2:8300"
        assert jobs.option(step["argv"], "--nnodes") == "2"
        assert jobs.option(step["argv"], "--node-rank") == rank
        assert step["log"] == "logs/%N_decode_0.out"
        assert "CUDA_VISIBLE_DEVICES" not in step["env"]
    assert jobs.option(follower["argv"], "--port") == "0"
    assert jobs.option(leader["argv"], "--port") == "30000"


def test_nothing_is_passed_twice_and_the_plan_says_what_it_overrides():
    plan = plan_of()
    for step in plan["steps"]:
        flags = [word for word in step["argv"] if word.startswith("--")]
        assert len(flags) == len(set(flags))
    assert any("prefill: disaggregation-bootstrap-port" in note for note in plan["notes"])
    assert not any("disaggregation-mode" in note for note in plan["notes"])
    decode = jobs.step(plan, "decode_0")["argv"]
    assert jobs.option(decode, "--x") == '{"a":1}' and "--enable-dp-attention" in decode


def test_router_command():
    plan = plan_of("sglang", resources={**TWO_AND_ONE, "decode_nodes": 1, "decode_workers": 1})
    assert [step["name"] for step in plan["steps"]][:3] == ["prefill_0", "prefill_1", "decode_0"], "no NATS, no etcd"
    assert jobs.step(plan, "prefill_0")["argv"][:3] == ["python3", "-m", "sglang.launch_server"]
    assert "ETCD_ENDPOINTS" not in jobs.step(plan, "prefill_0")["env"]
    assert jobs.step(plan, "frontend_0")["argv"] == [
        *("python3", "-m", "sglang_router.launch_router", "--pd-disaggregation"),
        *("--prefill", "http://10.0.0.1:30000", "31000"),
        *("--prefill", "http://10.0.0.1:30001", "31001"),
        *("--decode", "http://10.0.0.2:30000"),
        *("--host", "0.0.0.0", "--port", "8080"),
        *("--prometheus-port", "29000"),
        *("--worker-startup-check-interval", "1"),
    ]
    checks = {check["name"]: check for check in plan["checks"]}
    assert (checks["prefill_1"]["path"], checks["prefill_1"]["port"]) == ("/health", 30001)
    assert [(one["label"], one["where"], one["min"]) for one in checks["frontend_0_workers"]["expect"]] == [
        ("prefill", {"worker_type": "prefill", "is_healthy": True}, 2),
        ("decode", {"worker_type": "decode", "is_healthy": True}, 1),
    ]


def test_router_before_aggregated_workers():
    backend = {"type": "sglang", "sglang_config": {"aggregated": {"grpc-mode": True}}}
    changes = {"resources": {**jobs.AGGREGATED, "agg_workers": 2}, "backend": backend}
    plan = plan_of("sglang", **changes)
    argv = jobs.step(plan, "frontend_0")["argv"]
    at = argv.index("--worker-urls")
    assert argv[at : at + 3] == ["--worker-urls", "grpc://10.0.0.1:30000", "grpc://10.0.0.1:30001"]


@pytest.mark.parametrize("name", ["worker-urls", "prefill", "--decode", "worker_urls"])
def test_workers_of_another_job_are_refused_in_frontend_args(name):
    with pytest.raises(SpecError, match=f"frontend.args.{name}: is set by the plan"):
        plan_of(frontend={"type": "sglang", "args": {name: "http://x:1"}})


@pytest.mark.parametrize(
    "given, prefill, agg",
    [
        (True, True, False),
        (None, False, False),
        (False, False, False),
        ({"prefill": {"topic": "t"}, "aggregated": True}, True, True),
    ],
)
def test_kv_events(given, prefill, agg):
    plan = plan_of(backend={**BACKEND, "kv_events_config": given})
    argv = jobs.step(plan, "prefill_0")["argv"]
    assert ("--kv-events-config" in argv) is prefill
    if isinstance(given, dict):
        assert json.loads(jobs.option(argv, "--kv-events-config"))["topic"] == "t"
    aggregated = plan_of(
        backend={**BACKEND, "kv_events_config": given}, resources={**jobs.AGGREGATED, "gpus_per_agg": 8}
    )
    assert ("--kv-events-config" in jobs.step(aggregated, "agg_0")["argv"]) is agg


def test_parallel_size_must_fit():
    with pytest.raises(SpecError, match=r"needs 16 GPUs \(tensor 8 x pipeline 2\), but a decode worker has 8\."):
        jobs.spec_of(
            backend={"type": "sglang", "sglang_config": {"decode": {"tp-size": 8, "pp-size": 2}}},
            resources={"decode_workers": 1},
        )


def test_attention_ranks_have_ports_of_their_own():
    """Two workers on a node: each rank listens beside the rendezvous port and publishes on a port of its own."""
    config = {"data-parallel-size": 4, "tp-size": 4, "enable-dp-attention": True}
    backend = {"type": "sglang", "kv_events_config": True, "sglang_config": {"prefill": config}}
    plan = plan_of(backend=backend)
    first, second = (jobs.step(plan, name)["argv"] for name in ("prefill_0", "prefill_1"))
    addresses = [jobs.option(argv, "--dist-init-addr") for argv in (first, second)]
    assert addresses == ["10.0.0.1:8300", "10.0.0.1:8312"] and "--nnodes" not in first
    events = [json.loads(jobs.option(argv, "--kv-events-config"))["endpoint"] for argv in (first, second)]
    assert events == ["tcp://*:5550", "tcp://*:5554"]


def test_events_may_stand_among_the_engines_options():
    config = {"decode": {"kv_events_config": '{"publisher": "zmq", "topic": "mine", "endpoint": "tcp://*:1"}'}}
    argv = jobs.step(plan_of(backend={"type": "sglang", "sglang_config": config}), "decode_0")["argv"]
    assert argv.count("--kv-events-config") == 1
    assert json.loads(jobs.option(argv, "--kv-events-config")) == {
        "publisher": "zmq",
        "topic": "mine",
        "endpoint": "tcp://*:5552",
    }


@pytest.mark.parametrize(
    "backend, path, words",
    [
        ({"sglang_config": {"decode": {"kv_events_config": "zmq"}}}, "sglang_config.decode.kv_events_config", "JSON"),
        ({"sglang_config": {"decode": {"kv-events-config": "[]"}}}, "sglang_config.decode.kv-events-config", "mapping"),
        ({"kv_events_config": {"prefil": True}}, "kv_events_config.prefil", "is not a mode"),
        ({"kv_events_config": {"prefill": "zmq"}}, "kv_events_config.prefill", "true, false or a mapping"),
    ],
)
def test_events_that_cannot_be_read(backend, path, words):
    with pytest.raises(SpecError) as caught:
        plan_of(backend={"type": "sglang", **backend})
    assert [one["path"] for one in caught.value.problems] == [f"backend.{path}"] and words in str(caught.value)


def test_events_of_an_engine_option_may_be_true():
    config = {"decode": {"kv-events-config": True, "tp-size": 16}, "prefill": {"kv-events-config": False, "tp-size": 4}}
    plan = plan_of(backend={"type": "sglang", "sglang_config": config})
    assert "--kv-events-config" in jobs.step(plan, "decode_0")["argv"]
    assert "--kv-events-config" not in jobs.step(plan, "prefill_0")["argv"]


def test_what_is_said_about_absent_modes_is_a_note():
    backend = {
        "type": "sglang",
        "sglang_config": {"aggregated": {"tp-size": 8}, "prefill": {"tp-size": -3}, "decode": {}},
        "prefill_environment": {"A": "1"},
        "decode_environment": {"A": "1"},
        "kv_events_config": {"decode": True, "aggregated": True, "prefill": False},
    }
    resources = {**jobs.AGGREGATED, "gpus_per_decode": 4}
    plan = plan_of(backend=backend, resources=resources, faults={"decode": {"restarts": 1}, "agg": {"critical": True}})
    assert [note for note in plan["notes"] if "no effect" in note] == [
        "backend.sglang_config.prefill, backend.prefill_environment: no effect, the job has no prefill workers.",
        "resources.gpus_per_decode, backend.decode_environment, backend.kv_events_config.decode: no effect, "
        "the job has no decode workers.",
        "faults.decode: no effect, the job has no decode workers.",
    ]
    plan = plan_of(backend={**backend, "kv_events_config": True}, resources=jobs.AGGREGATED)
    assert any("Write {aggregated: true}" in note for note in plan["notes"])
    aggregated = {"sglang_config": {"aggregated": {"x": 1}, "prefill": {"tp": 4}, "decode": {"tp": 16}}}
    (note,) = plan_of(backend={"type": "sglang", **aggregated})["notes"]
    assert note == "backend.sglang_config.aggregated: no effect, the job has no aggregated workers."


def test_mooncake_store():
    transfer = {"disaggregation_transfer_backend": "mooncake"}
    backend = {"type": "sglang", "mooncake_kv_store": {"env": {"A": "1"}}, "sglang_config": {"prefill": transfer}}
    plan = plan_of("sglang", backend=backend)
    assert jobs.step(plan, "mooncake")["env"] == {"A": "1"} and jobs.step(plan, "mooncake")["files"] == []
    env = jobs.step(plan, "decode_0")["env"]
    assert env["MOONCAKE_TE_META_DATA_SERVER"] == "http://10.0.0.1:8701/metadata" and "MOONCAKE_CONFIG_PATH" not in env
    with pytest.raises(SpecError, match="neither prefill nor decode transfers through mooncake"):
        plan_of("sglang", backend={**backend, "sglang_config": {}})


def test_a_worker_that_speaks_grpc_is_asked_no_http():
    """Its server answers no HTTP: it would never count as up."""
    config = {"prefill": {"grpc-mode": True, "tp-size": 4}, "decode": {"tp-size": 16}}
    changes = {"backend": {"type": "sglang", "sglang_config": config}}
    plan = plan_of("sglang", **changes)
    checks = {check["name"]: check for check in plan["checks"]}
    assert (checks["prefill_1"]["kind"], checks["prefill_1"]["port"]) == ("tcp", 30001)
    assert (checks["decode_0"]["kind"], checks["decode_0"]["path"]) == ("http", "/health")
    # The router offers chat only there.
    token = checks["token"]
    assert token["path"] == "/v1/chat/completions" and token["body"]["messages"] and "prompt" not in token["body"]
    assert "backend: prefill workers have grpc-mode: many routers answer 501 to /v1/completions." in plan["notes"]
    # Behind dynamo each worker has a system port with HTTP.
    behind = plan_of(**changes)
    assert behind["checks"][-1]["path"] == "/v1/completions"


def test_a_port_that_the_plan_leaves_unset_is_not_the_jobs():
    environment = {"DYN_SYSTEM_PORT": "7", "OTHER": "1"}
    plan = plan_of("sglang", environment=environment)
    env = jobs.step(plan, "prefill_0")["env"]
    assert "DYN_SYSTEM_PORT" not in env and env["OTHER"] == "1"
    assert "environment: DYN_SYSTEM_PORT: ignored, the plan sets this for each process." in plan["notes"]


def test_the_store_is_found_where_the_plan_put_it():
    transfer = {"disaggregation_transfer_backend": "mooncake", "tp": 4}
    store = {"env": {"MOONCAKE_LOCAL_HOSTNAME": "ib0-host", "MOONCAKE_MASTER": "a:1"}}
    backend = {"type": "sglang", "mooncake_kv_store": store, "sglang_config": {"prefill": transfer}}
    given = dict.fromkeys(("MOONCAKE_MASTER", "MOONCAKE_LOCAL_HOSTNAME", "MOONCAKE_PROTOCOL"), "mine")
    plan = plan_of("sglang", backend=backend, environment=given)
    env = jobs.step(plan, "decode_0")["env"]
    assert env["MOONCAKE_MASTER"] == "10.0.0.1:8700" and env["MOONCAKE_PROTOCOL"] == "mine"
    # Only the store's own env may name another host, as for a network of its own.
    assert env["MOONCAKE_LOCAL_HOSTNAME"] == "ib0-host"
    told = [note for note in plan["notes"] if "MOONCAKE" in note]
    assert told == [
        "environment: MOONCAKE_LOCAL_HOSTNAME, MOONCAKE_MASTER: ignored, the plan sets this for each process.",
        "backend.mooncake_kv_store.env: MOONCAKE_MASTER: ignored, the plan sets this for each process.",
    ]
    # Without a store of the job's, it may use another one.
    plan = plan_of("sglang", backend={"type": "sglang"}, environment=given)
    assert jobs.step(plan, "decode_0")["env"]["MOONCAKE_MASTER"] == "mine"


@pytest.mark.parametrize(
    ("extra", "passed", "note"),
    [
        (["--port", "1"], [], "--port 1"),
        (["-port=1", "--metrics-port", "2"], [], "-port=1, --metrics-port 2"),
        (["--port", "--rpc_thread_num", "4"], ["--rpc_thread_num", "4"], "--port"),
        (["--rpc_thread_num", "4", "--max_threads=2"], ["--rpc_thread_num", "4", "--max_threads=2"], None),
        (["--default_kv_lease_ttl", "-1"], ["--default_kv_lease_ttl", "-1"], None),
        (["--enable_metric_reporting=false"], ["--enable_metric_reporting=false"], None),
        (["--noenable_metric_reporting"], ["--noenable_metric_reporting"], None),
    ],
)
def test_options_of_the_mooncake_master(extra, passed, note):
    """A port of its own leaves no stray value behind, and nothing is there twice."""
    store = {"type": "sglang", "mooncake_kv_store": {"master_extra_args": extra}}
    store["sglang_config"] = {"prefill": {"disaggregation-transfer-backend": "mooncake"}}
    plan = plan_of("sglang", backend=store)
    argv = jobs.step(plan, "mooncake")["argv"]
    ours = ["--port=8700", "--http_metadata_server_port=8701", "--metrics_port=8702"]
    assert [word for word in argv if "port=" in word] == ours
    rest = argv[len(argv) - len(passed) :]
    assert rest == passed and all(word.startswith("--") for word in argv[1 : len(argv) - len(passed)])
    names = [word.lstrip("-").partition("=")[0].removeprefix("no") for word in argv[1:] if word.startswith("--")]
    assert len(names) == len(set(names))
    told = [one.partition("master_extra_args: ")[2] for one in plan["notes"] if "master_extra_args" in one]
    assert told == ([f"{note}: ignored, the plan sets this; see ports.mooncake*."] if note else [])


@pytest.mark.parametrize("kind", ["sglang", "trtllm", "vllm", "mocker"])
def test_leaders_of_the_block_manager_share_no_ports(kind):
    environment = {"DYN_CONNECTOR": "kvbm", "DYN_KVBM_LEADER_ZMQ_ACK_PORT": "9"}
    plan = plan_of(backend={"type": kind, "prefill_environment": environment})
    first, second = (jobs.step(plan, name)["env"] for name in ("prefill_0", "prefill_1"))
    assert (first["DYN_KVBM_LEADER_ZMQ_PUB_PORT"], second["DYN_KVBM_LEADER_ZMQ_PUB_PORT"]) == ("5600", "5602")
    assert first["DYN_KVBM_LEADER_ZMQ_ACK_PORT"] == "9" and "DYN_KVBM_LEADER_ZMQ_HOST" not in first
    assert jobs.step(plan, "decode_0")["env"]["DYN_KVBM_LEADER_ZMQ_HOST"] == "10.0.0.2"
    without = jobs.step(plan_of(backend={"type": kind}), "prefill_0")["env"]
    assert not [name for name in without if "KVBM" in name]
