# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line and the file that tell how far the load is."""

from __future__ import annotations

import io
import json
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client.load import State
from ansible_collections.srt.slurm.plugins.module_utils.load_client.progress import (
    Progress,
    format_line,
    write_atomic,
)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def made(tmp_path):
    state = State(types.SimpleNamespace(concurrency=16, num_prompts=160, num_warmup=32))
    stream, clock = io.StringIO(), Clock()
    path = tmp_path / "deep" / "p.json"
    return state, Progress(state, str(path), stream, clock), stream, clock, path


def begin(state):
    state.phase, state.started, state.expected_tokens = "running", 0.0, 1600


def test_a_running_load(made):
    state, progress, stream, clock, path = made
    begin(state)
    progress.tick()
    clock.now = 2.0
    state.done, state.running, state.tokens, state.settled, state.errors = 40, 16, 400, 400, 1
    progress.tick()
    assert stream.getvalue().splitlines()[-1] == "c=16 40/160 done, 16 running, 200 tok/s, 1 error, 6 s left"
    data = json.loads(path.read_text())
    assert data["state"] == "running"
    assert (data["done"], data["total"], data["elapsed_s"]) == (40, 160, 2.0)
    assert (data["output_tok_s"], data["left_s"]) == (200.0, 6.0)


def test_a_line_is_printed_once_a_second_at_most_and_only_when_it_changed(made):
    state, progress, stream, clock, _path = made
    begin(state)
    progress.tick()
    state.done = 1
    clock.now = 0.5
    progress.tick()
    assert len(stream.getvalue().splitlines()) == 1
    clock.now = 1.1
    progress.tick()
    clock.now = 2.5
    progress.tick()
    assert len(stream.getvalue().splitlines()) == 2


def test_a_change_of_phase_is_shown_at_once(made):
    state, progress, stream, _clock, _path = made
    progress.tick()
    state.phase = "warmup"
    progress.tick()
    begin(state)
    progress.tick()
    begins = [line.split(" 0/")[0] for line in stream.getvalue().splitlines()]
    assert begins == ["c=16 preparing prompts", "c=16 warm-up", "c=16"]


def test_throughput_is_that_of_the_whole_measurement_as_in_the_result(made):
    state, progress, _stream, clock, path = made
    begin(state)
    for second in range(20):
        clock.now = float(second)
        state.tokens = 1000 * min(second, 10)
        progress.tick()
    state.ended, clock.now = 20.0, 25.0  # the result was written meanwhile
    progress.final("done", 0)
    assert json.loads(path.read_text())["output_tok_s"] == 500.0


def test_tokens_are_those_that_the_result_counts():
    state = State(types.SimpleNamespace(concurrency=2, num_prompts=3, num_warmup=0))
    asked = types.SimpleNamespace(max_tokens=9)
    for error, chunks, tokens in ((None, 3, 9), ("broken", 4, 4)):
        state.activity(0.0, chunks)
        more = {"error": error, "unreachable": False, "end": 1.0}
        state.over(types.SimpleNamespace(request=asked, chunks=chunks, tokens_out=tokens, **more))
    assert (state.tokens, state.done, state.errors) == (9, 2, 1)


def test_tokens_of_the_warm_up_do_not_count(made):
    state, progress, _stream, clock, _path = made
    state.phase, state.tokens = "warmup", 500
    progress.tick()
    clock.now = 1.0
    begin(state)
    state.tokens = 0
    assert progress.data(clock.now)["output_tok_s"] == 0.0


def test_time_left_is_at_least_until_the_last_arrival(made):
    state, progress, _stream, clock, _path = made
    begin(state)
    state.settled, state.last_arrival_s, clock.now = 1500, 60.0, 10.0
    assert progress.data(clock.now)["left_s"] == 50.0


def test_the_end_says_how_and_why(made):
    state, progress, stream, _clock, path = made
    begin(state)
    progress.final("interrupted", 143, "interrupted by SIGTERM")
    data = json.loads(path.read_text())
    assert (data["state"], data["exit_code"], data["reason"]) == ("interrupted", 143, "interrupted by SIGTERM")
    assert stream.getvalue().splitlines()[-1].endswith("; interrupted by SIGTERM")


def test_a_disk_that_fails_does_not_end_the_measurement(made, tmp_path, capsys):
    state, _progress, stream, clock, _path = made
    (tmp_path / "file").write_text("")
    progress = Progress(state, str(tmp_path / "file" / "p.json"), stream, clock)
    progress.tick()
    clock.now = 5.0
    state.phase = "running"
    progress.tick()
    assert capsys.readouterr().err.count("progress file") == 1


def test_atomic_write_leaves_no_other_file(tmp_path):
    write_atomic(str(tmp_path / "a" / "x.json"), "one")
    write_atomic(str(tmp_path / "a" / "x.json"), "two")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.json"]
    assert (tmp_path / "a" / "x.json").read_text() == "two"


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    write_atomic(str(path), "old")

    def full(*_args):
        raise OSError("full")

    monkeypatch.setattr("os.replace", full)
    with pytest.raises(OSError, match="full"):
        write_atomic(str(path), "new")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["x.json"]


@pytest.mark.parametrize(
    ("state", "text"), [("preparing", "preparing prompts"), ("done", "done: 3/4 done"), ("failed", "failed: 3/4")]
)
def test_lines_of_states(state, text):
    counts = {"concurrency": 2, "done": 3, "total": 4, "running": 0, "output_tok_s": 1, "errors": 0}
    assert text in format_line(dict(counts, state=state))
