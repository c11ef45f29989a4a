# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the streams of different servers say. Bodies are those that real servers sent."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client.answer import Answer, error_text


def event(value):
    return b"data: " + json.dumps(value).encode() + b"\n\n"


def completion(text, finish=None, **more):
    return event({"choices": [{"text": text, "index": 0, "finish_reason": finish}], **more})


def chat(delta, finish=None, **more):
    return event({"choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more})


USAGE = {"prompt_tokens": 13, "completion_tokens": 2, "total_tokens": 15}
DONE = b"data: [DONE]\n\n"


def parse(*parts):
    parser = Answer(keep_texts=True)
    return parser, [parser.feed(part) for part in parts]


def test_dynamo_completions():
    parser, counts = parse(
        completion("the", usage=None), completion(" end", usage=None), completion("", "length", usage=None),
        event({"choices": [], "usage": USAGE}), DONE,
    )  # fmt: skip
    assert counts == [1, 1, 0, 0, 0]
    assert (parser.prompt_tokens, parser.completion_tokens) == (13, 2)
    assert (parser.finish_reason, parser.problem()) == ("length", None)
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
    assert (parser.prompt_tokens, parser.completion_tokens) == (13, 2)
    assert parser.problem() is None


def test_no_usage_at_all():
    parser, _counts = parse(completion("a"), completion("", "stop"), DONE)
    assert parser.completion_tokens is None
    assert parser.problem() is None


def test_several_events_in_one_read_and_one_event_in_several():
    whole = completion("a") + completion("b")
    parser, counts = parse(whole[:10], whole[10:-1], whole[-1:], completion("c") + completion("d") + DONE)
    assert counts == [0, 1, 1, 2]
    assert parser.chunks == 4
    assert parser.problem() is None


def test_carriage_returns_and_missing_space():
    parser, counts = parse(b'data:{"choices":[{"text":"a"}]}\r\n\r\ndata: [DONE]\r\n\r\n')
    assert counts == [1]
    assert parser.problem() is None


def test_a_last_line_without_newline_is_read_at_the_end():
    parser, counts = parse(completion("a").rstrip(b"\n"))
    assert counts == [0]
    assert parser.feed(b"") == 1
    assert parser.feed(b"") == 0


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
        (b": lost\nevent: error\n\n", "lost"),
        (b'event: error\ndata: {"error": {"message": "gone"}}\n\n', "gone"),
        (event({"error": {"message": "two\nlines \x1b[31m \ud800"}}), "two lines [31m"),
        (b"data: " + b"[" * 100_000 + b"\n\n", "unreadable event: " + "[" * 300),
        (b"data: {} {}\n\n", "unreadable event: {} {}"),
        (b"data: {broken\n\n", "unreadable event: {broken"),
        (b"data: 3\n\n", "unreadable event: 3"),
    ],
)
def test_errors_inside_a_stream(data, text):
    parser, _counts = parse(completion("a"), data)
    assert parser.problem() == text


def test_comments_and_other_events_are_skipped():
    parser, counts = parse(
        b": keep-alive\n\nevent: ping\ndata: {}\n\ndata:\n\nevent: time\ndata: noon\n\nid: 3\nretry: 5\n\n",
        completion("a", "stop"),
    )
    assert counts == [0, 1]
    assert parser.problem() is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"message": "Model not found", "type": "Not Found", "code": 404}, "Model not found"),
        ({"error": {"code": 3}}, '{"code": 3}'),
        ({"error": {"message": "x"}}, "x"),
        ({"error": "y"}, "y"),
        ([1], "[1]"),
        (None, "null"),
    ],
)
def test_error_bodies(body, text):
    assert error_text(body) == text


