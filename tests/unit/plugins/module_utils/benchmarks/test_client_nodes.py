# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load clients on several nodes: from the job to one step with a task on each, and what is refused."""

from __future__ import annotations

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client import result as result_file
from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError

BENCHMARK = BENCHMARKS["sa-bench"]
TWO = {"client_nodes": 2, "clients": 4, "concurrencies": [8]}


def step_of(**benchmark):
    (point,) = jobs.plan_of(benchmark=benchmark)["benchmark"]["points"]
    return point, point["step"]


def test_one_step_has_a_task_on_each_node_and_the_first_one_leads():
    plan = jobs.plan_of(benchmark=TWO)
    (point,) = plan["benchmark"]["points"]
    step = point["step"]
    bench = step_of(concurrencies=[8])[1]["nodes"][0]
    addresses = {node["name"]: node["address"] for node in plan["nodes"]}
    assert step["nodes"][0] == bench and len(set(step["nodes"])) == step["ntasks"] == 2
    table = ",".join(f"{node}={addresses[node]}" for node in step["nodes"])
    assert jobs.option(step["argv"], "--nodes") == table and jobs.option(step["argv"], "--clients") == "4"
    assert step["srun_options"]["kill-on-bad-exit"] == "0" and point["expect"]["client_nodes"] == 2
    one = step_of(clients=4, concurrencies=[8])[1]
    assert "--nodes" not in one["argv"] and "kill-on-bad-exit" not in one["srun_options"]


def test_the_number_of_nodes_is_part_of_the_point_and_their_names_are_not():
    digest = {count: step_of(**{**TWO, "client_nodes": count})[0]["digest"] for count in (1, 2)}
    assert digest[1] != digest[2]
    spec = jobs.spec_of(benchmark=TWO)
    from ansible_collections.srt.slurm.plugins.module_utils.plan import planner

    count = planner.node_count(spec)
    other = planner.build(spec, jobs.allocation(count, job_id="8", prefix="other"))
    assert other["benchmark"]["points"][0]["digest"] == digest[2]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"clients": 1}, "benchmark.clients: is 1, which is too little for client_nodes: 2"),
        ({"concurrencies": [1, 8]}, "benchmark.client_nodes: is 2, but a point has 1 in flight"),
        (
            {"client_nodes": 9, "clients": "auto", "concurrencies": [16]},
            "benchmark.client_nodes: is 9, but the job has",
        ),
        ({"client_nodes": 0}, "benchmark.client_nodes"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_submitted(changes, problem):
    with pytest.raises(SpecError) as caught:
        jobs.resolved({**jobs.JOB, "benchmark": {**jobs.JOB["benchmark"], **TWO, **changes}})
    assert problem in str(caught.value)


def node(name, uncertainty=0.0001):
    return {"node": name, "clients": 2, "clock_offset_s": 3.0, "clock_uncertainty_s": uncertainty, "clock_drift_s": 0.0}


@pytest.mark.parametrize(
    ("nodes", "reason"),
    [
        ([node("a"), node("b")], None),
        ([node("a")], "the load was to come from 2 nodes, but came from 1"),
        (None, "the load was to come from 2 nodes, but came from 1"),
        ([node("a"), node("b", 0.2)], "the clock of node b is only known to 200 ms"),
    ],
)
def test_a_result_of_other_nodes_or_unknown_clocks_is_not_valid(nodes, reason):
    raw = {"num_prompts": 4, "completed": 4, "failed": 0, "duration": 1.0, "total_output_tokens": 9}
    expect = {"num_prompts": 4, "isl": None, "osl": None, "client_nodes": 2}
    found = BENCHMARK.evaluate({**raw, "client_nodes": nodes}, expect, 0.99)
    assert [one for one in found if reason in one] if reason else found == []


def test_a_damaged_list_of_nodes_is_no_result():
    for nodes in ("a", [1], [{"node": "a"}], [{**node("a"), "clock_uncertainty_s": "x"}]):
        assert result_file.problem({"client_nodes": nodes}) == "client_nodes is not a list of nodes with their clocks"


def test_a_disturbed_process_is_named_with_its_node():
    health = {"cpu_share": 0.1, "gaps": 1, "gaps_s": 2.0, "max_gap_s": 2.0, "max_gap_at_s": 0.5, "suspended_s": 0.0}
    (found,) = BENCHMARK.disturbances({"clients_health": [{**health, "node": "b"}], "duration": 9.0})
    assert found.startswith("process 1 of 1 on b: the load client did not run for 2.0 s")
