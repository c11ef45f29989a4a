# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several processes that send one load: nothing twice, nothing lost, and the same figures as one."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import statistics
import subprocess
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import fleet


@pytest.mark.parametrize(("concurrency", "clients"), [(8, 3), (5, 5), (7, 2), (256, 9)])
def test_requests_and_places_are_divided_exactly(concurrency, clients):
    shares = [list(fleet.share(10 * concurrency, concurrency, number, clients)) for number in range(clients)]
    assert sorted(index for one in shares for index in one) == list(range(10 * concurrency))
    places = [len(range(number, concurrency, clients)) for number in range(clients)]
    assert sum(places) == concurrency and max(places) - min(places) <= 1
    assert [len(one) for one in shares] == [10 * count for count in places]


def test_auto_follows_the_requests_in_flight_and_the_cores(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _process: set(range(6)))
    assert [fleet.number_of("auto", level) for level in (1, 256, 257, 1024, 100_000)] == [1, 1, 2, 4, 6]
    assert [fleet.number_of("4", level) for level in (1, 3, 99)] == [1, 3, 4]


@pytest.fixture
def program(client_argv, tmp_path):
    """Return a function that runs the program with *argv*; it returns (exit code, result or None, messages)."""

    def run(url, *argv):
        result = tmp_path / "x.json"
        done = subprocess.run([*client_argv(url), *argv], capture_output=True, text=True, check=False, timeout=60)
        return done.returncode, json.loads(result.read_text()) if result.exists() else None, done.stderr

    return run


def test_three_processes_send_the_prompts_and_keep_the_places_of_one(sse, program):
    argv = ["--num-prompts", "40", "--num-warmup", "8"]
    with sse.running(sse.Behaviour(ttft_s=0.02, itl_s=0.005)) as server:
        program(server.url, *argv)
        alone = sorted(body["prompt"] for body in server.requests)
        server.requests.clear()
        code, result, err = program(server.url, *argv, "--clients", "3")
        assert code == 0, err
        assert sorted(body["prompt"] for body in server.requests) == alone
    assert (result["clients"], result["completed"], result["max_concurrency"]) == (3, 40, 4)
    assert len(result["clients_health"]) == 3 and all(one["gaps"] is not None for one in result["clients_health"])
    assert len(result["ttfts"]) == 40 and result["start_times"] == sorted(result["start_times"])
    assert result["total_output_tokens"] == 320 and result["client_health"] is None
    starts = zip(result["start_times"], result["latencies"])
    moments = [moment for start, latency in starts for moment in ((start, 1), (start + latency, -1))]
    flying = most = 0
    for _when, step in sorted(moments, key=lambda one: (one[0], one[1])):
        flying += step
        most = max(most, flying)
    assert most <= 4


def test_the_figures_are_those_of_one_process_at_low_load(sse, program):
    """A paced server, 4 requests in flight, the same 80 prompts: each statistic from all samples, never averaged.

    The fastest answers show the client's own delay, however busy the machine is.
    """
    argv = ["--num-prompts", "80", "--num-warmup", "4"]
    with sse.running(sse.Behaviour(ttft_s=0.03, itl_s=0.01)) as server:
        _code, one, _err = program(server.url, *argv)
        _code, many, _err = program(server.url, *argv, "--clients", "4")
    for key, least in (("ttfts", 0.03), ("latencies", 0.1)):
        assert least <= min(one[key]) <= least + 0.015 and least <= min(many[key]) <= least + 0.015, key
    tenth = sorted(many["latencies"])[71:73]  # p90 of 80 lies between these
    assert tenth[0] * 1000 - 0.01 <= many["p90_e2el_ms"] <= tenth[1] * 1000 + 0.01
    assert many["median_ttft_ms"] == pytest.approx(statistics.median(many["ttfts"]) * 1000, abs=0.01)


def percentile(values, number):
    """Return the percentile between the two nearest of *values*, as the load client does it."""
    ordered = sorted(values)
    place = (len(ordered) - 1) * number / 100
    low = int(place)
    return ordered[low] + (ordered[min(low + 1, len(ordered) - 1)] - ordered[low]) * (place - low)


PACES = ((0.2, 0.03), (0.4, 0.06), (0.9, 0.13))
FLYING, TOKENS = 40, 4


