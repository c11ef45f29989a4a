# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of the job's own: where and when they run, what they know, and when they are ready."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError
from ansible_collections.srt.slurm.plugins.module_utils.holder.probe import Prober, probe
from ansible_collections.srt.slurm.plugins.module_utils.job.cluster import load_cluster

TOOLS = {"name": "My Tools", "command": ["toolbox", "{node_ip}:9900", "{other}"], "env": {"A": "{node_id}"}}


def job(*services, **more):
    """Return a job of two nodes with an aggregated worker on each and *services*."""
    return jobs.raw(
        services=list(services),
        resources={**jobs.AGGREGATED, "agg_nodes": 2, "agg_workers": 2},
        model={"container": "acme/e:1"},
        **more,
    )


def own_steps(*services, **more):
    plan = jobs.plan_of(jobs.spec_of(job(*services, **more)))
    return [step for step in plan["steps"] if step["kind"] == "service"]


def test_it_runs_once_on_the_head_after_the_frontends():
    (step,) = own_steps(TOOLS)
    assert (step["name"], step["tier"], step["nodes"]) == ("service_my_tools", "frontend", ["n1"])
    assert step["argv"] == ["toolbox", "10.0.0.1:9900", "{other}"] and step["ready"] == []
    assert step["env"]["A"] == "0" and step["env"]["ETCD_ENDPOINTS"] == "http://10.0.0.1:2379"
    assert not step["critical"] and step["container"]["image"] == "acme/e:1"


@pytest.mark.parametrize(
    "placement, start, nodes, tier",
    [
        ("agg", "before_workers", ["n1", "n2"], "head_infra"),
        ("workers", "with_workers", ["n1", "n2"], "worker"),
        ("all", "after_frontend", ["n1", "n2", "n3"], "frontend"),
        ("infra", "infra", ["n1"], "head_infra"),
    ],
)
def test_there_is_an_instance_on_each_node(placement, start, nodes, tier):
    tools = {**TOOLS, "placement": {"node": placement}, "start": start, "critical": True}
    steps = own_steps(tools, benchmark={"client_dedicated_node": True})
    assert [step["nodes"][0] for step in steps] == nodes
    assert {(step["tier"], step["critical"]) for step in steps} == {(tier, True)}
    assert len({step["name"] for step in steps}) == len(nodes)


@pytest.mark.parametrize(
    "readiness, check",
    [
        ({"port": 9900}, {"kind": "tcp", "host": "10.0.0.1", "port": 9900}),
        ({"tcp": {"port": 9901}}, {"kind": "tcp", "port": 9901}),
        ({"http": {"port": 9900, "path": "/up", "status": 204}}, {"kind": "http", "path": "/up", "status": [204]}),
        ({"log": {"pattern": "go+"}}, {"kind": "log", "path": "/out/7/logs/n1_service_my_tools.out", "pattern": "go+"}),
        ({"file": {"path": "/logs/ready-{node}"}}, {"kind": "file", "path": "/out/7/logs/ready-n1"}),
        ({"file": {"path": "up"}}, {"kind": "file", "path": "/out/7/logs/up"}),
    ],
)
def test_when_it_is_ready(readiness, check):
    (step,) = own_steps({**TOOLS, "readiness": {**readiness, "timeout_seconds": 9}})
    assert check.items() <= step["ready"][0].items() and step["ready"][0]["steps"] == [step["name"]]
    assert step["ready"][0]["patience_s"] == 9


def test_it_has_options_and_an_image_of_its_own(tmp_path):
    (tmp_path / "srtslurm.yaml").write_text("containers: {tools: acme/tools:3}\n")
    tools = {**TOOLS, "container": "tools", "cpus_per_task": 3, "srun_options": {"mem": "1G"}, "args": ["-v"]}
    tools.update(inherit_discovery_env=False, preamble="echo {node}")
    spec = jobs.spec_of(job(tools, srun_options={"mem": "0"}), cluster=load_cluster(str(tmp_path / "srtslurm.yaml")))
    step = jobs.step(jobs.plan_of(spec), "service_my_tools")
    assert step["container"]["image"] == "acme/tools:3" and step["argv"][-1] == "-v"
    assert step["srun_options"] == {"mem": "1G", "cpus-per-task": "3"}
    assert "ETCD_ENDPOINTS" not in step["env"] and "echo n1" in step["preamble"]


def test_the_load_client_knows_where_it_is():
    tools = {**TOOLS, "placement": {"node": "agg"}}
    plan = jobs.plan_of(jobs.spec_of(job(tools)))
    env = plan["benchmark"]["points"][0]["step"]["env"]
    assert env["SRT_SERVICE_MY_TOOLS_IPS"] == "10.0.0.1,10.0.0.2" and env["SRT_SERVICE_MY_TOOLS_NODE_COUNT"] == "2"


@pytest.mark.parametrize(
    "changes, path, words",
    [
        ({"command": None}, "services[0].command", "is missing"),
        ({"command": "a b"}, "services[0].command", "expected a list"),
        ({"placement": {"node": "prefill"}}, "services[0].placement.node", "has no such workers"),
        ({"placement": {"node": "agg", "per": "worker"}}, "services[0].placement.per", "not built yet"),
        ({"readiness": {"port": 1, "log": {"pattern": "x"}}}, "services[0].readiness", "has port and log"),
        ({"readiness": {"timeout_seconds": 3}}, "services[0].readiness", "none of them"),
        ({"readiness": {"log": {"pattern": "("}}}, "services[0].readiness.log.pattern", "regular expression"),
        ({"terminal": True}, "services[0].terminal", "not built yet"),
        ({"nodes": 2}, "services[0].nodes", "not built yet"),
        ({"comand": ["x"]}, "services[0].comand", "command"),
    ],
)
def test_what_it_cannot_be(changes, path, words):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(job({**TOOLS, **changes}))
    found = {one["path"]: f"{one['problem']} {one['remedy']}" for one in caught.value.problems}
    assert path in found and words in found[path], found


def test_names_that_make_one_step():
    with pytest.raises(SpecError, match="same name of a step as My Tools"):
        jobs.spec_of(job(TOOLS, {**TOOLS, "name": "my-tools"}))


def test_the_holder_looks_into_logs_and_for_files(tmp_path):
    log = {"kind": "log", "name": "x", "host": "", "port": 0, "path": str(tmp_path / "log"), "pattern": "ready|up"}
    file = {**log, "kind": "file"}
    assert "No such file" in probe(log) and "is not there" in probe(file)
    (tmp_path / "log").write_text("starting\n")
    assert "no line" in probe(log) and probe(file) is None
    (tmp_path / "log").write_text("starting\nready\n")
    assert probe(log) is None
    later = Prober()
    assert later.probe(log, 2) is not None, "the line is of an earlier start"
    (tmp_path / "log").write_text("starting\nready\nstarting\nup\n")
    assert later.probe(log, 2) is None


def test_what_starts_beside_etcd_does_not_restart_after_it():
    first, last = own_steps({**TOOLS, "start": "before_workers"}, {**TOOLS, "name": "last"})
    assert first["needs"] == [] and last["needs"] == ["nats", "etcd"]
