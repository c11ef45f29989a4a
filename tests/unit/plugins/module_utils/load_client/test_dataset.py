# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Data sets of prompts: what is accepted, what is refused with file and line, and what reaches the server."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import dataset

CHAT = [{"role": "system", "content": "be kalo"}, {"role": "user", "content": [{"type": "text", "text": "mi ner"}]}]


@pytest.fixture
def written(tmp_path):
    def write(*lines):
        path = tmp_path / "prompts.jsonl"
        path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in lines))
        return str(path)

    return write


def read(path, chat=False, osl=7):
    lines = dataset.Dataset(path, chat, osl)
    return [tuple(one) for one in lines.lines(list(range(len(lines))))]


def test_lines_say_their_output_tokens_or_the_job_does(written):
    path = written({"prompt": "a"}, "", {"prompt": "b", "output_tokens": 3}, {"prompt": "c", "max_tokens": 5, "id": 1})
    assert read(path) == [("a", 7), ("b", 3), ("c", 5)]
    assert read(written({"messages": CHAT, "output_tokens": 4, "max_tokens": 4}), chat=True) == [(CHAT, 4)]
    assert dataset.text_of(CHAT) == "be kalo\nmi ner"


def test_a_file_of_windows_is_read(tmp_path):
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\r\n\r\n{"prompt": "\xc3\xa9"}')
    assert read(str(path)) == [("a", 7), ("é", 7)]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ("[1]", "line 2 is not an object"),
        ({"text": "a"}, "line 2 needs either prompt or messages; it has text"),
        ({"prompt": "a", "messages": CHAT}, "line 2 needs either prompt or messages; it has prompt, messages"),
        ({"prompt": ""}, "line 2 has a prompt that is empty or no text"),
        ({"prompt": [1, 2]}, "line 2 has a prompt that is empty or no text"),
        ({"messages": CHAT}, "line 2 has messages, which need benchmark.endpoint: chat"),
        ({"prompt": "a", "max_tokens": 0}, "line 2 has max_tokens 0; expected a whole number from 1"),
        ({"prompt": "a", "output_tokens": "9"}, 'line 2 has output_tokens "9"; expected'),
        ({"prompt": "a", "output_tokens": True}, "line 2 has output_tokens true; expected"),
        ({"prompt": "a", "output_tokens": 1, "max_tokens": 2}, "line 2 has different output_tokens and max_tokens"),
    ],
)
def test_a_wrong_line_is_named(written, line, problem):
    path = written({"prompt": "fine"}, line)
    with pytest.raises(dataset.DatasetError) as caught:
        read(path)
    assert str(caught.value).startswith(f"{path}: {problem}")


@pytest.mark.parametrize(
    "messages", [[], "hello", [{"content": "x"}], [{"role": "user", "content": 3}], [{"role": "user", "content": [3]}]]
)
def test_messages_are_checked(written, messages):
    with pytest.raises(dataset.DatasetError, match="line 1 has"):
        read(written({"messages": messages}), chat=True)


def test_a_file_without_prompts_or_lengths_or_at_all(written, tmp_path):
    with pytest.raises(dataset.DatasetError, match="has no prompts"):
        read(written("", " "))
    with pytest.raises(dataset.DatasetError, match="line 1 has no output_tokens or max_tokens: add it, or set"):
        read(written({"prompt": "a"}), osl=None)
    with pytest.raises(dataset.DatasetError, match="cannot be read: No such file"):
        read(str(tmp_path / "absent"))


@pytest.fixture
def measure_set(client_argv, tmp_path):
    """Return a function that runs the program over a data set; it returns (exit code, result or None, messages)."""
    import subprocess

    def run(url, path, *argv):
        command = client_argv(url)
        at = command.index("--isl")
        command = [*command[:at], *command[at + 2 :], "--dataset", path, *argv]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        result = tmp_path / "x.json"
        return done.returncode, json.loads(result.read_text()) if result.exists() else None, done.stderr

    return run


def test_each_prompt_is_sent_once_with_its_own_length(sse, measure_set, written, tokenizer):
    path = written(*({"prompt": f"kalo mi {number}", "max_tokens": 1 + number % 4} for number in range(15)))
    with sse.running(sse.Behaviour(tokenizer=tokenizer)) as server:
        code, result, _err = measure_set(server.url, path, "--num-warmup", "3")
        first = [body["prompt"] for body in server.requests]
        server.requests.clear()
        measure_set(server.url, path, "--num-warmup", "3")
        again = [body["prompt"] for body in server.requests]
        server.requests.clear()
        measure_set(server.url, path, "--num-warmup", "3", "--attempt", "1")
        assert sorted(body["prompt"] for body in server.requests) == sorted(first)
        assert [body["prompt"] for body in server.requests][:3] != first[:3]
    assert code == 0 and len(set(first)) == 15 and sorted(again) == sorted(first) and again[:3] == first[:3]
    assert (result["completed"], result["isl"], result["dataset"], result["dataset_lines"]) == (12, None, path, 15)
    assert result["input_token_mismatches"] == 0 and set(result["output_lens"]) <= {1, 2, 3, 4}


def test_messages_reach_the_server_as_they_are(sse, measure_set, written):
    path = written(*({"messages": CHAT[:1] + [{"role": "user", "content": f"x {number}"}]} for number in range(12)))
    with sse.running(sse.Behaviour(role_chunk=True)) as server:
        code, result, _err = measure_set(server.url, path, "--endpoint", "/v1/chat/completions")
    assert code == 0 and (result["completed"], result["with_messages"]) == (12, 12)
    assert all(body["messages"][0] == CHAT[0] and len(body["messages"]) == 2 for body in server.requests)


def test_too_few_prompts_are_refused_before_anything_is_sent(sse, measure_set, written):
    with sse.running() as server:
        code, result, err = measure_set(server.url, written(*({"prompt": f"a {number}"} for number in range(11))))
    assert (code, result, server.requests) == (2, None, [])
    assert "has 11 prompts, but a point sends 12, warm-up included, and none of them twice" in err
