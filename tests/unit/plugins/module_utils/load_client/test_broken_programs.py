# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real programs of points on a small server: their client is killed, or the server goes away in the middle."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import exams
import pytest
import sse_server
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS

SLOW = sse_server.Behaviour(ttft_s=0.02, itl_s=0.02)
LOAD = {"isl": 24, "osl": 8}
TYPES = {
    "router": {
        **LOAD, "num_requests": 400, "concurrency": 4, "prefix_ratios": [0.5], "num_prefixes": 2,
        "use_chat_template": False,
    },
    "sglang-bench": {**LOAD, "num_prompts": 400, "concurrencies": [4]},
    "custom": {"concurrencies": [4]},
}  # fmt: skip


def until(condition):
    """Wait until *condition* holds."""
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it took too long"
        time.sleep(0.01)


def children(pid):
    """Return the ids of the processes that *pid* started and of those that these started, the deepest last."""
    found = []
    for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in task.read_text().split():
            found += [int(child), *children(int(child))]
    return found


@pytest.fixture
def start(tmp_path, model_dir, client_dir):
    """``start(type, port)`` starts the program of a point; returns (process, its point, path of its result)."""
    processes = []

    def run(type_, port):
        given = dict(TYPES[type_])
        if type_ == "custom":
            given["command"] = (
                f"{sys.executable} {client_dir} --base-url {{endpoint}} --endpoint /v1/completions --model m "
                f"--tokenizer {model_dir} --isl 24 --osl 8 --num-prompts 400 --concurrency {{concurrency}} "
                "--num-warmup 0 --result $SRT_RESULT_DIR/result.json --progress $SRT_RESULT_DIR/load.progress.json"
            )
        plan = exams.plan_of(port, tmp_path, tmp_path, model_dir, type=type_, **given)
        (point,) = plan["benchmark"]["points"]
        for one in plan["files"]:
            path = tmp_path / one["path"]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(one["content"])
        argv = [sys.executable if word == "python3" else word for word in point["step"]["argv"]]
        result = tmp_path / point["result"]
        result.parent.mkdir(parents=True, exist_ok=True)
        log = (tmp_path / "log").open("wb")
        environment = {**os.environ, **point["step"]["env"]}
        processes.append(subprocess.Popen(argv, env=environment, stdout=log, stderr=log, start_new_session=True))
        return processes[-1], point, result

    yield run
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def answered(tmp_path):
    """Return whether a request of a running load client has completed."""
    for path in tmp_path.rglob("*.progress.json"):
        content = json.loads(path.read_text())
        if content.get("state") == "running" and content.get("done"):
            return True
    return False


@pytest.mark.parametrize("type_", TYPES)
def test_a_client_that_is_killed_leaves_no_result(tmp_path, start, type_):
    with sse_server.running(SLOW) as server:
        process, point, result = start(type_, server.port)
        until(lambda: answered(tmp_path))
        client = ([process.pid] + children(process.pid))[-1]
        os.kill(client, signal.SIGKILL)
        code = process.wait(30)
    assert code in (-signal.SIGKILL, 128 + signal.SIGKILL) and not result.exists()
    one = BENCHMARKS[type_]
    partial = one.read_partial(str(result))
    assert partial is None or not one.figures(partial).get("completed")


@pytest.mark.parametrize("type_", TYPES)
def test_a_server_that_goes_away_in_the_middle_makes_the_point_invalid(tmp_path, start, type_):
    port_file = tmp_path / "port"
    argv = [sys.executable, sse_server.__file__, "--port-file", str(port_file), "--ttft-ms", "20", "--itl-ms", "20"]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    try:
        until(port_file.exists)
        process, point, result = start(type_, int(port_file.read_text()))
        until(lambda: answered(tmp_path))
        server.kill()
        code = process.wait(60)
    finally:
        server.kill()
        server.wait()
    one = BENCHMARKS[type_]
    if code:
        assert not result.exists()
        return
    reasons = one.evaluate(one.read(str(result)), point["expect"], 0.99)
    assert any("did not complete" in reason for reason in reasons), reasons


@pytest.mark.parametrize("type_", ["router", "sglang-bench"])
def test_a_client_that_was_stopped_before_any_answer_says_that_none_completed(tmp_path, start, type_):
    with sse_server.running(sse_server.Behaviour(hang_after=1)) as server:
        process, point, result = start(type_, server.port)
        until(server.hanging.is_set)
        os.killpg(process.pid, signal.SIGTERM)
        assert process.wait(30) != 0 and not result.exists()
    one = BENCHMARKS[type_]
    partial = one.read_partial(str(result))
    assert one.why_partial(partial).startswith("interrupted")
    assert "400 requests were planned" in one.evaluate_partial(partial, point["expect"], 0.99)[0]
    assert one.disturbances(partial) == [] and not one.figures(partial)["completed"]
