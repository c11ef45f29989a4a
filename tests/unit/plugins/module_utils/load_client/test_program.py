# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The whole program against a real server on this machine."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import main as cli
from ansible_collections.srt.slurm.plugins.module_utils.load_client import sender, workload

for package in ("aiohttp", "tokenizers"):
    pytest.importorskip(package)


def test_a_plain_run(sse, measure, tokenizer):
    with sse.running(sse.Behaviour(tokenizer=tokenizer)) as server:
        code, result = measure(server.url, "--num-warmup", "5")
    assert code == 0
    assert (result["completed"], result["failed"], result["num_prompts"]) == (12, 0, 12)
    assert result["total_input_tokens"] == result["server_input_tokens"] == 12 * 24
    assert result["input_token_mismatches"] == 0
    assert result["total_output_tokens"] == 12 * 8
    assert result["usage_source"] == "server"
    assert result["mean_ttft_ms"] > 0
    assert result["started_at"] < result["ended_at"]
    assert result["interrupted"] is False
    assert len(server.requests) == 17
    sent = [body["prompt"] for body in server.requests]
    assert not set(sent[:5]) & set(sent[5:])
    assert len(set(sent[5:])) == 12
    body = server.requests[-1]
    assert (body["ignore_eos"], body["stream"], body["stream_options"]) == (True, True, {"include_usage": True})
    assert (body["max_tokens"], body["temperature"], body["model"]) == (8, 0.0, "m")
    assert server.connections <= 4
    progress = json.loads(measure.progress.read_text())
    assert (progress["state"], progress["done"], progress["exit_code"]) == ("done", 12, 0)
    assert progress["output_tok_s"] == round(result["output_throughput"], 1)
    assert not list(measure.result.parent.glob("*.tmp*"))


def test_the_same_seed_sends_the_same_prompts_and_another_concurrency_or_attempt_others(sse, measure):
    def sent(*argv):
        server.requests.clear()
        _code, result = measure(server.url, "--num-warmup", "4", *argv)
        assert (result["seed"], result["attempt"]) == (0, int(argv[1]) if "--attempt" in argv else 0)
        return sorted(body["prompt"] for body in server.requests)

    with sse.running() as server:
        first = sent()
        assert sent() == first == sent("--attempt", "0")
        sets = [first, *(sent(*argv) for argv in (("--concurrency", "3"), ("--attempt", "1"), ("--attempt", "2")))]
    for number, one in enumerate(sets):
        rest = [prompt for other in sets[:number] + sets[number + 1 :] for prompt in other]
        assert len(one) == 16 and not [prompt for prompt in one if any(other.startswith(prompt) for other in rest)]


def test_lengths_vary_with_the_ratio_and_stay_exact(sse, measure, tokenizer):
    with sse.running(sse.Behaviour(tokenizer=tokenizer)) as server:
        _code, result = measure(server.url, "--random-range-ratio", "0.5")
    assert set(result["input_lens"]) <= set(range(12, 25))
    assert len(set(result["input_lens"])) > 1
    assert sorted(result["output_lens"]) == sorted(body["max_tokens"] for body in server.requests)
    assert result["input_token_mismatches"] == 0


def test_chat_skips_the_role_chunk(sse, measure):
    behaviour = sse.Behaviour(role_chunk=True, ttft_s=0.03, extra_prompt_tokens=7)
    with sse.running(behaviour) as server:
        _code, result = measure(server.url, "--endpoint", "/v1/chat/completions")
    assert server.requests[0]["messages"][0]["role"] == "user"
    assert result["median_ttft_ms"] >= 29
    assert result["completed"] == 12


@pytest.mark.parametrize(
    ("behaviour", "source"),
    [
        ({"done": False, "usage": "finish"}, "server"),
        ({"usage": "none"}, "chunks"),
        ({"usage": "none", "done": False}, "chunks"),
        ({"finish": False}, "server"),
    ],
)
def test_servers_that_end_in_other_ways(sse, measure, behaviour, source):
    with sse.running(sse.Behaviour(**behaviour)) as server:
        code, result = measure(server.url)
    assert code == 0
    assert (result["completed"], result["usage_source"], result["total_output_tokens"]) == (12, source, 96)


