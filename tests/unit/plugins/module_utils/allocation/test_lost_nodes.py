# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that goes on without some of its nodes: it is planned with those that it began with."""

from __future__ import annotations

import types

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import addresses, adopted, description
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import load_plan
from ansible_collections.srt.slurm.plugins.module_utils.stages import preflight, srun_worker, topology_plan

ALL = ["n1", "n2", "n3", "n4"]


@pytest.fixture
def described(tmp_path, monkeypatch):
    """Return a function: how the job 7, which began at a time, is described with its nodes now."""
    monkeypatch.setattr(addresses, "node_addresses", lambda _id, names, *_more: [record(name) for name in names])
    monkeypatch.setattr(description.commands, "hostnames", lambda text: text.split(","))
    call = types.SimpleNamespace(allocation={"nodes": 4}, ctx=Context(), run_dir=lambda _job: str(tmp_path))

    def describe(names, began="2026-01-01T00:00:00Z"):
        job = {"id": "7", "name": "x", "state": "RUNNING", "reason": "", "nodelist": ",".join(names)}
        return description.describe(call, dict(job, started_at=began))

    return describe


def record(name):
    return {"name": name, "address": f"10.0.0.{name[1:]}"}


def test_the_nodes_that_a_job_began_with_stay_its_nodes(described):
    assert described(ALL)["nodes"] == [record(name) for name in ALL]
    for left in (["n1", "n2", "n4"], ["n1", "n2"]):
        made = described(left)
        assert made["nodes"] == [record(name) for name in ALL]
        assert made["lost"] == [name for name in ALL if name not in left]
    assert described(ALL)["lost"] == []


def test_a_requeued_job_begins_again_with_other_nodes(described):
    described(ALL)
    made = described(["n1", "n2", "n7"], began="2026-01-01T01:00:00Z")
    assert ([one["name"] for one in made["nodes"]], made["lost"]) == (["n1", "n2", "n7"], [])


def test_nodes_that_were_never_lost_are_not_made_up(described):
    described(ALL)
    made = described(["n1", "n5"])  # not a part of what it began with
    assert ([one["name"] for one in made["nodes"]], made["lost"]) == (["n1", "n5"], [])


def test_an_adopted_job_that_lost_a_node_is_still_large_enough(described, tmp_path, monkeypatch):
    monkeypatch.setattr(adopted.slurm_calls, "account", lambda: "me")
    described(ALL)
    job = {"id": "7", "user": "me", "state": "RUNNING", "nodelist": "n1,n2,n3", "started_at": "2026-01-01T00:00:00Z"}
    adopted.check(job, {"nodes": 4}, str(tmp_path))
    with pytest.raises(Error, match="has 3 nodes, but 4 are needed"):
        adopted.check(dict(job, started_at="2026-01-01T02:00:00Z"), {"nodes": 4}, str(tmp_path))


@pytest.fixture
def planned(fake, tmp_path, monkeypatch):
    """Return a function: the path of a plan for a job whose worker agg_1 is on a node that it has lost."""
    monkeypatch.setattr(srun_worker.driver, "connect_plan", lambda _plan, _ctx: fake)

    def plan(critical):
        spec = jobs.spec_of(
            resources={**jobs.AGGREGATED, "agg_workers": 2, "agg_nodes": 2},
            backend={"type": "sglang"},
            frontend={"type": "sglang", "enable_multiple_frontends": False},
            faults={"agg": {"critical": critical}},
        )
        job = {"id": "42", "name": "x", "run_dir": fake.run_dir, "nodes": [record("n1"), record("n2")], "lost": ["n2"]}
        return topology_plan.run({"spec": spec, "job": job}, Context())["plan_path"]

    return plan


def start(path):
    defaults = {"plan": None, "tier": "worker", "hosts": [], "names": [], "state": "started", "wait_timeout_s": 10.0}
    return srun_worker.run({**defaults, "plan_path": path}, Context())


def test_what_ran_on_a_lost_node_is_left_out(planned, fake):
    path = planned(critical=False)
    plan = load_plan(path)
    assert (plan["lost_nodes"], [one["name"] for one in plan["nodes"]]) == (["n2"], ["n1", "n2"])
    assert [step["name"] for step in start(path)["steps"]] == ["agg_0"]
    assert list(fake.records()) == ["agg_0"]


@pytest.mark.parametrize("stage", [start, lambda path: preflight.run({"plan_path": path}, Context())])
def test_a_lost_node_that_the_service_cannot_do_without_is_named(planned, stage):
    with pytest.raises(Error, match=r"Job 42 has lost n2, which agg_1 cannot do without\. End it"):
        stage(planned(critical=True))
