# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions of several turns: what is sent, when, by whom, and what a failed turn does to its session."""

from __future__ import annotations

import collections
import json
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client.options import parse_options

CHAT = ("--endpoint", "/v1/chat/completions")
NAMED = (*CHAT, "--session-header", "X-Session-ID")


def by_session(server):
    """Return {name of the session: bodies in the order of sending}."""
    found = collections.defaultdict(list)
    for head, body in zip(server.heads, server.requests):
        (name,) = [line.split(":", 1)[1].strip() for line in head.split("\r\n") if line.startswith("x-session-id:")]
        found[name].append(body)
    return found


def check_history(sse, bodies, turns):
    """Assert that each turn has what was said before, and what the server really answered."""
    assert len(bodies) == turns
    for number, body in enumerate(bodies):
        messages = body["messages"]
        assert [one["role"] for one in messages if one["role"] != "system"] == ["user", "assistant"] * number + ["user"]
        if number:
            before = bodies[number - 1]
            assert messages[: len(before["messages"])] == before["messages"]
            answer = messages[len(before["messages"])]
            assert answer == {"role": "assistant", "content": sse.said(before["messages"]) * before["max_tokens"]}


def test_each_turn_has_the_answers_that_the_server_gave(sse, measure):
    with sse.running(sse.Behaviour(remembers=True)) as server:
        code, result = measure(
            server.url, *NAMED, "--turns", "3", "--turn-isl", "10", "--turn-osl", "4", "--num-prompts", "5",
            "--num-warmup", "2", "--concurrency", "2",
        )  # fmt: skip
        sessions = by_session(server)
    assert code == 0 and len(sessions) == 7
    for bodies in sessions.values():
        check_history(sse, bodies, 3)
        assert [body["max_tokens"] for body in bodies] == [8, 4, 4]
        assert [len(body["messages"][-1]["content"].split()) for body in bodies] == [24, 10, 10]
    first = [bodies[0]["messages"][0]["content"] for bodies in sessions.values()]
    assert len(set(first)) == 7 and not set(first[:2]) & set(first[2:])
    assert (result["num_sessions"], result["num_prompts"], result["completed"], result["failed"]) == (5, 15, 15, 0)
    assert (result["completed_sessions"], result["failed_sessions"], result["unfinished_sessions"]) == (5, 0, 0)
    assert result["concurrency_of"] == "sessions, thinking ones included"
    assert (result["num_warmup"], result["num_warmup_sessions"], result["failed_warmup"]) == (6, 2, 0)
    assert result["total_input_tokens"] == result["server_input_tokens"] == 5 * (24 + 42 + 56)
    assert [one["mean_input_tokens"] for one in result["turn_figures"]] == [24, 42, 56]
    assert [(one["turn"], one["completed"], one["failed"]) for one in result["turn_figures"]] == [
        (1, 5, 0), (2, 5, 0), (3, 5, 0),
    ]  # fmt: skip
    progress = json.loads(measure.progress.read_text())
    assert (progress["done"], progress["total"], progress["thinking"]) == (15, 15, 0)


def test_a_prefix_cache_shows_in_the_time_to_the_first_token_of_later_turns(sse, measure):
    with sse.running(sse.Behaviour(prefill_s=0.002)) as server:
        _code, result = measure(
            server.url, *CHAT, "--turns", "3", "--turn-isl", "4", "--isl", "60", "--concurrency", "1",
            "--num-prompts", "4",
        )  # fmt: skip
    first, *later = [one["mean_ttft_ms"] for one in result["turn_figures"]]
    assert first >= 119 and max(later) < 0.6 * first
    assert result["mean_first_turn_ttft_ms"] == first
    assert min(later) <= result["mean_later_turns_ttft_ms"] <= max(later)
    assert result["median_first_turn_ttft_ms"] and result["median_later_turns_ttft_ms"]


