# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the streams of different servers say. Bodies are those that real servers sent."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.load_client.sse import StreamParser, error_text


def event(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def completion(text, finish=None, **more):
    return event({"choices": [{"text": text, "index": 0, "finish_reason": finish}], **more})


def chat(delta, finish=None, **more):
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


USAGE = {"prompt_tokens": 13, "completion_tokens": 2, "total_tokens": 15}
DONE = b"data: [DONE]\n\n"


def parse(*parts):
    parser = StreamParser(keep_texts=True)
    return parser, [parser.feed(part) for part in parts]


def test_dynamo_completions():
    parser, counts = parse(
        completion("the", usage=None), completion(" end", usage=None), completion("", "length", usage=None),
        event({"choices": [], "usage": USAGE}), DONE,
    )  # fmt: skip
    assert counts == [1, 1, 0, 0, 0]
    assert (parser.usage, parser.finish_reason, parser.done, parser.problem()) == (USAGE, "length", True, None)
    assert "".join(parser.texts) == "the end"


def test_a_role_chunk_is_not_a_token():
    parser, counts = parse(chat({"role": "assistant", "content": ""}), chat({"content": "hi"}), chat({}, "stop"), DONE)
    assert counts == [0, 1, 0, 0]
    assert parser.problem() is None


def test_reasoning_counts_as_text():
    _parser, counts = parse(chat({"reasoning_content": "hm"}), chat({"reasoning": "hm"}), chat({"content": None}))
    assert counts == [1, 1, 0]


def test_usage_on_the_finish_chunk_and_no_done():
    parser, _counts = parse(completion("a"), completion("", "length", usage=USAGE))
    assert parser.usage == USAGE
    assert not parser.done
    assert parser.problem() is None


def test_no_usage_at_all():
    parser, _counts = parse(completion("a"), completion("", "stop"), DONE)
    assert parser.usage is None
    assert parser.problem() is None


def test_several_events_in_one_read_and_one_event_in_several():
    whole = completion("a") + completion("b")
    parser, counts = parse(whole[:10], whole[10:-1], whole[-1:], completion("c") + completion("d") + DONE)
    assert counts == [0, 2, 0, 2]
    assert parser.chunks == 4
    assert parser.done


def test_carriage_returns_and_missing_space():
    parser, counts = parse(b'data:{"choices":[{"text":"a"}]}\r\n\r\ndata: [DONE]\r\n\r\n')
    assert counts == [1]
    assert parser.done


def test_a_last_line_without_newline_is_read_at_the_end():
    parser, counts = parse(completion("a").rstrip(b"\n"))
    assert counts == [0]
    assert parser.finish() == 1
    assert parser.finish() == 0


def test_a_stream_that_ends_early_is_a_problem():
    parser, _counts = parse(completion("a"))
    assert "ended early" in parser.problem()


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (event({"error": {"message": "no workers", "code": 503}}), "no workers"),
        (event({"error": "boom"}), "boom"),
        (event({"object": "error", "message": "too long"}), "too long"),
        (b"event: error\n: instances not found\n\n", "instances not found"),
        (b"event: error\ndata: it broke\n\n", "it broke"),
        (b"event: error\n\n", "error event without a message"),
        (b"data: {broken\n\n", "unreadable event: {broken"),
        (b"data: 3\n\n", "unreadable event: 3"),
    ],
)
def test_errors_inside_a_stream(data, text):
    parser, _counts = parse(completion("a"), data)
    assert parser.problem() == text


def test_comments_and_other_events_are_skipped():
    parser, counts = parse(b": keep-alive\n\nevent: ping\ndata: {}\n\n", completion("a", "stop"))
    assert counts == [0, 1]
    assert parser.problem() is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "Model not found", "type": "Not Found", "code": 404}, "Model not found"),
        ({"error": {"code": 3}}, '{"code": 3}'),
        ({"error": {"message": "x"}}, "x"),
        ({"error": "y"}, "y"),
    ],
)
def test_error_bodies(body, text):
    assert error_text(body) == text
