# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""sa-bench with sessions: from the job to the load client, what is refused, and which results count."""

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
RANDOM = {"dataset_name": "sessions", "endpoint": "chat", "isl": 64, "osl": 8, "turns": 3, "concurrencies": [2]}


def user(text):
    return {"role": "user", "content": text}


@pytest.fixture
def chats(tmp_path):
    """A function that writes lines and returns the benchmark section of a job with them."""
    path = tmp_path / "my chats.jsonl"

    def section(lines=None, **changes):
        rows = [{"messages": [user(f"{number}"), user("more")]} for number in range(30)] if lines is None else lines
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        base = {"dataset_name": "sessions", "endpoint": "chat", "isl": None, "osl": 4, "dataset_path": str(path)}
        return {**base, "concurrencies": [2], **changes}

    section.path = path
    return section


def point_of(**benchmark):
    (point,) = jobs.plan_of(benchmark=benchmark)["benchmark"]["points"]
    return point


def words(point, *names):
    return {name: jobs.option(point["step"]["argv"], f"--{name}") for name in names}


def test_random_sessions_reach_the_load_client():
    point = point_of(**RANDOM, turn_isl=16, turn_osl=4, think_time_s=1.5, think_time_shape="constant",
                     session_header="X-Session-ID", clients=2, req_rate=3, save_requests=True)  # fmt: skip
    assert words(point, "turns", "isl", "osl", "turn-isl", "turn-osl", "think-time", "think-shape", "session-header",
                 "num-prompts", "num-warmup", "concurrency", "endpoint") == {
        "turns": "3", "isl": "64", "osl": "8", "turn-isl": "16", "turn-osl": "4", "think-time": "1.5",
        "think-shape": "inf", "session-header": "X-Session-ID", "num-prompts": "20", "num-warmup": "4",
        "concurrency": "2", "endpoint": "/v1/chat/completions",
    }  # fmt: skip
    assert "--dataset" not in point["step"]["argv"] and "--sessions" not in point["step"]["argv"]
    assert point["result"].startswith("results/sa-bench_sessions_3_isl_64_osl_8/results_concurrency_2_")
    expect = point["expect"]
    assert (expect["num_sessions"], expect["num_prompts"], expect["turns"]) == (20, 60, 3)


def test_a_file_of_sessions_reaches_the_load_client(chats):
    point = point_of(**chats(turns=2))
    assert words(point, "sessions", "turns", "osl", "num-prompts") == {
        "sessions": str(chats.path), "turns": "2", "osl": "4", "num-prompts": "20",
    }  # fmt: skip
    assert "--isl" not in point["step"]["argv"] and "--dataset" not in point["step"]["argv"]
    assert (point["expect"]["num_prompts"], point["expect"]["num_sessions"]) == (None, 20)
    assert point["result"].startswith("results/sa-bench_sessions_my_chats/")


def test_what_a_session_is_is_part_of_the_point(chats):
    def digest(section):
        spec = inputs.with_inputs(jobs.spec_of(benchmark=section))
        plan = planner.build(spec, jobs.allocation(planner.node_count(spec)))
        return plan["benchmark"]["points"][0]["digest"], plan["digests"]["serving"]

    ways = ({}, {"turns": 4}, {"turn_isl": 9}, {"turn_osl": 9}, {"think_time_s": 1}, {"session_header": "X-Y"},
            {"think_time_s": 1, "think_time_shape": 2})  # fmt: skip
    digests = [digest({**RANDOM, **way}) for way in ways]
    assert len({point for point, _serving in digests}) == len(ways) and len({serving for _p, serving in digests}) == 1
    assert digest(dict(RANDOM)) == digests[0]
    before = digest(chats())[0]
    assert digest(chats([{"messages": [user("x"), user("y")]}] * 30))[0] != before


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"endpoint": "completions"}, "benchmark.endpoint: is completions, but sessions are chats"),
        ({"turns": None}, "benchmark.turns: is missing"),
        ({"isl": None}, "benchmark.isl: is missing"),
        ({"turns": 0}, "benchmark.turns"),
        ({"think_time_shape": 2}, "benchmark.think_time_shape: is set, but nobody thinks"),
        ({"session_header": "a b"}, "benchmark.session_header: is 'a b'"),
        ({"session_header": "Content-Length"}, "benchmark.session_header: is 'Content-Length'"),
        ({"session_header": ""}, "benchmark.session_header: is ''"),
        ({"think_time_s": -1}, "benchmark.think_time_s"),
        ({"turns": 10_000, "concurrencies": [1000]}, "benchmark.turns: is 10000, and so 120000000 requests"),
        ({"dataset_path": "/d", "turn_isl": 3}, "benchmark.turn_isl: is set, but the sessions of dataset_path"),
        ({"dataset_name": "random"}, "benchmark.turns: is set, but dataset_name is random"),
        ({"dataset_name": None, "turns": None, "think_time_s": 3}, "benchmark.think_time_s: is set, but dataset_name"),
        ({"dataset_name": "custom", "dataset_path": "/d"}, "benchmark.turns: is set, but dataset_name is custom"),
        ({"trace_times": True}, "benchmark.trace_times: is set, but dataset_name is sessions"),
    ],
)
def test_contradictions_are_refused(changes, problem):
    with pytest.raises(SpecError) as caught:
        jobs.spec_of(benchmark={**RANDOM, **changes})
    assert problem in str(caught.value)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ({"prompt": "x"}, "line 1 has messages that are no list"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "line 1 has no message of the user"),
        (
            {"messages": [user("x"), {"role": "tool", "content": "y"}]},
            'line 1 has a message of "tool"; expected',
        ),
        ({"messages": [user("x"), {"role": "system", "content": "y"}]}, "line 1 ends with a message of system"),
        ({"messages": [user("")]}, "line 1 has a message of user without content"),
        ({"messages": [user("x"), user("y")], "max_tokens": [3]}, "line 1 has 1 max_tokens for 2 turns"),
        ({"messages": [user("x")], "max_tokens": [0]}, "line 1 has max_tokens [0]; expected a whole number"),
        (
            {"messages": [user("x")], "max_tokens": 2, "output_tokens": 2},
            "has both output_tokens and max_tokens",
        ),
        ({"messages": [user("x")]}, "has 1 sessions, but a point sends 24"),
    ],
)
def test_the_file_is_checked_whole_before_nodes_are_asked_for(chats, line, problem):
    class Context:
        check_mode = False

    with pytest.raises(Error) as caught:
        stage_data.run({"spec": jobs.spec_of(benchmark=chats([line]))}, Context())
    assert "benchmark.dataset_path" in str(caught.value) and problem in str(caught.value)


