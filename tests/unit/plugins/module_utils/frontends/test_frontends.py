# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.frontends import FRONTENDS

FOUR = {"prefill_nodes": 2, "decode_nodes": 2}


def nginx_text(plan):
    return next(one["content"] for one in plan["files"] if one["path"] == "nginx.conf")


def test_dynamo_command():
    args = {"router-mode": "kv", "router-reset-states": True, "no-kv-events": False, "x": None, "j": {"a": 1}}
    plan = jobs.plan_of(frontend={"args": args, "env": {"E": "1"}}, environment={"E": "0", "F": "2"})
    one = jobs.step(plan, "frontend_0")
    assert one["argv"] == [
        *("python3", "-m", "dynamo.frontend", "--http-port", "8080"),
        *("--router-mode", "kv", "--router-reset-states", "--j", '{"a": 1}'),
    ]
    assert one["env"]["E"] == "1" and one["env"]["F"] == "2" and "DYN_SYSTEM_PORT" not in one["env"]
    assert one["log"] == "logs/%N_frontend_0.out" and one["tier"] == "frontend"


def test_layout_behind_nginx():
    plan = jobs.plan_of(resources=FOUR, frontend={"num_additional_frontends": 1})
    assert [(one["name"], one["nodes"]) for one in plan["steps"] if one["tier"] == "frontend"] == [
        ("frontend_0", ["n2"]),
        ("frontend_1", ["n3"]),
        ("nginx", ["n1"]),
    ]
    text = nginx_text(plan)
    assert "server 10.0.0.2:8080" in text and "server 10.0.0.3:8080" in text and "listen 8000" in text
    assert "10.0.0.4" not in text
    assert plan["frontend_url"] == "http://10.0.0.1:8000"
    assert plan["groups"]["srt_frontend"] == ["n1", "n2", "n3"]


def test_one_frontend_needs_no_nginx():
    for changes in ({"frontend": {"enable_multiple_frontends": False}}, {"resources": jobs.AGGREGATED}):
        plan = jobs.plan_of(**changes)
        assert [one["name"] for one in plan["steps"] if one["tier"] == "frontend"] == ["frontend_0"]
        assert jobs.option(jobs.step(plan, "frontend_0")["argv"], "--http-port") == "8000"
        assert "nginx.conf" not in [one["path"] for one in plan["files"]]
        assert [one["name"] for one in plan["checks"]][-3:] == ["frontend_0_workers", "frontend_0_model", "token"]


def test_nginx_config_is_private_and_quiet():
    plan = jobs.plan_of()
    text = nginx_text(plan)
    assert "proxy_buffering off;" in text and "access_log off;" in text and "keepalive_timeout 600s;" in text
    private = {line.split()[1].rstrip(";") for line in text.splitlines() if "_temp_path" in line or line[:3] == "pid"}
    assert len(private) == 6
    assert all(path.startswith("/tmp/srt-7-") for path in private)
    one = jobs.step(plan, "nginx")
    assert one["files"] == ["nginx.conf"]
    assert one["argv"][-7:] == ["nginx", "-c", "/out/7/nginx.conf", "-e", "stderr", "-g", "daemon off;"]
    assert "worker_connections 65535;" in text
    assert "hash" not in text and "worker_rlimit_nofile 131072;" in text


def test_nginx_options():
    plan = jobs.plan_of(
        frontend={
            "nginx_session_affinity": True,
            "nginx_session_affinity_header": "X-Session-Id",
            "nginx_raise_ulimit": True,
            "nginx_keepalive_timeout": "5s",
        }
    )
    text = nginx_text(plan)
    assert "map $http_x_session_id $srt_affinity" in text and "hash $srt_affinity consistent;" in text
    assert "worker_rlimit_nofile 1048576;" in text and "keepalive_timeout 5s;" in text
    assert "ulimit -n 1048576" in jobs.step(plan, "nginx")["preamble"]


@pytest.mark.parametrize("text", ["600s", "90", 90, "10m", "1h 30m", "1h30m", "2w3d", "500ms", "1m30", "0", " 5s "])
def test_times_of_nginx(text):
    words = str(text).strip()
    written = f'"{words}"' if " " in words else words
    conf = nginx_text(jobs.plan_of(frontend={"nginx_keepalive_timeout": text}))
    assert conf.count(f"keepalive_timeout {written};") == 2