def test_a_failed_turn_ends_its_session_and_its_further_turns_have_failed(sse, measure, tmp_path):
    lines = tmp_path / "requests.jsonl"
    with sse.running(sse.Behaviour(fail_turn=2)) as server:
        code, result = measure(
            server.url,
            *NAMED,
            "--turns",
            "4",
            "--num-prompts",
            "6",
            "--save-requests",
            str(lines),
            "--concurrency",
            "2",
        )
        lengths = sorted(len(bodies) for bodies in by_session(server).values())
    assert code == 0 and lengths == [2, 2, 4, 4, 4, 4]
    assert (result["completed"], result["failed"], result["num_prompts"]) == (18, 6, 24)
    assert (result["completed_sessions"], result["failed_sessions"]) == (4, 2)
    assert result["error_counts"] == {
        "not sent, because an earlier turn of its session failed": 4, "HTTP 503: this turn is too much": 2,
    }  # fmt: skip
    assert [(one["completed"], one["failed"]) for one in result["turn_figures"]] == [(6, 0), (4, 2), (4, 2), (4, 2)]
    saved = [json.loads(line) for line in lines.read_text().splitlines()]
    seen = collections.Counter((one["session"], one["turn"]) for one in saved)
    assert sorted(seen) == [(session, turn) for session in range(6) for turn in range(1, 5)] and set(seen.values()) == {
        1
    }
    assert all(one["start"] is None for one in saved if one["error"] and one["error"].startswith("not sent"))
    assert sorted(zip(result["session"], result["turn"])) == sorted(seen)


def test_a_session_keeps_its_place_while_it_thinks(sse, measure, tmp_path):
    lines = tmp_path / "requests.jsonl"
    with sse.running(sse.Behaviour(ttft_s=0.01)) as server:
        _code, result = measure(
            server.url, *CHAT, "--turns", "3", "--num-prompts", "6", "--concurrency", "2", "--think-time", "0.05",
            "--think-shape", "inf", "--save-requests", str(lines),
        )  # fmt: skip
    spans = {}
    for one in map(json.loads, lines.read_text().splitlines()):
        begin, end = spans.get(one["session"], (one["start"], 0))
        assert one["turn"] == 1 or one["start"] >= end + 0.049  # times are rounded
        spans[one["session"]] = (min(begin, one["start"]), one["start"] + one["latency"])
    moments = sorted((moment, step) for begin, end in spans.values() for moment, step in ((begin, 1), (end - 1e-4, -1)))
    flying = most = 0
    for _when, step in moments:
        flying += step
        most = max(most, flying)
    assert most == 2 and len(spans) == 6
    assert result["mean_think_time_s"] == pytest.approx(0.05) and result["think_time_shape"] == "constant"
    assert result["duration"] >= 3 * 0.13


def test_pauses_follow_from_the_seed_and_the_warm_up_has_none(measure, model_dir):
    from ansible_collections.srt.slurm.plugins.module_utils.load_client.workload import Workload

    def pauses(*more):
        argv = ["--base-url", "http://x", "--model", "m", "--tokenizer", str(model_dir), "--isl", "8", "--osl", "4",
                "--num-prompts", "300", "--num-warmup", "3", "--concurrency", "4", "--result", "/r", *CHAT,
                "--turns", "4", "--think-time", "2", *more]  # fmt: skip
        made = Workload(parse_options(argv))
        assert made.warmup.mean_pause_s() == 0
        return [round(value, 6) for value in made.requests._pauses]

    first = pauses()
    assert pauses() == first != pauses("--seed", "1") and first[::4] == [0.0] * 300
    drawn = [value for place, value in enumerate(first) if place % 4]
    assert 1.7 < sum(drawn) / 900 < 2.3 and min(drawn) < 0.1 and max(drawn) > 6
    assert set(pauses("--think-shape", "inf")) == {0.0, 2.0}


def test_sessions_arrive_at_the_rate_and_turns_follow_answers(sse, measure):
    with sse.running(sse.Behaviour()) as server:
        _code, result = measure(
            server.url, *NAMED, "--turns", "2", "--num-prompts", "5", "--concurrency", "5", "--request-rate", "10",
            "--burstiness", "inf",
        )  # fmt: skip
    starts = {}
    for session, turn, start in zip(result["session"], result["turn"], result["start_times"]):
        starts[session, turn] = start
    for session in range(5):
        assert starts[session, 1] >= session * 0.1 - 0.001
        assert starts[session, 2] - starts[session, 1] < 0.09
    assert result["request_rate"] == 10