def test_a_line_without_a_length_needs_osl(chats):
    class Context:
        check_mode = False

    with pytest.raises(Error, match=r"line 1 has no output_tokens or max_tokens: add it, or set benchmark\.osl"):
        stage_data.run({"spec": jobs.spec_of(benchmark=chats(osl=None))}, Context())


@pytest.fixture
def result():
    """A good result of 20 sessions of 3 turns."""
    return {
        "num_prompts": 60, "completed": 60, "failed": 0, "duration": 3.0, "isl": 64, "osl": 8, "num_warmup": 12,
        "failed_warmup": 0, "max_concurrency": 2, "endpoint": "/v1/chat/completions", "total_input_tokens": 9000,
        "server_input_tokens": 9000, "input_token_outliers": 0, "total_output_tokens": 480, "inexact_prompts": 0,
        "min_input_token_difference": 0, "max_input_token_difference": 90, "num_sessions": 20, "turns": 3,
        "turn_isl": None, "turn_osl": None, "think_time_s": 0.0, "think_time_shape": 1.0, "session_header": None,
        "completed_sessions": 20, "failed_sessions": 0, "unanswered_turns": 0, "ignore_eos": True, "short_outputs": 0,
        "concurrency_of": "sessions, thinking ones included", "mean_first_turn_ttft_ms": 9.5,
    }  # fmt: skip


def reasons(result, **changes):
    return BENCHMARK.evaluate({**result, **changes}, point_of(**RANDOM)["expect"], 0.99)


def test_a_good_result_is_valid_and_its_figures_are_metrics(result):
    assert reasons(result) == []
    figures = BENCHMARK.figures(result)
    assert (figures["num_sessions"], figures["completed_sessions"], figures["mean_first_turn_ttft_ms"]) == (20, 20, 9.5)
    assert figures["concurrency_of"].startswith("sessions") and figures["num_prompts"] == 60
    assert not BENCHMARK.figures({"max_concurrency": 1}).keys() & {"num_sessions", "concurrency_of"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_sessions": None}, "another load: it has no sessions"),
        ({"num_sessions": 19}, "another load: num_sessions 19"),
        ({"turns": 4}, "another load: turns 4"),
        ({"think_time_s": 2.0}, "another load: think_time_s 2.0"),
        ({"num_prompts": 40, "completed": 40}, "another load: num_prompts 40"),
        ({"completed": 57, "failed": 3, "completed_sessions": 19, "failed_sessions": 1}, "3 of 60 requests did not"),
        ({"completed": 57}, "60 requests were planned, but the result has 57"),
        ({"completed_sessions": 12}, "20 sessions were planned, but 12 ended"),
        ({"unanswered_turns": 30}, "30 of 60 answers had no text"),
        ({"input_token_outliers": 20}, "fewer prompt tokens than the user alone has said in 20 of 60"),
        (
            {"completed": 0, "failed": 60, "completed_sessions": 0, "failed_sessions": 20},
            "none of 60 requests completed",
        ),
        ({"interrupted": True, "reason": "killed"}, "the measurement did not complete: killed"),
    ],
)
def test_broken_outcomes_are_not_valid(result, changes, reason):
    found = reasons(result, **changes)
    assert any(reason in one for one in found), found


def test_the_requests_of_a_file_are_those_that_the_result_planned(result, chats):
    expect = point_of(**chats())["expect"]
    own = {**result, "isl": None, "osl": 4, "dataset": str(chats.path), "turns": None}
    assert BENCHMARK.evaluate(own, expect, 0.99) == []
    found = BENCHMARK.evaluate({**own, "completed": 55}, expect, 0.99)
    assert any("60 requests were planned, but the result has 55" in one for one in found)
    found = BENCHMARK.evaluate({**own, "num_prompts": 15, "completed": 15}, expect, 0.99)
    assert any("15 requests are not the turns of 20 sessions" in one for one in found)


def test_a_pause_is_no_stall():
    point = point_of(**RANDOM, think_time_s=2000)
    content = {"state": "running", "done": 3, "tokens": 24, "running": 0, "thinking": 2, "updated_at": "10:00"}
    later = {**content, "updated_at": "10:01"}
    assert BENCHMARK.progress(point, content).seen != BENCHMARK.progress(point, later).seen
    busy = {"running": 1}
    assert BENCHMARK.progress(point, {**content, **busy}).seen == BENCHMARK.progress(point, {**later, **busy}).seen
