# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a result of sa-bench is valid."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client.evaluate import evaluate

EXPECT = {"num_prompts": 40, "isl": 64, "osl": 16}


def reasons_of(raw, **expect):
    return evaluate(raw, {**EXPECT, **expect}, 0.99)


def test_a_good_result_is_valid(helpers):
    assert reasons_of(helpers.raw_result()) == []


def errors(count, text="HTTP 503: no workers"):
    return [text] * count + [""] * (40 - count)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"interrupted": True, "reason": "interrupted by SIGTERM"}, "did not complete: interrupted by SIGTERM"),
        (
            {"completed": 0, "failed": 40, "errors": errors(40)},
            "none of 40 requests completed; 40 x HTTP 503: no workers",
        ),
        (
            {"completed": 39, "failed": 1, "errors": errors(1)},
            "1 of 40 requests did not complete (97.5 % completed, 99 % are",
        ),
        ({"completed": 20, "failed": 0, "num_prompts": 20}, "40 requests were planned, but the result has 20"),
        ({"duration": 0}, "the duration of the measurement is 0"),
        ({"duration": None}, "the duration of the measurement is 0"),
        ({"total_output_tokens": 0, "output_lens": [0] * 40}, "no output tokens were received"),
        ({"total_output_tokens": 641}, "add up to 640, but the total is 641"),
        ({"short_outputs": 3}, "3 responses have fewer tokens than requested"),
        ({"server_input_tokens": 64 * 40 * 2}, "the server counted 5120 prompt tokens, but 2560 were sent"),
        ({"token_mismatches": 1}, "text and token count disagree in 1 of 40 responses"),
        ({"inexact_prompts": 2}, "2 prompts do not have"),
        ({"osl": 32}, "the result is of another load: osl 32; the point has isl 64, osl 16, num_prompts 40"),
        ({"isl": 32, "num_prompts": 80}, "the result is of another load: isl 32, num_prompts 80; the point has"),
        ({"total_input_tokens": 65 * 40, "server_input_tokens": 65 * 40}, "requests of 64 have at most 2560"),
    ],
)
def test_what_makes_a_result_invalid(helpers, change, words):
    reasons = reasons_of(helpers.raw_result(**change))
    assert any(words in reason for reason in reasons), reasons


@pytest.mark.parametrize(
    "change",
    [
        {"server_input_tokens": None},
        {"server_input_tokens": 65 * 40},  # a begin-of-text token that the server does (not) add
        {"server_input_tokens": 100 * 40, "min_input_token_difference": 36, "max_input_token_difference": 36,
         "endpoint": "/v1/chat/completions"},
        {"random_range_ratio": 0.8, "output_lens": [14] * 40, "total_output_tokens": 14 * 40,
         "total_input_tokens": 2000, "server_input_tokens": 2000},
        {"usage_source": "chunks"},
    ],
)  # fmt: skip
def test_what_does_not(helpers, change):
    assert reasons_of(helpers.raw_result(**change)) == []


def test_chat_with_differences_that_vary_is_not_a_template(helpers):
    raw = helpers.raw_result(endpoint="/v1/chat/completions", server_input_tokens=9000, max_input_token_difference=400)
    assert reasons_of(raw)


def test_short_answers_are_fine_when_the_end_of_text_counts(helpers):
    assert reasons_of(helpers.raw_result(short_outputs=3, ignore_eos=False)) == []


def test_the_needed_share_is_a_choice(helpers):
    lengths = [16] * 36 + [0] * 4
    counts = {"total_output_tokens": 16 * 36, "total_input_tokens": 64 * 36, "server_input_tokens": 64 * 36}
    raw = helpers.raw_result(completed=36, failed=4, errors=errors(4), output_lens=lengths, **counts)
    assert evaluate(raw, EXPECT, 0.9) == []
    assert evaluate(raw, EXPECT, 0.95)


def test_the_commonest_errors_are_named_and_tracebacks_are_one_line(helpers):
    texts = ["Traceback:\n  x\nValueError: y"] * 3 + ["b"] * 2 + ["c", "d"] + [""] * 33
    (reason,) = reasons_of(helpers.raw_result(completed=33, failed=7, errors=texts, output_lens=[16] * 40))[:1]
    assert "3 x ValueError: y; 2 x b; 1 x c" in reason
    assert "1 x d" not in reason