@pytest.mark.parametrize(
    ("behaviour", "error"),
    [
        ({"fail_every": 1}, "HTTP 503: Service temporarily unavailable"),
        ({"error_event": "out of blocks"}, "out of blocks"),
        ({"cut": True}, "ended early"),
        ({"finish_reason": "abort"}, "finish_reason abort"),
        ({"counted": 80}, "the server counted 80 output tokens, more than the 8 of the request"),
        ({"counted": 8.0}, "usage.completion_tokens is 8.0, which is not a number of tokens"),
        ({"tokens": 9, "usage": "none"}, "the server sent at least 9 output tokens"),
        ({"body": b'HTTP/1.1 200 OK\r\n\r\ndata: {"choices": [null]}\n\n'}, "malformed event: a choice is null"),
        (
            {"body": b"HTTP/1.1 307 X\r\nLocation: http://a/b\r\nConnection: close\r\n\r\n"},
            "HTTP 307: redirect to http://a/b",
        ),
        ({"body": b"HTTP/1.1 500 X\r\n\r\n" + b"[" * 4000}, "HTTP 500: [[["),
        ({"body": b"nonsense\r\n\r\n"}, "nonsense"),
    ],
)
def test_failed_requests_are_reported_and_the_run_completes(sse, measure, behaviour, error):
    with sse.running(sse.Behaviour(**behaviour)) as server:
        code, result = measure(server.url, "--no-ignore-eos")
    assert code == 0
    assert (result["completed"], result["failed"], result["mean_ttft_ms"]) == (0, 12, None)
    assert all(error in text or "Payload" in text for text in result["errors"])


def test_some_failed_requests(sse, measure):
    with sse.running(sse.Behaviour(fail_every=4)) as server:
        _code, result = measure(server.url)
    assert (result["completed"], result["failed"]) == (9, 3)


def test_tokens_that_are_not_text_count_and_are_timed(sse, measure):
    with sse.running(sse.Behaviour(empty_from=4, ttft_s=0.02, itl_s=0.01)) as server:
        _code, result = measure(server.url)
    assert (result["completed"], result["total_output_tokens"], result["token_mismatches"]) == (12, 96, 0)
    assert result["median_e2el_ms"] >= 89
    assert result["median_tpot_ms"] == pytest.approx((result["median_e2el_ms"] - result["median_ttft_ms"]) / 7, rel=0.1)
    assert {len(gaps) for gaps in result["itls"]} == {7}


def test_chat_without_anything_visible_has_no_ttft_and_says_so(sse, measure):
    with sse.running(sse.Behaviour(role_chunk=True, empty_from=0)) as server:
        _code, result = measure(server.url, "--endpoint", "/v1/chat/completions")
    assert (result["completed"], result["total_output_tokens"], result["token_mismatches"]) == (12, 96, 12)
    assert (result["mean_ttft_ms"], result["mean_tpot_ms"], result["mean_itl_ms"]) == (None, None, None)
    assert result["mean_e2el_ms"] > 0


def test_short_answers_are_counted(sse, measure):
    with sse.running(sse.Behaviour(tokens=3)) as server:
        _code, result = measure(server.url)
    assert result["short_outputs"] == 12


def test_texts_when_asked_for(sse, measure):
    with sse.running() as server:
        _code, result = measure(server.url, "--save-texts")
        assert result["generated_texts"] == [" tok" * 8] * 12
        _code, result = measure(server.url, "--no-reuse-connections", "--no-quick-ack")
    assert result["generated_texts"] == []
    assert (result["reuse_http_connections"], result["quick_ack"]) == (False, False)
    assert server.connections >= 12


def test_a_request_that_takes_too_long_has_failed(sse, measure):
    with sse.running(sse.Behaviour(hang_after=12)) as server:
        _code, result = measure(server.url, "--request-timeout", "0.2")
    assert (result["completed"], result["failed"]) == (11, 1)
    assert "no complete response within 0.2 s" in "".join(result["errors"])


