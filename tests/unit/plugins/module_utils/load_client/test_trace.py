# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces of requests: what is accepted, and that lengths, common beginnings and times reach the server."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import request_trace as trace
from ansible_collections.srt.slurm.plugins.module_utils.load_client.dataset import DatasetError

BLOCK = 8


def line(length, *ids, output=4, **more):
    return {"input_length": length, "output_length": output, "hash_ids": list(ids), **more}


@pytest.fixture
def written(tmp_path):
    def write(*lines):
        path = tmp_path / "trace.jsonl"
        path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
        return str(path)

    return write


@pytest.fixture
def replay(client_argv, tmp_path):
    """Return a function that replays a trace: (exit code, result or None, messages)."""

    def run(url, path, *argv, count):
        command = client_argv(url)
        at = command.index("--isl")
        command = [*command[:at], *command[at + 4 :], "--num-prompts", str(count), "--trace", path]
        command += ["--trace-block-size", str(BLOCK), *argv]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        result = tmp_path / "x.json"
        return done.returncode, json.loads(result.read_text()) if result.exists() else None, done.stderr

    return run


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 is not an object"),
        ({"output_length": 4}, "line 2 has no input_length; it has output_length"),
        (
            {"text_input": "x", "output_length": 4},
            "it has text_input, output_length; a file of prompts is dataset_name",
        ),
        ({"input_length": 5}, "line 2 has no output_length; it has input_length"),
        (line(0), "line 2 has input_length 0; expected a whole number from 1"),
        (line(True), "line 2 has input_length true; expected"),
        (line(10**9), "line 2 has input_length 1000000000; expected"),
        (line(8.0, 1), "line 2 has input_length 8.0; expected"),
        (line(8, 1, output="4"), 'line 2 has output_length "4"; expected'),
        (line(9, 1), r"line 2 has 1 hash_ids; 9 tokens are 2 blocks of 8 (benchmark.trace_block_size)"),
        (line(8, 1, 2), "line 2 has 2 hash_ids; 8 tokens are 1 blocks of 8"),
        (line(8, 1.5), "line 2 has hash_ids [1.5]; expected a list of whole numbers"),
        (line(8, True), "line 2 has hash_ids [true]; expected"),
        ({**line(8), "hash_ids": "1"}, 'line 2 has hash_ids "1"; expected'),
        (line(8, 1, timestamp=None), "line 2 has no timestamp: add it, or let benchmark.trace_times be false"),
        (line(8, 1, timestamp=-1), "line 2 has timestamp -1; expected milliseconds, from 0"),
        (line(8, 1, timestamp="7"), 'line 2 has timestamp "7"; expected'),
        ('{"input_length": 8, "output_length": 1, "timestamp": NaN}', "line 2 has timestamp NaN; expected"),
        ('{"input_length": 8, "output_length": 1, "timestamp": 1' + "0" * 400 + "}", "line 2 has timestamp 1"),
        (line(8, 1, timestamp=1, session_id="a"), "line 2 has session_id: turns of a chat are not replayed"),
        (line(8, 1, timestamp=1, delay=5), "line 2 has delay: turns of a chat are not replayed"),
    ],
)
def test_a_wrong_line_is_named(written, given, problem):
    path = written(line(8, 1, timestamp=0), given)
    with pytest.raises(DatasetError) as caught:
        trace.Trace(path, BLOCK, timed=True)
    assert problem in str(caught.value) and str(caught.value).startswith(f"{path}: line 2 ")


def test_an_empty_or_absent_trace(written, tmp_path):
    with pytest.raises(DatasetError, match="has no requests: write one JSON object a line"):
        trace.Trace(written("", " "))
    with pytest.raises(DatasetError, match="cannot be read: No such file"):
        trace.Trace(str(tmp_path / "absent"))


def test_longer_requests_are_left_out_and_counted(written):
    path = written(line(8, 1), line(17, 1, 2, 3), line(16, 1, 2, output=9), line(16, 1, 2))
    found = trace.Trace(path, BLOCK, isl=16, osl=8)
    assert (len(found), found.left_out) == (2, 2)
    assert [list(one) for one in found.lengths(2)] == [[8, 16], [4, 4]] and list(found.blocks(2)) == [(1,), (1, 2)]
    with pytest.raises(DatasetError) as caught:
        found.enough(3)
    assert "has 2 requests within isl 16 and osl 8 (2 longer ones are left out), but a point sends 3" in str(
        caught.value
    )
    with pytest.raises(DatasetError, match="has 0 requests within isl 4 .4 longer"):
        trace.Trace(path, BLOCK, isl=4).enough(1)


def test_times_count_from_the_first_request_in_their_own_order(written):
    path = written(
        *(line(8 * size, *range(size), timestamp=when) for size, when in ((1, 3000), (2, 1000), (3, 1500.5)))
    )
    found = trace.Trace(path, BLOCK, timed=True)
    assert list(found.times(3, 1.0)) == [0.0, 0.5005, 2.0] and list(found.times(2, 2.0)) == [0.0, 0.25025]
    assert list(found.lengths(3)[0]) == [16, 24, 8] and [len(ids) for ids in found.blocks(3)] == [2, 3, 1]
    assert list(trace.Trace(path, BLOCK).lengths(3)[0]) == [8, 16, 24]  # in the order of the file