def differences(found, known):
    """Return the figures of results that are not within some per cent of the percentiles of the *known* latencies."""
    wanted = {
        "ttft": [ttft for ttft, _itl in known],
        "itl": [itl for _ttft, itl in known for _gap in range(TOKENS - 1)],
        "e2el": [ttft + (TOKENS - 1) * itl for ttft, itl in known],
    }
    off = []
    for clients, result in found.items():
        for name, values in wanted.items():
            for key, number in (("median", 50), ("p90", 90)):
                exact, told = 1000 * percentile(values, number), result[f"{key}_{name}_ms"]
                off += [] if exact * 0.96 <= told <= exact * 1.04 + 3 else [(clients, key, name, exact, told)]
    return off


def test_one_process_and_three_find_the_percentiles_of_known_latencies(sse, program):
    """Three latencies, which the prompt decides. The median is of the second, the p90 of the third.

    What is compared with is known from the prompts alone, so that an error that both have in common shows as well. A
    busy machine may delay an answer: then both are measured again.
    """
    argv = ["--num-prompts", "80", "--concurrency", str(FLYING), "--osl", str(TOKENS)]
    argv += ["--request-rate", "40", "--burstiness", "inf"]
    with sse.running(sse.Behaviour(paces=PACES)) as server:
        for _try in range(4):
            found = {}
            for clients in (1, 3):
                server.requests.clear()
                code, found[clients], err = program(server.url, *argv, "--clients", str(clients))
                assert code == 0 and found[clients]["completed"] == 80, err
            known = [server.pace(body["prompt"]) for body in server.requests]
            off = differences(found, known)
            if not off:
                break
    assert off == []
    ttfts = [ttft for ttft, _itl in known]
    assert len({*known}) == 3 and percentile(ttfts, 90) > 2 * percentile(ttfts, 50)


def test_arrivals_are_those_of_one_process(sse, program):
    argv = ["--num-prompts", "30", "--request-rate", "100", "--concurrency", "30", "--burstiness", "inf"]
    with sse.running() as server:
        code, result, err = program(server.url, *argv, "--clients", "3")
    assert code == 0, err
    late = [start - 0.01 * number for number, start in enumerate(result["start_times"])]
    assert min(late) > -0.1 and statistics.median(late) < 0.1  # times count from the first one, which may be late


def test_each_request_is_in_the_file_of_requests(sse, program, tmp_path):
    path = tmp_path / "r" / "requests.jsonl"
    with sse.running() as server:
        for clients in ("1", "2"):
            code, _result, err = program(server.url, "--clients", clients, "--save-requests", str(path))
            assert code == 0, err
            lines = [json.loads(line) for line in path.read_text().splitlines()]
            assert sorted(line["number"] for line in lines) == list(range(12))
            assert {(line["output_tokens"], len(line["itl"]), line["error"]) for line in lines} == {(8, 7, None)}
            assert os.listdir(path.parent) == ["requests.jsonl"]


def test_a_process_that_is_killed_fails_the_run_and_the_others_are_kept(sse, client_argv, tmp_path):
    with sse.running(sse.Behaviour(ttft_s=0.05)) as server:
        argv = [*client_argv(server.url), "--clients", "2", "--num-prompts", "4000"]
        with subprocess.Popen(argv, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as run:
            wait_for(lambda: len(server.requests) > 20)
            children = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children")
            first, second = map(int, children.read_text().split())
            os.kill(first, signal.SIGKILL)
            _out, err = run.communicate(timeout=60)
    assert run.returncode == 1 and "client 1 of 2 ended without a result" in err
    partial = json.loads((tmp_path / "x.partial.json").read_text())
    assert partial["interrupted"] and partial["completed"] > 0 and not os.path.exists(f"/proc/{second}")


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGKILL])
def test_a_signal_ends_all_processes(sse, client_argv, tmp_path, signal_):
    with sse.running(sse.Behaviour(ttft_s=0.05)) as server:
        argv = [*client_argv(server.url), "--clients", "2", "--num-prompts", "4000"]
        with subprocess.Popen(argv, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
            wait_for(lambda: len(server.requests) > 20)
            children = pathlib.Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
            run.send_signal(signal_)
            run.wait(60)
        wait_for(lambda: not any(os.path.exists(f"/proc/{child}") for child in children))
    if signal_ == signal.SIGTERM:
        partial = json.loads((tmp_path / "x.partial.json").read_text())
        assert run.returncode == 143 and partial["reason"] == "interrupted by SIGTERM" and partial["completed"] > 0


def wait_for(condition, timeout_s=30.0):
    until = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_server_that_is_not_there_is_told_once(program, unused_port, tmp_path):
    code, result, err = program(f"http://127.0.0.1:{unused_port}", "--clients", "2")
    assert (code, result) == (1, None) and err.count("nothing could be sent") == 1
    assert json.loads((tmp_path / "x.partial.json").read_text())["interrupted"]
