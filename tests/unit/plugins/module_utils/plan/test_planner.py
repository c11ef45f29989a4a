# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import re

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import own_client
from ansible_collections.srt.slurm.plugins.module_utils.job import allocation_request
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from ansible_collections.srt.slurm.plugins.module_utils.slurm import options

STEP_KEYS = {
    "needs",
    "name",
    "kind",
    "mode",
    "index",
    "rank",
    "tier",
    "nodes",
    "ntasks",
    "argv",
    "preamble",
    "env",
    "files",
    "container",
    "mounts",
    "srun_options",
    "log",
    "critical",
    "ready",
    "stop_grace_s",
    "digest",
}


def all_steps(plan):
    return plan["steps"] + [point["step"] for point in plan["benchmark"]["points"]]


def digests(plan):
    return {one["name"]: one["digest"] for one in all_steps(plan)}


def differing(first, second):
    one, two = digests(first), digests(second)
    return {name for name in {*one, *two} if one.get(name) != two.get(name)}


@pytest.mark.parametrize("changes", [{}, {"resources": jobs.AGGREGATED}, {"model": {"container": "a:b"}}])
def test_shape(changes):
    plan = jobs.plan_of(**changes)
    assert json.loads(json.dumps(plan)) == plan
    names = [one["name"] for one in all_steps(plan)]
    assert len(names) == len(set(names))
    known = {node["name"] for node in plan["nodes"]}
    files = {one["path"] for one in plan["files"]}
    for one in all_steps(plan):
        assert set(one) == STEP_KEYS
        assert re.fullmatch(r"[a-z0-9_]{1,60}", one["name"]) and re.fullmatch(r"[0-9a-f]{16}", one["digest"])
        assert set(one["nodes"]) <= known and one["ntasks"] == len(one["nodes"])
        assert set(one["files"]) <= files
        assert all(isinstance(word, str) for word in one["argv"])
        assert all(isinstance(value, str) for value in one["env"].values())
        assert one["log"].startswith("logs/%N_")
    order = ["head_infra", "worker", "frontend", "benchmark"]
    tiers = [order.index(one["tier"]) for one in all_steps(plan)]
    assert tiers == sorted(tiers)


def test_a_step_says_what_it_is():
    resources = {"decode_nodes": 2, "decode_workers": 1}
    plan = jobs.plan_of(backend={"type": "sglang"}, resources=resources, frontend={"num_additional_frontends": 1})
    found = {step["name"]: tuple(step[key] for key in ("kind", "mode", "index", "rank")) for step in all_steps(plan)}
    assert found == {
        "nats": ("nats", None, None, None),
        "etcd": ("etcd", None, None, None),
        "prefill_0": ("worker", "prefill", 0, 0),
        "prefill_1": ("worker", "prefill", 1, 0),
        "decode_0": ("worker", "decode", 0, 0),
        "decode_0_r1": ("worker", "decode", 0, 1),
        "frontend_0": ("frontend", None, 0, None),
        "frontend_1": ("frontend", None, 1, None),
        "nginx": ("nginx", None, None, None),
        "bench_c4": ("benchmark", None, None, None),
        "bench_c16": ("benchmark", None, None, None),
    }


def test_nodes_carry_their_groups():
    plan = jobs.plan_of()
    assert plan["nodes"][0] == {
        "name": "n1",
        "address": "10.0.0.1",
        "roles": ["head", "infra", "bench", "prefill"],
        "groups": ["srt_nodes", "srt_head", "srt_infra", "srt_prefill", "srt_frontend", "srt_bench"],
        "gpus": 8,
    }
    assert plan["nodes"][1]["roles"] == ["frontend", "decode"]
    assert plan["holder_node"] == "n1"


def test_same_input_same_plan():
    assert jobs.plan_of() == jobs.plan_of()