def test_three_processes_divide_sessions_and_none_moves(sse, client_argv, tmp_path):
    argv = [*NAMED, "--turns", "3", "--num-prompts", "9", "--num-warmup", "3", "--seed", "4"]
    sent = []
    with sse.running(sse.Behaviour(remembers=True)) as server:
        for clients in ("1", "3"):
            for seen in (server.heads, server.requests):
                seen.clear()
            subprocess.run([*client_argv(server.url), *argv, "--clients", clients], check=True, timeout=60,
                           capture_output=True)  # fmt: skip
            sessions = by_session(server)
            for bodies in sessions.values():
                check_history(sse, bodies, 3)
            sent.append({name: bodies[-1]["messages"] for name, bodies in sessions.items()})
    assert sent[0] == sent[1] and len(sent[0]) == 12
    result = json.loads((tmp_path / "x.json").read_text())
    assert (result["clients"], result["completed"], result["completed_sessions"]) == (3, 27, 9)
    assert [one["completed"] for one in result["turn_figures"]] == [9, 9, 9]


@pytest.fixture
def chats(tmp_path):
    """Return a function that writes lines of sessions and returns the path."""

    def write(*lines):
        path = tmp_path / "chats.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return str(path)

    return write


def user(text):
    return {"role": "user", "content": text}


def test_the_sessions_of_a_file_get_the_models_answers(sse, measure, chats):
    system = {"role": "system", "content": "be brief"}
    other = {"role": "assistant", "content": "what another model said"}
    lines = [
        {"messages": [system, user(f"a {number}"), other, user("b"), other, user("c")], "output_tokens": [3, 4, 5]}
        for number in range(3)
    ] + [{"messages": [user("one"), user("two"), other]}]  # fmt: skip
    with sse.running(sse.Behaviour(remembers=True)) as server:
        code, result = run_file(measure, server.url, chats(*lines), "--num-prompts", "4", "--osl", "2")
        sessions = by_session(server)
    assert code == 0 and "what another model said" not in json.dumps(server.requests)
    for bodies in sessions.values():
        check_history(sse, bodies, 3 if bodies[0]["messages"][0]["role"] == "system" else 2)
    assert sorted(body["max_tokens"] for body in server.requests) == [2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 5]
    assert (result["num_sessions"], result["num_prompts"], result["completed"], result["isl"]) == (4, 11, 11, None)
    code, result = run_file(measure, server.url, chats(*lines), "--num-prompts", "9", "--osl", "2")
    assert code == 2


def run_file(measure, url, path, *argv):
    """Run the program with the sessions of a file; the isl of the fixture is taken out."""
    from ansible_collections.srt.slurm.plugins.module_utils.load_client import main as cli

    words = ["--base-url", url, "--model", "m", "--tokenizer", measure.tokenizer, "--concurrency", "2", *NAMED,
             "--result", str(measure.result), "--sessions", path, *argv]  # fmt: skip
    code = cli.main(words)
    return code, json.loads(measure.result.read_text()) if measure.result.exists() else None


def test_reasoning_is_not_sent_back_and_an_answer_without_text_is_counted(sse, measure):
    with sse.running(sse.Behaviour(thinks=3, usage="none")) as server:
        _code, result = measure(server.url, *NAMED, "--turns", "2", "--num-prompts", "4")
        later = [body["messages"] for body in server.requests if len(body["messages"]) == 3]
    assert [one[1]["content"] for one in later] == [" tok" * 5] * 4
    assert result["unanswered_turns"] == 0
    assert [one["mean_input_tokens"] for one in result["turn_figures"]] == [24, 24 + 5 + 24]
    with sse.running(sse.Behaviour(thinks=8)) as server:
        _code, result = measure(server.url, *NAMED, "--turns", "2", "--num-prompts", "4")
    assert (result["completed"], result["unanswered_turns"]) == (8, 4)


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--turns", "0", *CHAT], "--turns must be at least 1"),
        (["--turns", "2"], "sessions need --endpoint /v1/chat/completions"),
        (["--think-time", "2"], "--think-time needs --turns or --sessions"),
        (["--session-header", "X"], "--session-header needs --turns or --sessions"),
        (["--turn-osl", "3"], "--turn-osl needs --turns or --sessions"),
        (["--turns", "2", "--prefix-ratio", "0.5", *CHAT], "are not for sessions"),
        (["--turns", "2", "--trace", "t", *CHAT], "are not for sessions"),
        (["--sessions", "f", *CHAT], "--isl, --turn-isl and --turn-osl are for random sessions"),
    ],
)
def test_contradictions_are_refused(argv, problem, client_argv, capsys):
    with pytest.raises(SystemExit):
        parse_options([*client_argv("http://x")[2:], *argv])
    assert problem in capsys.readouterr().err