@pytest.mark.parametrize("text", ["", "600s; evil", "600S", "1m 1h", "s", "1 h", "5 30s", "1y", "10s\n5"])
def test_times_that_nginx_would_not_read(text):
    with pytest.raises(
        SpecError, match="keepalive_timeout: (?s:.*) not a valid time for nginx. Write it as in 600s"
    ) as caught:
        jobs.spec_of(frontend={"nginx_keepalive_timeout": text})
    assert len(caught.value.problems) == 1


@pytest.mark.parametrize("text", ["", "X; evil", "X Y", "{}"])
def test_headers_that_nginx_would_not_read(text):
    with pytest.raises(SpecError, match="not a valid header for nginx. Write it as in X-Session-ID"):
        jobs.spec_of(frontend={"nginx_session_affinity_header": text})


def test_checks_ask_every_frontend_and_end_with_a_token():
    plan = jobs.plan_of(resources=FOUR)
    checks = {one["name"]: one for one in plan["checks"]}
    assert list(checks)[:4] == ["prefill_0", "prefill_1", "decode_0", "decode_1"]
    health = checks["frontend_2_workers"]
    assert (health["host"], health["port"], health["path"]) == ("10.0.0.4", 8080, "/health")
    assert health["expect"] == [
        {
            "label": "prefill",
            "path": "instances",
            "where": {"endpoint": "generate", "component": "prefill"},
            "min": 2,
            "modes": ["prefill"],
        },
        {
            "label": "decode",
            "path": "instances",
            "where": {"endpoint": "generate", "component": ["backend", "decode", "tensorrt_llm"]},
            "min": 2,
            "modes": ["decode", "agg"],
        },
    ]
    last = plan["checks"][-1]
    assert last["name"] == "token" and (last["host"], last["port"]) == ("10.0.0.1", 8000)
    assert last["method"] == "POST" and last["body"]["max_tokens"] == 1
    assert set(last["after"]) == {name for name in checks if name.startswith("frontend_")}
    direct = checks["frontend_1_token"]
    assert direct["host"] == "10.0.0.3" and direct["after"] == ["frontend_1_workers", "frontend_1_model"]
    assert {"prefill_0", "decode_1"} <= set(direct["steps"])


def test_aggregated_workers_count_as_decode():
    plan = jobs.plan_of(resources={**jobs.AGGREGATED, "agg_workers": 4})
    health = next(one for one in plan["checks"] if one["name"] == "frontend_0_workers")
    assert [(expect["label"], expect["min"]) for expect in health["expect"]] == [("decode", 4)]


def test_check_names_are_unique_and_after_names_exist():
    plan = jobs.plan_of(resources=FOUR)
    names = [one["name"] for one in plan["checks"]]
    assert len(names) == len(set(names))
    steps = {one["name"] for one in plan["steps"]}
    for one in plan["checks"]:
        assert set(one["after"]) <= set(names) and set(one["steps"]) <= steps


def test_a_frontend_that_cannot_serve_the_backend():
    with pytest.raises(SpecError, match="cannot serve backend mocker"):
        jobs.spec_of(frontend={"type": "vllm"})


@pytest.mark.parametrize("name", sorted(FRONTENDS))
def test_every_frontend_has_the_interface(name):
    assert FRONTENDS[name].type == name


@pytest.mark.parametrize("key", ["worker-startup-check-interval", "worker_startup_check_interval"])
def test_an_option_of_ours_that_the_job_sets_is_passed_once(key):
    backend, frontend = {"type": "sglang"}, {"type": "sglang", "args": {key: 7}}
    argv = jobs.step(jobs.plan_of(backend=backend, frontend=frontend), "frontend_0")["argv"]
    assert [word for word in argv if "check" in word] == [f"--{key}"] and argv[-1] == "7"


def test_an_empty_infra_node_is_pointed_out():
    changes = {"backend": {"type": "sglang"}, "frontend": {"type": "sglang"}}
    plan = jobs.plan_of(**changes, infra={"etcd_nats_dedicated_node": True})
    assert any("that node stays idle" in note for note in plan["notes"])