def test_serving_and_point_digests_are_equal_on_every_allocation(monkeypatch):
    spec = jobs.spec_of()
    first = planner.build(spec, jobs.allocation(2))
    monkeypatch.setattr(own_client, "program_files", lambda program: {"a.py": "x"})
    second = planner.build(spec, jobs.allocation(2, "8", "/other/8", "m"))
    assert first["digests"] == second["digests"]
    points = [[point["digest"] for point in plan["benchmark"]["points"]] for plan in (first, second)]
    assert points[0] == points[1] and len(set(points[0])) == 2
    assert digests(first) != digests(second)
    assert first["digests"]["serving"] == planner.Planner(spec).serving_digest


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({"benchmark": {"isl": 64}}, {"bench_c4", "bench_c16"}),
        ({"benchmark": {"concurrencies": [4]}}, {"bench_c16"}),
        ({"health_check": {"max_attempts": 5}}, set()),
        ({"name": "other"}, set()),
        ({"slurm": {"time_limit": "00:05:00"}}, set()),
        ({"backend": {"prefill_environment": {"A": "1"}}}, {"prefill_0", "prefill_1"}),
        ({"backend": {"mocker_config": {"decode": {"max-num-seqs": 3}}}}, {"decode_0", "decode_1"}),
        ({"frontend": {"args": {"router-mode": "kv"}}}, {"frontend_0"}),
        ({"frontend": {"nginx_keepalive_timeout": "5s"}}, {"nginx"}),
        ({"infra": {"nats_max_payload_mb": 8}}, {"nats"}),
        ({"resources": {"gpu_type": "h200"}, "slurm": {"partition": "h200"}}, set()),
    ],
)
def test_only_what_changed_changes(changes, expected):
    new = differing(jobs.plan_of(), jobs.plan_of(**changes))
    service = {name for name in new if not name.startswith("bench_")}
    points = new - service
    assert service == {name for name in expected if not name.startswith("bench_")}
    # A point of another service is another point; but what is measured leaves the service alone.
    assert points == ({"bench_c4", "bench_c16"} if service else expected)


@pytest.mark.parametrize(
    "changes, serving, points",
    [
        ({"benchmark": {"isl": 64}}, False, True),
        ({"benchmark": {"seed": 5}}, False, True),
        ({"benchmark": {"concurrencies": [16, 4, 2]}}, False, False),
        ({"benchmark": {"point_timeout_s": 5}}, False, False),
        ({"name": "other", "slurm": {"time_limit": "00:05:00"}}, False, False),
        ({"backend": {"speedup_ratio": 5}}, True, True),
        ({"ports": {"frontend": 9000}}, True, True),
        ({"environment": {"A": "b"}}, True, True),
        ({"resources": {"gpu_type": "h200"}}, False, True),
        ({"slurm": {"partition": "h200"}}, False, True),
        ({"sbatch_directives": {"p": "h200"}}, False, True),
        ({"sbatch_directives": {"C": "h200"}}, False, True),
        ({"sbatch_directives": {"gres": "gpu:h200:8"}}, False, True),
        ({"sbatch_directives": {"gpus-per-node": "h200:8"}}, False, True),
        ({"sbatch_directives": {"c": "4"}}, False, True),
        ({"sbatch_directives": {"mem": "64G"}}, False, True),
        ({"sbatch_directives": {"hint": "nomultithread"}}, False, True),
        ({"sbatch_directives": {"exclusive": ""}}, False, True),
        ({"sbatch_directives": {"w": "node[001-002]"}}, False, True),
        ({"sbatch_directives": {"x": "node001", "mail-user": "me", "A": "other"}}, False, False),
        ({"sbatch_directives": {"comment": "h200", "qos": "high", "reservation": "today"}}, False, False),
    ],
)
def test_digests_are_over_exactly_what_matters(changes, serving, points):
    first, second = jobs.plan_of(), jobs.plan_of(**changes)
    assert (first["digests"]["serving"] != second["digests"]["serving"]) is serving
    table = [{point["name"]: point["digest"] for point in plan["benchmark"]["points"]} for plan in (first, second)]
    assert (table[0]["bench_c4"] != table[1]["bench_c4"]) is points
    steps = [point["step"]["digest"] for plan in (first, second) for point in plan["benchmark"]["points"][:1]]
    assert steps[0] != steps[1] or not serving  # what measures another service is another step


def test_what_selects_the_hardware_are_options_of_sbatch():
    assert allocation_request.HARDWARE <= options.SBATCH


def test_allocation_digest():
    def digest(**changes):
        return jobs.plan_of(**changes)["digests"]["allocation"]

    assert digest() == digest(benchmark={"isl": 9}) == digest(backend={"speedup_ratio": 3})
    assert len({digest(), digest(resources={"prefill_nodes": 2}), digest(slurm={"partition": "p"})}) == 3


def test_content_of_files_counts(monkeypatch):
    one = jobs.plan_of()
    monkeypatch.setattr(own_client, "program_files", lambda program: {"__main__.py": "b"})
    two = jobs.plan_of()
    assert differing(one, two) == {"bench_c4", "bench_c16"}


def test_imaginary_plan():
    spec = jobs.spec_of()
    plan = planner.build(spec, planner.imaginary_allocation(spec))
    assert plan["job_id"] == "JOBID" and plan["nodes"][1]["name"] == "node0002"
    assert plan["frontend_url"] == "http://<addr:node0001>:8000"


