# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Shared prefixes, and the hit rate of prefix caches that the metrics of workers show."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.load_client import cache, prompts

SGLANG = "sglang:cached_tokens_total sglang:prompt_tokens_total"


def common(one, other):
    return len(os.path.commonprefix([one.split(), other.split()]))


@pytest.mark.parametrize("ratio", [0.25, 0.5, 0.9])
def test_each_prompt_begins_with_one_of_the_prefixes_and_has_its_exact_length(tokenizer, ratio):
    maker = prompts.PromptMaker(tokenizer, 0)
    shared = prompts.Shared(4, int(40 * ratio))
    texts = maker.make([40] * 200, "seed", 1, shared)
    assert [len(tokenizer.encode(text).ids) for text in texts] == [40] * 200
    begins = {tuple(text.split()[: shared.tokens]) for text in texts}
    assert len(begins) == 4 and len({begin[0] for begin in begins}) == 4
    assert len(set(texts)) == 200
    most = max(common(one, other) for one in texts[:40] for other in texts if one != other)
    assert shared.tokens <= most <= shared.tokens + 3
    assert maker.make([40] * 200, "seed", 1, shared) == texts != maker.make([40] * 200, "seed2", 1, shared)


def test_prefixes_of_the_warm_up_are_others(tokenizer):
    maker = prompts.PromptMaker(tokenizer, 0)
    warmup, measured = (maker.make([30] * 50, "seed", half, prompts.Shared(5, 20)) for half in (0, 1))
    assert max(common(one, other) for one in warmup for other in measured) == 0


@pytest.mark.parametrize(("ratio", "words"), [(0.0, 0), (0.5, 12), (1.0, 24)])
def test_the_hit_rate_is_that_of_the_measured_requests(sse, measure, ratio, words):
    with sse.running(sse.Behaviour(caches=SGLANG)) as server:
        argv = ["--prefix-ratio", str(ratio), "--prefixes", "3", "--num-prompts", "60", "--num-warmup", "9"]
        code, result = measure(server.url, *argv, "--metrics-url", f"{server.url}/metrics")
    assert code == 0 and (result["prefix_ratio"], result["prefixes"]) == (ratio, 3)
    sent = [body["prompt"].split() for body in server.requests[9:]]
    expected = 100 * words * (60 - len({tuple(one[:words]) for one in sent})) / (60 * 24)
    assert expected <= result["cache_hit_rate"] <= expected + 6  # a word after the prefix may be the same by chance
    assert (result["cache_source"], result["cache_note"]) == ("sglang:cached_tokens_total", None)


@pytest.mark.parametrize(
    ("behaviour", "note"),
    [
        ({}, "the metrics of the workers have no counters of cached prompt tokens"),
        ({"caches": "sglang:cached_tokens_total other_total"}, "the metrics of the workers have no counters"),
    ],
)
def test_without_counters_the_hit_rate_is_null_and_says_why(sse, measure, monkeypatch, behaviour, note):
    monkeypatch.setattr(cache, "LATE_S", 0.1)
    with sse.running(sse.Behaviour(**behaviour)) as server:
        _code, result = measure(server.url, "--metrics-url", f"{server.url}/metrics")
    assert result["cache_hit_rate"] is None and note in result["cache_note"]


def test_a_page_that_is_not_there_is_told(sse, measure, unused_port):
    with sse.running() as server:
        _code, result = measure(server.url, "--metrics-url", f"http://127.0.0.1:{unused_port}/metrics")
    assert (
        result["cache_hit_rate"] is None and f"127.0.0.1:{unused_port}/metrics cannot be read" in result["cache_note"]
    )


def page(cached, asked):
    return dict(zip(SGLANG.split(), (cached, asked)))


TRTLLM = {"trtllm_prompt_cached_tokens_total": 40, "trtllm_prompt_tokens_total": 105}


@pytest.mark.parametrize(
    ("before", "after", "rate", "note"),
    [
        ([page(5, 10), page(0, 0)], [page(30, 60), page(25, 50)], 50.0, None),
        ([{}, {}], [page(0, 50), page(0, 50)], 0.0, None),
        # TensorRT-LLM has no counter of hits before the first one.
        ([{"trtllm_prompt_tokens_total": 5}], [TRTLLM], 40.0, None),
        ([page(5, 10), page(9, 9)], [page(30, 60), page(0, 59)], None, "went back"),
        ([page(0, 0)], [page(10, 97)], None, "grew by 97, but 100 prompt tokens were sent"),
        ([page(0, 0)], [page(10, 150)], None, "grew by 150, but 100"),
        ([page(0, 0), {}], [page(10, 100), {}], None, "only 1 of 2 workers"),
        ([page(0, 0)], ["x cannot be read"], None, "x cannot be read"),
        ([], [], None, "no worker publishes metrics"),
    ],
)
def test_a_rate_needs_counters_of_all_workers_that_saw_what_was_sent(before, after, rate, note):
    found = cache.grown(before, after, 100)
    assert found["cache_hit_rate"] == rate and (note is None or note in found["cache_note"])


def test_frontends_count_where_workers_have_no_counters(sse, measure):
    names = "dynamo_frontend_cached_tokens_sum dynamo_frontend_input_sequence_tokens_sum"
    with sse.running() as worker, sse.running(sse.Behaviour(caches=names)) as server:
        urls = ["--metrics-url", f"{worker.url}/metrics", "--metrics-url", f"+{server.url}/metrics"]
        _code, result = measure(server.url, "--prefix-ratio", "0.5", "--prefixes", "1", *urls)
    assert result["cache_source"] == names.split()[0]
    assert result["cache_hit_rate"] == pytest.approx(100 * 11 * 12 / (12 * 24), abs=5)
    assert json.dumps(result)