@pytest.mark.parametrize(
    ("kind", "backend", "args", "flag", "value"),
    [
        ("dynamo", {"type": "mocker"}, {"http-port": 9}, "--http-port", "8080"),
        ("dynamo", {"type": "mocker"}, {"http_port": 9, "http-host": "::"}, "--http-port", "8080"),
        ("sglang", {"type": "sglang"}, {"host": "h", "port": 9}, "--port", "8080"),
        ("sglang", {"type": "sglang"}, {"--prometheus-port": 9}, "--prometheus-port", "29000"),
    ],
)
def test_a_port_of_the_frontends_own_gives_way_with_a_note(kind, backend, args, flag, value):
    plan = jobs.plan_of(backend=backend, frontend={"type": kind, "args": {**args, "router-mode": "kv"}})
    argv = jobs.step(plan, "frontend_0")["argv"]
    assert argv.count(flag) == 1 and jobs.option(argv, flag) == value and "--http_port" not in argv
    assert jobs.option(argv, "--router-mode") == "kv" and not {"9", "h", "::"} & set(argv)
    told = [
        note
        for note in plan["notes"]
        if note.startswith(f"frontend.args: {', '.join(args)}: ignored, the plan sets this")
    ]
    assert len(told) == 1


def test_what_is_left_out_anyway_needs_no_note():
    plan = jobs.plan_of(frontend={"args": {"http-port": None, "http-host": False}})
    assert not [note for note in plan["notes"] if "frontend.args" in note]


def test_host_and_port_of_trtllm_serve_give_way_with_a_note():
    extra = {"port": 1, "hostname": "x", "max_retries": 3}
    changes = {"backend": {"type": "trtllm", "trtllm_config": {}}, "frontend": {"type": "trtllm_serve"}}
    changes["frontend"]["server_config_extra"] = extra
    plan = jobs.plan_of(**changes)
    text = next(one["content"] for one in plan["files"] if one["path"] == "trtllm_serve.yaml")
    assert text.startswith('hostname: "0.0.0.0"\nport: 8000\nmax_retries: 3\n')
    assert "frontend.server_config_extra: port, hostname: ignored, the plan sets this." in plan["notes"]
    plan = jobs.plan_of(resources=jobs.AGGREGATED, **changes)
    (note,) = [note for note in plan["notes"] if "no effect" in note]
    assert note.startswith("frontend.server_config_extra: no effect, the worker is")


def test_vllm_serve_takes_no_options_but_says_that_host_and_port_are_the_plans():
    changes = {"resources": jobs.AGGREGATED, "backend": {"type": "vllm"}}
    plan = jobs.plan_of(**changes, frontend={"type": "vllm", "args": {"host": "x", "port": 1}})
    assert any(note.startswith("frontend.args: host, port: ignored, the plan sets this") for note in plan["notes"])
    with pytest.raises(SpecError, match="is not used: no frontend program runs"):
        jobs.plan_of(**changes, frontend={"type": "vllm", "args": {"router-mode": "kv"}})


@pytest.mark.parametrize("kind", ["vllm", "trtllm"])
def test_what_has_no_effect_without_a_frontend_is_a_note(kind):
    frontend = {"type": "vllm" if kind == "vllm" else "trtllm_serve", "env": {"A": "1"}, "dedicated_node": True}
    changes = {"resources": jobs.AGGREGATED, "backend": {"type": kind}, "frontend": frontend}
    stays = "frontend.dedicated_node: the worker is the public endpoint, so that node stays idle."
    notes = jobs.plan_of(**changes)["notes"]
    assert stays in notes and any(note.startswith("frontend.env: no effect, the worker is") for note in notes)
    # The client is on it.
    assert stays not in jobs.plan_of(**changes, benchmark={"client_dedicated_node": True})["notes"]
    apart = {"client_dedicated_node": True, "colocate_with_frontend": False}
    assert stays in jobs.plan_of(**changes, benchmark=apart)["notes"]
    # A frontend that runs has both.
    assert not [note for note in jobs.plan_of(frontend={**frontend, "type": "dynamo"})["notes"] if "frontend." in note]
