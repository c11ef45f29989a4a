# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load clients of several nodes: one load, one instant, one result; who may join, and what a lost one does.

A node is a process with its name in SLURMD_NODENAME, as slurmd sets it.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import socket
import stat
import subprocess
import time

import pytest

LIMIT_S = 60


@pytest.fixture
def nodes(client_argv, tmp_path):
    """Return a function that starts the program on a node; all are ended at the end."""
    started = []

    def start(name, url, *argv, names=("a", "b"), before=()):
        env = {**os.environ, "SLURMD_NODENAME": name, "SLURM_JOB_ID": "7", "SLURM_STEP_ID": "3"}
        table = ",".join(f"{one}=127.0.0.1" for one in names)
        words = [*before, *client_argv(url), "--nodes", table, "--clients", str(len(names)), *argv]
        made = subprocess.Popen(words, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        started.append(made)
        return made

    start.result = tmp_path / "x.json"
    start.partial = tmp_path / "x.partial.json"
    start.meeting = tmp_path / ".secrets" / "x.clients.7.3.json"
    yield start
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()


def until(condition, what):
    end = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.01)


def ended(process):
    text, _err = process.communicate(timeout=LIMIT_S)
    return process.returncode, text


def test_two_nodes_send_the_prompts_of_one_from_one_instant_on(sse, nodes, client_argv, tmp_path):
    argv = ["--num-prompts", "40", "--num-warmup", "8", "--clients", "5"]
    lines = tmp_path / "lines.jsonl"
    with sse.running(sse.Behaviour(ttft_s=0.03, itl_s=0.005)) as server:
        subprocess.run([*client_argv(server.url), *argv, "--clients", "1"], check=True, timeout=60, capture_output=True)
        alone = sorted(body["prompt"] for body in server.requests)
        server.requests.clear()
        saved = ["--save-requests", str(lines)]
        both = [nodes(name, server.url, *argv, *saved, "--concurrency", "8", "--request-rate", "50") for name in "ab"]
        assert [ended(one)[0] for one in both] == [0, 0]
        sent = sorted(body["prompt"] for body in server.requests)
    assert len(sent) == len(set(sent)) == 48 and len(alone) == 48
    result = json.loads(nodes.result.read_text())
    assert (result["clients"], result["completed"], result["max_concurrency"]) == (5, 40, 8)
    assert len(result["clients_health"]) == 5 and all(one["gaps"] is not None for one in result["clients_health"])
    first, second = result["client_nodes"]
    assert (first["node"], first["clients"], second["node"], second["clients"]) == ("a", 3, "b", 2)
    assert 0 < second["clock_uncertainty_s"] < 0.05
    assert abs(second["clock_offset_s"]) <= second["clock_uncertainty_s"]  # the clock is the same here
    assert result["total_output_tokens"] == 320 and min(result["ttfts"]) >= 0.03
    tenth = sorted(result["latencies"])
    assert tenth[19] * 1000 - 0.01 <= result["median_e2el_ms"] <= tenth[20] * 1000 + 0.01
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert sorted(row["number"] for row in rows) == list(range(40))
    begin = min(row["start"] for row in rows)
    assert sorted(round(row["start"] - begin, 3) for row in rows) == pytest.approx(
        sorted(result["start_times"]), abs=0.002
    )
    assert not nodes.meeting.parent.exists() and not list(tmp_path.glob("lines.jsonl.*"))


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a process another monotonic clock")
def test_nodes_with_other_clocks_begin_together_and_sessions_stay_where_they_are(sse, nodes, tmp_path):
    lines = tmp_path / "lines.jsonl"
    argv = [
        "--turns",
        "3",
        "--endpoint",
        "/v1/chat/completions",
        "--num-prompts",
        "8",
        "--concurrency",
        "4",
        "--save-requests",
        str(lines),
    ]
    with sse.running(sse.Behaviour(ttft_s=0.05)) as server:
        other = nodes("b", server.url, *argv, before=["unshare", "--time", "--monotonic", "86400"])
        first = nodes("a", server.url, *argv)
        assert (ended(first)[0], ended(other)[0]) == (0, 0)
    result = json.loads(nodes.result.read_text())
    offset, uncertainty = (result["client_nodes"][1][f"clock_{key}_s"] for key in ("offset", "uncertainty"))
    assert abs(offset - 86400) <= uncertainty + 0.001 and abs(result["client_nodes"][1]["clock_drift_s"]) < 0.1
    assert result["duration"] < 20 and max(result["start_times"]) < 20
    assert sorted(zip(result["session"], result["turn"])) == [(one, turn) for one in range(8) for turn in (1, 2, 3)]
    assert (result["completed"], result["completed_sessions"], result["failed"]) == (24, 8, 0)
    begins = sorted(result["start_times"])[:4]
    assert begins[3] - begins[0] < 0.5  # all four places are taken at once, on both nodes
    rows = [json.loads(line) for line in lines.read_text().splitlines()]
    assert max(row["start"] for row in rows) - min(row["start"] for row in rows) < 20


