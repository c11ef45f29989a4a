# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""sa-bench with a trace: from the job to the load client, and what is refused before nodes are asked for."""

from __future__ import annotations

import json

import jobs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SpecError
from ansible_collections.srt.slurm.plugins.module_utils.job import inputs
from ansible_collections.srt.slurm.plugins.module_utils.plan import planner
from ansible_collections.srt.slurm.plugins.module_utils.stages import stage_data

BENCHMARK = BENCHMARKS["sa-bench"]


@pytest.fixture
def replay(tmp_path):
    """A trace of 30 requests, ten seconds apart, and a function that returns the benchmark section with it."""
    path = tmp_path / "conversation trace.jsonl"
    rows = [
        {"timestamp": 10_000 * number, "input_length": 600 + number, "output_length": 7, "hash_ids": [0, number]}
        for number in range(30)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    def section(**changes):
        section.path = path
        base = {"isl": None, "osl": None, "dataset_name": "trace", "dataset_path": str(path), "concurrencies": [2]}
        return {**base, **changes}

    return section


def staged(spec):
    class Context:
        check_mode = False

    return stage_data.run({"spec": spec}, Context())["files"]


def point_of(**benchmark):
    (point,) = jobs.plan_of(benchmark=benchmark)["benchmark"]["points"]
    return point


def test_a_trace_reaches_the_load_client_as_fast_as_the_concurrency_allows(replay):
    point = point_of(**replay())
    argv = point["step"]["argv"]
    assert jobs.option(argv, "--trace") == str(replay.path) and jobs.option(argv, "--trace-block-size") == "512"
    assert "--dataset" not in argv and "--isl" not in argv and "--osl" not in argv and "--trace-speedup" not in argv
    assert jobs.option(argv, "--num-prompts") == "20" and jobs.option(argv, "--concurrency") == "2"
    assert point["result"].startswith("results/sa-bench_trace_conversation_trace/results_concurrency_2_")
    assert point["expect"] == {"num_prompts": 20, "isl": None, "osl": None, "dataset": str(replay.path)}


def test_times_limits_and_the_number_of_requests_are_the_jobs(replay):
    point = point_of(**replay(trace_times=True, trace_speedup=2.5, isl=610, osl=8, num_prompts=9, clients=3))
    argv = point["step"]["argv"]
    words = {name: jobs.option(argv, f"--{name}") for name in ("trace-speedup", "isl", "osl", "num-prompts", "clients")}
    assert words == {"trace-speedup": "2.5", "isl": "610", "osl": "8", "num-prompts": "9", "clients": "3"}
    assert jobs.option(point_of(**replay(trace_times=True))["step"]["argv"], "--trace-speedup") == "1"


def test_how_a_trace_is_sent_and_its_content_are_part_of_the_point(replay):
    def digest(**changes):
        spec = inputs.with_inputs(jobs.spec_of(benchmark=replay(**changes)))
        plan = planner.build(spec, jobs.allocation(planner.node_count(spec)))
        return plan["benchmark"]["points"][0]["digest"], plan["digests"]["serving"]

    ways = ({}, {"trace_times": True}, {"trace_times": True, "trace_speedup": 2}, {"trace_block_size": 400}, {"isl": 9},
            {"num_prompts": 3})  # fmt: skip
    digests = [digest(**way) for way in ways]
    assert len({point for point, _serving in digests}) == len(ways) and len({serving for _p, serving in digests}) == 1
    assert digest() == digests[0]
    replay.path.write_text(replay.path.read_text().replace('"output_length": 7', '"output_length": 8', 1))
    assert digest()[0] != digests[0][0]


def test_a_container_sees_the_trace(replay):
    plan = jobs.plan_of(model={"container": "img:1"}, benchmark=replay())
    assert f"{replay.path}:{replay.path}" in plan["benchmark"]["points"][0]["step"]["mounts"]


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"concurrencies": [4]}, "has 30 requests, but a point sends 40"),
        ({"num_prompts": 31}, "has 30 requests, but a point sends 31"),
        ({"isl": 610}, r"has 11 requests within isl 610 \(19 longer ones are left out\), but a point sends 20"),
        ({"osl": 6}, r"has 0 requests within osl 6 \(30 longer"),
        ({"trace_block_size": 16}, "line 1 has 2 hash_ids; 600 tokens are 38 blocks of 16"),
        ({"trace_times": True, "point_timeout_s": 190}, "the last of 20 requests is sent after 190 s"),
        ({"trace_times": True, "stall_timeout_s": 10}, "nothing is sent for 10 s between two requests"),
    ],
)
def test_the_trace_is_checked_whole_before_nodes_are_asked_for(replay, changes, problem):
    with pytest.raises(Error, match=rf"benchmark\.dataset_path: .*trace\.jsonl:? {problem}"):
        staged(jobs.spec_of(benchmark=replay(**changes)))