@pytest.mark.parametrize("clients", ["1", "3"])
def test_prompts_have_the_lengths_and_the_common_beginnings_of_the_trace(sse, replay, written, tokenizer, clients):
    ids = [(1, 2, 3), (1, 2, 4), (5, 2, 3), (1,), (), (1, 2, 3), (6, 7), (9**30,)]
    lengths = [24, 20, 24, 8, 13, 24, 9, 5]
    path = written(*(line(length, *some, output=1 + index) for index, (length, some) in enumerate(zip(lengths, ids))))
    with sse.running(sse.Behaviour(tokenizer=tokenizer)) as server:
        code, result, err = replay(server.url, path, "--num-warmup", "4", "--clients", clients, count=8)
    assert code == 0, err
    assert (result["completed"], result["inexact_prompts"], result["input_token_mismatches"]) == (8, 0, 0)
    assert sorted(result["input_lens"]) == sorted(lengths) and sorted(result["output_lens"]) == list(range(1, 9))
    bodies = sorted((body for body in server.requests[4:]), key=lambda body: body["max_tokens"])
    words = [body["prompt"].split() for body in bodies]
    assert words[0][:16] == words[1][:16] and words[0][16:20] != words[1][16:]
    assert words[0] == words[5] and words[3] == words[0][:8]
    assert words[2][8:] == words[0][8:] and words[2][:8] != words[0][:8]
    # Nothing else is the same, and the warm-up knows no prompt.
    firsts = {tuple(one[:4]) for one in words}
    assert len(firsts) == 5
    warm = [body["prompt"].split() for body in server.requests[:4]]
    assert sorted(map(len, warm)) == sorted(lengths[:4]) and not firsts & {tuple(one[:4]) for one in warm}


def test_the_same_seed_sends_the_same_and_another_attempt_or_level_does_not(sse, replay, written):
    path = written(*(line(16, 1, number) for number in range(6)))
    sent = []
    with sse.running() as server:
        for more in ([], [], ["--attempt", "1"], ["--repeat", "2"], ["--concurrency", "2"]):
            assert replay(server.url, path, *more, count=6)[0] == 0
            sent.append({body["prompt"] for body in server.requests})
            server.requests.clear()
    assert sent[0] == sent[1]
    for one in range(1, 5):
        for other in range(one):
            assert bool(sent[one] & sent[other]) == ((other, one) == (0, 1))


def test_requests_are_sent_at_their_times_by_one_process_and_by_three(sse, replay, written):
    whens = [0, 40, 40, 300, 310, 320, 600, 800]
    path = written(*(line(8, number, timestamp=5000 + when) for number, when in enumerate(whens)))
    with sse.running(sse.Behaviour(ttft_s=0.01)) as server:
        for clients, speed in (("1", 1), ("3", 2)):
            argv = ("--trace-speedup", str(speed), "--concurrency", "6", "--clients", clients)
            code, result, err = replay(server.url, path, *argv, count=8)
            assert code == 0, err
            late = [start - when / 1000 / speed for start, when in zip(result["start_times"], whens)]
            assert min(late) > -0.15 and max(late) < 0.4, late  # counted from the first one, which may be late
            assert (result["trace_speedup"], result["duration"] >= 0.8 / speed) == (speed, True)


def test_a_load_that_is_not_that_of_the_trace_says_so(sse, replay, written):
    path = written(*(line(8, number, timestamp=0) for number in range(6)))
    with sse.running(sse.Behaviour(ttft_s=0.3)) as server:
        code, result, err = replay(server.url, path, "--trace-speedup", "1", "--concurrency", "2", count=6)
    assert code == 0, err
    assert result["late_requests"] == 4 and 0.55 < result["most_late_s"] < 5


def test_too_few_requests_are_refused_before_anything_is_sent(sse, replay, written):
    with sse.running() as server:
        code, result, err = replay(server.url, written(line(8, 1)), count=2)
    assert (code, result, server.requests) == (2, None, [])
    assert "has 1 requests, but a point sends 2, and none of them twice" in err


@pytest.mark.parametrize(
    ("argv", "problem"),
    [(["--request-rate", "5", "--trace-speedup", "1"], "no --request-rate"), (["--trace-speedup", "0"], "above 0"),
     (["--dataset", "x"], "not for a --trace"), (["--trace-block-size", "0"], "at least 1")],
)  # fmt: skip
def test_wrong_options_are_refused(replay, written, argv, problem):
    code, _result, err = replay("http://127.0.0.1:1", written(line(8, 1)), *argv, count=1)
    assert code == 2 and problem in err, err


def test_a_long_trace_takes_little_time_and_memory(written):
    import time
    import tracemalloc

    path = written(*(line(40, *range(number, number + 5), timestamp=number) for number in range(20_000)))
    tracemalloc.start()
    began = time.process_time()
    found = trace.Trace(path, BLOCK, timed=True)
    spent, (_now, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(found) == 20_000 and os.path.getsize(path) > 1 << 20 and peak < 8 << 20 and spent < 10