def test_a_node_that_is_lost_ends_the_measurement_with_its_name(sse, nodes):
    with sse.running(sse.Behaviour(ttft_s=0.05)) as server:
        first, second = (nodes(name, server.url, "--num-prompts", "2000") for name in "ab")
        until(lambda: len(server.requests) > 20, "nothing is sent")
        children = children_of(second.pid)
        assert children
        second.kill()
        code, text = ended(first)
    assert code == 1, text
    partial = json.loads(nodes.partial.read_text())
    assert partial["interrupted"] is True and "node b" in partial["reason"], partial["reason"]
    assert not nodes.result.exists() and not nodes.meeting.parent.exists()
    until(lambda: not any(os.path.exists(f"/proc/{child}") and alive(child) for child in children), "left behind")


def children_of(pid):
    return [int(one) for one in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def test_the_others_end_when_the_first_node_is_lost(sse, nodes):
    with sse.running(sse.Behaviour(ttft_s=0.05)) as server:
        first, second = (nodes(name, server.url, "--num-prompts", "2000") for name in "ab")
        until(lambda: len(server.requests) > 20, "nothing is sent")
        children = [*children_of(first.pid), *children_of(second.pid)]
        first.kill()
        code, text = ended(second)
    assert code == 1 and not nodes.result.exists(), text
    until(lambda: not any(alive(child) for child in children), "left behind")


def test_only_who_knows_the_secret_is_let_in(sse, nodes):
    with sse.running() as server:
        first = nodes("a", server.url)
        until(nodes.meeting.exists, "the leader does not listen")
        assert [stat.S_IMODE(one.stat().st_mode) for one in (nodes.meeting, nodes.meeting.parent)] == [0o600, 0o700]
        meeting = json.loads(nodes.meeting.read_text())
        assert meeting["address"] == "127.0.0.1" and len(meeting["secret"]) == 64
        for garbage in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b""):
            with socket.create_connection((meeting["address"], meeting["port"])) as intruder:
                intruder.settimeout(LIMIT_S)
                seen = b""
                with contextlib.suppress(OSError):  # it may be closed before all is sent
                    intruder.sendall(garbage)
                    intruder.shutdown(socket.SHUT_WR)
                    while data := intruder.recv(4096):
                        seen += data
                assert meeting["secret"].encode() not in seen and b"welcome" not in seen
        from ansible_collections.srt.slurm.plugins.module_utils.load_client.wire import Wire, WireError

        with socket.create_connection((meeting["address"], meeting["port"])) as intruder, pytest.raises(WireError):
            Wire(intruder).greet(b"another secret", "b", "a")
        with socket.create_connection((meeting["address"], meeting["port"])) as stranger, pytest.raises(WireError):
            Wire(stranger).greet(meeting["secret"].encode(), "c", "a")
        second = nodes("b", server.url)
        assert (ended(first)[0], ended(second)[0]) == (0, 0)
    assert json.loads(nodes.result.read_text())["completed"] == 12


def test_a_file_that_others_can_read_is_not_trusted(sse, nodes):
    with sse.running() as server:
        nodes.meeting.parent.mkdir()
        nodes.meeting.write_text(json.dumps({"step": "7.3", "address": "127.0.0.1", "port": 9, "secret": "x"}))
        nodes.meeting.chmod(0o644)
        code, text = ended(nodes("b", server.url))
    assert code == 1 and "could be of somebody else" in text


def test_nodes_that_made_other_requests_do_not_measure(sse, nodes):
    with sse.running() as server:
        first, second = nodes("a", server.url), nodes("b", server.url, "--seed", "5")
        code, _text = ended(first)
        ended(second)
    assert code == 1 and not nodes.result.exists()
    assert "node b made other requests than the first node" in json.loads(nodes.partial.read_text())["reason"]


def test_a_node_that_cannot_prepare_says_why(sse, nodes, tmp_path):
    with sse.running() as server:
        first = nodes("a", server.url)
        second = nodes("b", server.url, "--tokenizer", str(tmp_path / "nowhere"))
        code, _text = ended(first)
        ended(second)
    assert code == 1
    reason = json.loads(nodes.partial.read_text())["reason"]
    assert "node b" in reason and "nowhere" in reason


@pytest.mark.parametrize(
    ("argv", "problem"),
    [
        (["--nodes", "a=1,b=2", "--clients", "1"], "--clients 1 are too few for 2 --nodes"),
        (["--nodes", "a=1,a=2", "--clients", "2"], "must be NAME=ADDRESS,..., each name once"),
        (["--nodes", "a", "--clients", "2"], "must be NAME=ADDRESS"),
        (["--nodes", "a=1,b=2,c=3,d=4,e=5", "--clients", "5"], "--concurrency 4 is too little for 5 --nodes"),
    ],
)
def test_contradictions_are_refused(argv, problem, client_argv, capsys):
    from ansible_collections.srt.slurm.plugins.module_utils.load_client.options import parse_options

    with pytest.raises(SystemExit):
        parse_options([*client_argv("http://x")[2:], *argv])
    assert problem in capsys.readouterr().err


def test_a_node_that_is_not_in_the_list_says_so(nodes):
    code, text = ended(nodes("z", "http://127.0.0.1:9"))
    assert code == 2 and "--nodes has a, b, but this node is z" in text
