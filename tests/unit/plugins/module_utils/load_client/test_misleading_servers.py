# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers whose answers look good, but are not of what was asked for."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client.evaluate import evaluate
from ansible_collections.srt.slurm.plugins.module_utils.load_client.answer import Answer
from ansible_collections.srt.slurm.plugins.module_utils.load_client.request import Record, Request, conclude

for package in ("aiohttp", "tokenizers"):
    pytest.importorskip(package)

EXPECT = {"num_prompts": 12, "isl": 24, "osl": 8}


def event(*choices, **more):
    return b"data: " + json.dumps({"choices": list(choices), **more}).encode() + b"\n\n"


def test_an_empty_chunk_before_the_first_token_is_not_its_arrival(sse, measure):
    with sse.running(sse.Behaviour(role_chunk=True, ttft_s=0.06, itl_s=0.01)) as server:
        _code, result = measure(server.url)
    assert result["completed"] == 12
    assert min(result["ttfts"]) >= 0.059
    assert [len(gaps) for gaps in result["itls"]] == [7] * 12


@pytest.mark.parametrize(
    ("counted", "texts", "first", "gaps"),
    [
        (2, ["", "a", "b"], 1.5, [0.5]),  # one chunk too many: the first one is none
        (3, ["", "a", "b"], 1.0, [0.5, 0.5]),  # a special token
        (2, ["a", "", "b"], 1.0, [0.5, 0.5]),
        (None, ["", "a", "b"], 1.0, [0.5, 0.5]),
    ],
)
def test_only_a_chunk_too_many_tells_that_the_first_one_was_no_token(counted, texts, first, gaps):
    answer, made = Answer(), Record(Request(0, "text", 10, 5))
    for text in texts:
        answer.feed(event({"text": text}))
    usage = {} if counted is None else {"usage": {"completion_tokens": counted}}
    answer.feed(event({"text": "", "finish_reason": "length"}, **usage))
    made.start, made.first, made.last, made.itl = 0.5, 1.0, 2.0, [0.5, 0.5]
    conclude(made, answer, 2.0)
    assert (made.error, made.first, made.itl) == (None, first, gaps)


@pytest.mark.parametrize("choice", [{"index": 0}, {"index": 0, "text": None}])
def test_a_choice_without_a_text_is_no_token(choice):
    answer = Answer()
    assert [answer.feed(event(choice)), answer.feed(event({"index": 0, "text": "a"}))] == [0, 1]


def test_an_answer_of_several_choices_is_an_error():
    answer = Answer()
    answer.feed(event({"index": 0, "text": "a"}) + event({"index": 1, "text": "b", "finish_reason": "length"}))
    assert answer.problem() == "an answer of several choices, where one was asked for"


@pytest.mark.parametrize(("failing", "valid"), [(1, True), (5, False), (10, False)])
def test_a_service_whose_warm_up_failed_is_not_valid(sse, measure, tokenizer, failing, valid):
    with sse.running(sse.Behaviour(fail_first=failing, tokenizer=tokenizer)) as server:
        _code, result = measure(server.url, "--num-warmup", "10")
    assert (result["completed"], result["failed"], result["failed_warmup"]) == (12, 0, failing)
    reason = f"{failing} of 10 warm-up requests did not complete: the service was measured without its warm-up"
    assert evaluate(result, EXPECT, 0.99) == ([] if valid else [reason])