@pytest.mark.parametrize(
    "changes",
    [{}, {"isl": 619}, {"concurrencies": [1, 3]}, {"num_prompts": 30, "concurrencies": [64]},
     {"trace_times": True, "point_timeout_s": 191}, {"trace_times": True, "stall_timeout_s": 0},
     {"trace_times": True, "stall_timeout_s": 10, "trace_speedup": 1.1}],
)  # fmt: skip
def test_a_trace_that_fits_is_staged(replay, changes):
    assert staged(jobs.spec_of(benchmark=replay(**changes)))["dataset_path"]["rows"] in (20, 30)


@pytest.mark.parametrize(
    ("benchmark", "problem"),
    [
        ({"dataset_name": "trace", "isl": None, "osl": None}, "benchmark.dataset_path: is missing"),
        (
            {"dataset_name": "mooncake"},
            "benchmark.dataset_name: is mooncake; expected random, custom, trace or sessions",
        ),
        ({"trace_times": True}, "benchmark.trace_times: is set, but dataset_name is random"),
        ({"trace_block_size": 64}, "benchmark.trace_block_size: is set, but dataset_name is random"),
        ({"dataset_name": "custom", "dataset_path": "/d", "trace_speedup": 2}, "is set, but dataset_name is custom"),
        ({"dataset_name": "trace", "dataset_path": "/d", "trace_speedup": 2}, "benchmark.trace_speedup: is set, but"),
        ({"dataset_name": "trace", "dataset_path": "/d", "trace_times": True, "req_rate": 3}, "benchmark.trace_times"),
        ({"trace_speedup": 0}, "benchmark.trace_speedup"),
        ({"trace_block_size": 0}, "benchmark.trace_block_size"),
        ({"num_prompts": 0}, "benchmark.num_prompts"),
    ],
)
def test_contradictions_are_refused(benchmark, problem):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(benchmark=benchmark)
    assert problem in str(caught.value)


def test_a_search_over_the_rate_of_a_trace_with_times_is_refused(replay):
    search = {"over": "req_rate", "to": 9, "objectives": {"mean_ttft_ms": 9}}
    with pytest.raises(SpecError, match=r"benchmark\.trace_times"):
        jobs.spec_of(benchmark=replay(trace_times=True, search=search))


def test_the_number_of_requests_is_the_same_at_each_concurrency_if_the_job_says_it():
    points = jobs.plan_of(benchmark={"concurrencies": [1, 7], "num_prompts": 50})["benchmark"]["points"]
    assert [point["expect"]["num_prompts"] for point in points] == [50, 50]


@pytest.mark.parametrize(("late", "valid"), [(0, True), (1, True), (2, False), (100, False)])
def test_a_point_whose_requests_were_late_is_not_valid(late, valid):
    raw = {
        "num_prompts": 100, "completed": 100, "failed": 0, "duration": 9.0, "total_output_tokens": 100,
        "max_concurrency": 4, "late_requests": late, "most_late_s": 1.25,
    }  # fmt: skip
    reasons = BENCHMARK.evaluate(raw, {"num_prompts": 100}, 0.99)
    assert (not reasons) == valid
    assert (
        valid or f"{late} of 100 requests were sent later than the trace says, by up to 1.2 s: 4 requests" in reasons[0]
    )