def test_arrivals_are_spread_over_time(sse, measure):
    with sse.running() as server:
        _code, result = measure(server.url, "--request-rate", "400")
    assert result["request_rate"] == 400
    assert sorted(result["start_times"]) == result["start_times"]
    assert result["duration"] > 0.005


def test_nobody_there_is_exit_code_1_and_no_result(measure, unused_port):
    code, result = measure(f"http://127.0.0.1:{unused_port}", "--num-warmup", "20")
    assert (code, result) == (1, None)
    partial = json.loads(measure.partial.read_text())
    assert partial["interrupted"] is True
    assert "nothing could be sent" in partial["reason"]
    assert json.loads(measure.progress.read_text())["state"] == "failed"


def test_a_server_that_hangs_is_a_stall(sse, measure):
    with sse.running(sse.Behaviour(hang_after=6)) as server:
        code, result = measure(server.url, "--stall-timeout", "0.3")
    assert (code, result) == (1, None)
    partial = json.loads(measure.partial.read_text())
    assert "no progress" in partial["reason"]
    assert partial["completed"] == 5


def test_pings_do_not_hide_a_stall(sse, measure):
    with sse.running(sse.Behaviour(pings_s=0.02)) as server:
        code, _result = measure(server.url, "--stall-timeout", "0.3")
    assert code == 1
    assert "no progress for" in json.loads(measure.partial.read_text())["reason"]


@pytest.mark.parametrize("uvloop", [True, False])
def test_garbage_between_the_chunks_of_http_ends_the_request(measure, monkeypatch, uvloop):
    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n: hello\r\n")
        await writer.drain()
        await asyncio.sleep(0.05)
        writer.write(b"ZZZZ\r\n")
        await reader.read()
        writer.close()

    if not uvloop:
        monkeypatch.setitem(sys.modules, "uvloop", None)
    with serving(answer) as url:
        code, result = measure(url, "--num-prompts", "4")
    assert (code, result["failed"]) == (0, 4)
    assert result["errors"] == ["ConnectionError: the answer is not valid HTTP"] * 4
    assert result["duration"] < 30


@pytest.mark.parametrize("where", ["_prepare", "_measure", "_result"])
def test_an_error_of_the_program_itself_leaves_a_partial_result(sse, measure, monkeypatch, capsys, where):
    def fail(*_args):
        raise RuntimeError("a bug")

    monkeypatch.setattr(cli.Run, where, fail)
    with sse.running() as server:
        code, result = measure(server.url)
    assert (code, result) == (1, None)
    partial = json.loads(measure.partial.read_text())
    assert (partial["interrupted"], partial["reason"]) == (True, "the load client failed: RuntimeError: a bug")
    assert json.loads(measure.progress.read_text())["state"] == "failed"
    assert "in fail" in capsys.readouterr().err  # the traceback


def test_a_result_that_cannot_be_written_is_a_failure(sse, measure, monkeypatch, capsys):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cli, "write_atomic", full)
    with sse.running() as server:
        code, _result = measure(server.url)
    assert code == 1
    assert "the result cannot be written: [Errno 28]" in capsys.readouterr().err


def test_open_files_are_raised_to_the_hard_limit(sse, client_argv):
    with sse.running() as server:
        done = limited(64, 4096, [*client_argv(server.url), "--concurrency", "80", "--num-prompts", "160"])
    assert done.returncode == 0, done.stderr


def test_too_few_open_files_are_told_before_anything_is_sent(sse, client_argv):
    with sse.running() as server:
        done = limited(64, 64, [*client_argv(server.url), "--concurrency", "80", "--num-prompts", "160"])
    assert done.returncode == 2
    assert "80 requests in flight need 112 open files, but the hard limit here is 64: raise it" in done.stderr
    assert not server.requests