def test_infrastructure():
    plan = jobs.plan_of(infra={"etcd_nats_dedicated_node": True, "nats_max_payload_mb": 100}, ports={"etcd": 3379})
    nats, etcd = jobs.step(plan, "nats"), jobs.step(plan, "etcd")
    assert nats["nodes"] == etcd["nodes"] == ["n1"] == plan["groups"]["srt_infra"]
    assert nats["ready"][0]["kind"] == "tcp" and nats["ready"][0]["port"] == 4222
    assert etcd["ready"][0]["path"] == "/health" and etcd["ready"][0]["port"] == 3379
    assert jobs.option(etcd["argv"], "--advertise-client-urls") == "http://10.0.0.1:3379"
    text = next(one["content"] for one in plan["files"] if one["path"] == "nats.conf")
    assert f"max_payload: {100 * 1024 * 1024}" in text and f"max_pending: {100 * 1024 * 1024}" in text
    assert nats["files"] == ["nats.conf"]
    assert jobs.step(plan, "prefill_0")["env"]["ETCD_ENDPOINTS"] == "http://10.0.0.1:3379"


def test_private_directories_differ_by_job_run_and_step():
    def folders(plan):
        return {word for one in plan["steps"] for word in one["argv"] if word.startswith("/tmp/srt-")}

    spec = jobs.spec_of()
    first = folders(planner.build(spec, jobs.allocation(2)))
    assert len(first) == 3
    assert not first & folders(planner.build(spec, jobs.allocation(2, run_dir="/elsewhere/7")))
    assert not first & folders(planner.build(spec, jobs.allocation(2, job_id="8")))


def test_container_and_mounts(tmp_path):
    (tmp_path / "c.yaml").write_text(
        "configs_dir: /site\ndefault_mounts: {/host/a: /a, /host/b: /b}\ndefault_bash_preamble: 'source /env.sh'\n"
    )
    spec = jobs.spec_of(
        cluster=load_cluster(str(tmp_path / "c.yaml")),
        model={"container": "img:1"},
        extra_mount=["/x:/y:ro", "/same"],
        container_mounts={"/own/b": "/b"},
        setup_script="patch/one.sh",
        benchmark={"container_image": "bench:2"},
    )
    plan = jobs.plan_of(spec)
    worker = jobs.step(plan, "prefill_0")
    assert worker["container"] == {"runtime": "pyxis", "image": "img:1", "writable": True}
    assert worker["mounts"] == [
        "/out/7:/out/7",
        "/out/7/logs:/logs",
        "/models/tiny:/model",
        "/site:/configs",
        "/host/a:/a",
        "/own/b:/b",
        "/x:/y:ro",
        "/same:/same",
    ]
    assert jobs.option(worker["argv"], "--model-path") == "/model" and worker["argv"][0] == "python3"
    assert worker["preamble"] == (
        "source /env.sh\nif [ -e /configs/patch/one.sh ]; then bash /configs/patch/one.sh; "
        "else bash /configs/patches/patch/one.sh; fi || exit 1\nexport CUDA_VISIBLE_DEVICES=0,1,2,3"
    )
    assert jobs.step(plan, "nats")["preamble"] == 'source /env.sh\nexport PATH=/configs:"$PATH":/usr/sbin:/sbin'
    assert jobs.step(plan, "nginx")["container"]["image"] == "nginx:1.27.4"
    assert jobs.step(plan, "bench_c4")["container"]["image"] == "bench:2"


def test_without_a_container_nothing_is_mounted():
    plan = jobs.plan_of(extra_mount=["/x:/y"])
    assert all(one["container"] is None and one["mounts"] == [] for one in all_steps(plan))


def test_srun_options_reach_workers_and_the_client():
    plan = jobs.plan_of(srun_options={"cpu-bind": "none", "exact": None, "mem": 0})
    wanted = {"cpu-bind": "none", "mem": "0"}
    for name in ("prefill_0", "bench_c4"):
        assert jobs.step(plan, name)["srun_options"].items() >= wanted.items()
    assert jobs.step(plan, "nats")["srun_options"] == {}


def test_quickstart_golden(monkeypatch):
    """The whole plan of the quickstart. After a wanted change: SRT_UPDATE_GOLDEN=1, then read the diff."""
    spec = jobs.example("quickstart.yaml")
    monkeypatch.setattr(own_client, "program_files", lambda program: {"__main__.py": "print()\n"})
    plan = planner.build(spec, jobs.allocation(4))
    path = jobs.ROOT / "tests" / "data" / "quickstart.plan.json"
    text = json.dumps(plan, indent=1) + "\n"
    if os.environ.get("SRT_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert json.loads(path.read_text(encoding="utf-8")) == plan


@pytest.mark.parametrize("path", sorted((jobs.ROOT / "examples").glob("*.yaml")), ids=lambda path: path.name)
def test_examples_plan(path):
    if path.name.startswith("srtslurm"):
        assert load_cluster(str(path)).path
        return
    spec = jobs.example(path.name)
    assert planner.build(spec, planner.imaginary_allocation(spec))["steps"]
    assert planner.node_count(spec) >= 1