@pytest.mark.parametrize(
    "value",
    [
        {"choices": 5}, {"choices": [None]}, {"choices": ["x"]}, {"choices": {"a": 1}}, {"choices": 0},
        {"choices": [{"delta": "x"}]}, {"choices": [{"delta": [1]}]}, {"choices": [{"text": 3}]},
        {"choices": [{"text": ["a"]}]}, {"choices": [{"delta": {"content": 3}}]},
        {"choices": [{"delta": {"content": [{"text": "a"}]}}]}, {"choices": [{"delta": {"tool_calls": "x"}}]},
        {"choices": [{"delta": {"tool_calls": [None]}}]}, {"choices": [{"delta": {"function_call": 1}}]},
        {"choices": [{"text": "a", "finish_reason": 5}]}, {"choices": [{"text": "a", "finish_reason": {}}]},
        {"choices": [], "usage": []}, {"choices": [], "usage": "x"}, {"choices": [], "usage": 3},
        *(
            {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": count}}
            for count in (True, 2.0, 2.5, -1, "2", [2], {}, 10**30)
        ),
        {"choices": [], "usage": {"prompt_tokens": "1", "completion_tokens": 2}},
    ],
)  # fmt: skip
def test_a_field_of_the_wrong_type_makes_the_answer_an_error(value):
    parser, _counts = parse(completion("a"), event(value), completion("", "stop", usage=USAGE), DONE)
    assert parser.problem().startswith("malformed event: ")


@pytest.mark.parametrize("value", [{}, {"usage": None}, {"usage": {}}, {"choices": None}, {"choices": []}])
def test_fields_without_a_value_are_none(value):
    parser, counts = parse(event(value), completion("a", "stop"))
    assert (counts, parser.problem()) == ([0, 1], None)


@pytest.mark.parametrize("word", ["abort", "error", "content_filter", "cancelled", "nonsense"])
def test_an_end_that_is_not_the_answers_own_is_an_error_with_its_word(word):
    parser, _counts = parse(completion("a"), completion("", word, usage=USAGE), DONE)
    assert parser.problem() == f"finish_reason {word}"


@pytest.mark.parametrize("word", ["stop", "length", "tool_calls", "function_call", "eos_token"])
def test_an_end_of_the_answers_own_is_none(word):
    parser, _counts = parse(completion("a"), completion("", word))
    assert parser.problem() is None


def test_completions_with_empty_text_are_tokens_except_the_bare_end():
    parser, counts = parse(completion("a"), completion(""), completion(""), completion("", "length"))
    assert counts == [1, 1, 1, 0]
    assert parser.finished


def test_an_answer_names_its_model():
    assert (
        parse(event({"choices": [], "model": None}), completion("a", model="m"), completion("b", "stop"))[0].model
        == "m"
    )
    assert parse(completion("a", "stop", model=3))[0].model is None


def test_the_last_token_may_come_with_the_end():
    _parser, counts = parse(completion("a"), completion("b", "length"))
    assert counts == [1, 1]


def test_chat_counts_text_reasoning_and_tool_calls_in_any_order():
    call = {"tool_calls": [{"index": 0, "function": {"arguments": "{"}}]}
    deltas = [
        {"role": "assistant", "content": ""},
        {"reasoning": "hm"},
        call,
        {"content": "a"},
        call,
        {"refusal": "no"},
    ]
    parser, counts = parse(*(chat(delta) for delta in deltas), chat({}, "tool_calls"), chat({"content": ""}))
    assert counts == [0, 1, 1, 1, 1, 1, 0, 0]
    assert (parser.chat, parser.problem()) == (True, None)


def test_a_delta_with_text_and_reasoning_is_one_chunk():
    parser, counts = parse(chat({"reasoning_content": "so", "content": "a"}, "stop"))
    assert counts == [1]
    assert parser.texts == ["aso"]


@pytest.mark.parametrize(
    "cut",
    [
        completion("a", usage=USAGE),  # usage with each chunk
        event({"choices": [], "usage": {"prompt_tokens": 13, "completion_tokens": 0}}),  # before the first token
        event({"choices": [], "usage": USAGE}) + completion("b"),
        DONE + completion("b"),
        completion("a", ""),
    ],
)
def test_what_does_not_prove_the_end(cut):
    parser, _counts = parse(completion("a"), cut)
    assert "ended early" in parser.problem()


def test_usage_in_an_event_of_its_own_proves_the_end():
    parser, _counts = parse(completion("a"), event({"choices": [], "usage": USAGE}))
    assert parser.problem() is None


def test_bytes_that_are_no_utf8_are_text_with_replacements():
    parser, counts = parse(b'data: {"choices":[{"text":"\xff\xfe","finish_reason":"stop"}]}\n\n')
    assert (counts, parser.problem(), parser.texts) == ([1], None, ["\ufffd\ufffd"])


def test_an_event_without_end_is_an_error():
    parser, _counts = parse(completion("a"), b"data: " + b"x" * (9 << 20))
    assert parser.problem() == "an event has more than 8 MiB"