def test_a_reader_of_its_output_that_goes_away_ends_nothing(sse, client_argv, tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with sse.running() as server:
        done = subprocess.run(client_argv(server.url), stdout=writer, check=False, timeout=60)
    os.close(writer)
    assert done.returncode == 0
    assert json.loads((tmp_path / "x.json").read_text())["completed"] == 12


def test_a_completed_run_removes_the_partial_file_of_an_earlier_one(sse, measure):
    measure.partial.parent.mkdir()
    measure.partial.write_text("{}")
    with sse.running() as server:
        measure(server.url)
    assert not measure.partial.exists()


def test_without_a_tokenizer_it_ends_with_2_and_says_what_is_needed(measure, tmp_path, capsys):
    code, result = measure("http://127.0.0.1:1", "--tokenizer", str(tmp_path))
    assert (code, result) == (2, None)
    assert "tokenizer.json" in capsys.readouterr().err
    assert json.loads(measure.progress.read_text())["exit_code"] == 2


def test_without_aiohttp_it_ends_with_2_and_says_what_is_needed(measure, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "aiohttp", None)
    code, _result = measure("http://127.0.0.1:1")
    assert code == 2
    assert "needs aiohttp" in capsys.readouterr().err


def test_it_works_without_uvloop(sse, measure, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvloop", None)
    with sse.running() as server:
        code, _result = measure(server.url)
    assert code == 0
    assert type(sender._new_loop()).__module__.startswith("asyncio")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_as_a_folder_and_interrupted(sse, client_dir, model_dir, tmp_path, number, code):
    folder = tmp_path / "load_client"
    shutil.copytree(client_dir, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with sse.running(sse.Behaviour(hang_after=6)) as server:
        argv = [
            sys.executable, str(folder), "--base-url", server.url, "--model", "m", "--tokenizer", str(model_dir),
            "--isl", "24", "--osl", "8", "--num-prompts", "12", "--concurrency", "4",
            "--result", str(tmp_path / "x.json"),
        ]  # fmt: skip
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=folder) as process:
            assert server.hanging.wait(20)
            process.send_signal(number)
            out, err = process.communicate(timeout=20)
    assert process.returncode == code, err
    assert "interrupted by" in err
    partial = json.loads((tmp_path / "x.partial.json").read_text())
    assert 0 < partial["completed"] <= 5
    assert partial["interrupted"] is True
    assert not (tmp_path / "x.json").exists()
    assert "c=4 preparing prompts" in out
    cached = {path.name.partition(".")[0] for path in folder.glob("__pycache__/*")}
    assert cached <= {"__main__"}, "Python itself compiles that one"


def test_a_signal_during_preparation(measure, monkeypatch):
    def interrupted(_path):
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()

    monkeypatch.setattr(workload, "load_tokenizer", interrupted)
    before = signal.getsignal(signal.SIGTERM)
    code, _result = measure("http://127.0.0.1:1")
    assert code == 143
    assert json.loads(measure.partial.read_text())["completed"] == 0
    assert signal.getsignal(signal.SIGTERM) == before


def test_help_runs_as_a_folder_without_any_library(client_dir):
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(client_dir), "--help"], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 0, done.stderr
    assert "Exit codes:" in done.stdout


def limited(soft, hard, argv):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    return subprocess.run(argv, preexec_fn=limit, capture_output=True, text=True, check=False, timeout=60)


@contextlib.contextmanager
def serving(answer):
    """Serve each connection by the coroutine function *answer*, from a thread; yields the URL."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(answer, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)


@pytest.mark.parametrize(("clients", "prompts"), [("1", 12), ("2", 4)])
def test_the_cool_down_bounds_the_wait_for_the_last_answers(sse, client_argv, tmp_path, clients, prompts):
    with sse.running(sse.Behaviour(hang_after=prompts - 3)) as server:
        argv = [*client_argv(server.url), "--cool-down", "0.5", "--clients", clients, "--num-prompts", str(prompts)]
        done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    result = json.loads((tmp_path / "x.json").read_text())
    assert done.returncode == 0 and (result["completed"], result["failed"]) == (prompts - 4, 4)
    assert result["error_counts"] == {"not complete 0.5 s after the last request was sent": 4}
    assert 0.5 <= result["duration"] < 5


def test_a_cool_down_that_is_long_enough_changes_nothing(sse, measure):
    with sse.running(sse.Behaviour(ttft_s=0.02)) as server:
        _code, result = measure(server.url, "--cool-down", "30", "--num-warmup", "4")
    assert (result["completed"], result["failed"]) == (12, 0) and result["duration"] < 5
