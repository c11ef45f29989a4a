"""When a point is valid, and what the file beside its result says."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.results import verdict

EXPECT = {"num_prompts": 40, "isl": 64, "osl": 16}


def test_a_good_result_is_valid(helpers):
    assert verdict.judge(helpers.raw_result(), EXPECT) == []


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
        ({"completed": 20, "failed": 0, "num_prompts": 20}, "40 requests were planned, the result has 20"),
        ({"duration": 0}, "the measurement took no time"),
        ({"duration": None}, "the measurement took no time"),
        ({"total_output_tokens": 0, "output_lens": [0] * 40}, "no output token came"),
        ({"total_output_tokens": 641}, "640 together, the total says 641"),
        ({"short_outputs": 3}, "3 answers have fewer tokens than asked"),
        ({"server_input_tokens": 64 * 40 * 2}, "the server counted 5120 prompt tokens, 2560 were sent"),
        ({"inexact_prompts": 2}, "2 prompts could not be made"),
        ({"total_input_tokens": 65 * 40, "server_input_tokens": 65 * 40}, "requests of 64 are at most 2560"),
    ],
)
def test_what_makes_a_result_invalid(helpers, change, words):
    reasons = verdict.judge(helpers.raw_result(**change), EXPECT)
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
    assert verdict.judge(helpers.raw_result(**change), EXPECT) == []


def test_chat_with_differences_that_vary_is_not_a_template(helpers):
    raw = helpers.raw_result(endpoint="/v1/chat/completions", server_input_tokens=9000, max_input_token_difference=400)
    assert verdict.judge(raw, EXPECT)


def test_a_profiled_point_is_never_valid(helpers):
    assert verdict.judge(helpers.raw_result(), {**EXPECT, "profiled": "torch"}) == [
        "the workers were profiled (torch) while it was measured"
    ]


def test_short_answers_are_fine_when_the_end_of_text_counts(helpers):
    assert verdict.judge(helpers.raw_result(short_outputs=3), dict(EXPECT, ignore_eos=False)) == []


def test_short_answers_are_found_in_files_that_do_not_count_them(helpers):
    raw = helpers.raw_result(output_lens=[16] * 38 + [3, 3], total_output_tokens=16 * 38 + 6)
    del raw["short_outputs"]
    assert "2 answers" in verdict.judge(raw, EXPECT)[0]


def test_the_needed_share_is_a_choice(helpers):
    lengths = [16] * 36 + [0] * 4
    counts = {"total_output_tokens": 16 * 36, "total_input_tokens": 64 * 36, "server_input_tokens": 64 * 36}
    raw = helpers.raw_result(completed=36, failed=4, errors=errors(4), output_lens=lengths, **counts)
    assert verdict.judge(raw, EXPECT, min_completed=0.9) == []
    assert verdict.judge(raw, EXPECT, min_completed=0.95)


def test_the_commonest_errors_are_named_and_tracebacks_are_one_line(helpers):
    texts = ["Traceback:\n  x\nValueError: y"] * 3 + ["b"] * 2 + ["c", "d"] + [""] * 33
    (reason,) = verdict.judge(helpers.raw_result(completed=33, failed=7, errors=texts, output_lens=[16] * 40), EXPECT)[
        :1
    ]
    assert "3 x ValueError: y; 2 x b; 1 x c" in reason
    assert "1 x d" not in reason


def test_standing_of_a_valid_point(helpers, run_dir):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result())
    found, reasons = verdict.standing(made, str(path))
    assert reasons == []
    assert found["valid"] is True
    assert found["metrics"]["output_tps"] == 320.0
    assert found["started_at"] == "2026-11-21T10:00:00.000Z"
    assert len(found["result_sha256"]) == 64


def test_standing_of_what_is_not_there(helpers, run_dir):
    made = helpers.point()
    path = run_dir / made["result"]
    assert verdict.standing(made, str(path)) == (None, ["was not measured"])
    path.parent.mkdir(parents=True)
    path.write_text("{}")
    assert verdict.standing(made, str(path)) == (None, ["was measured but not judged"])


def test_standing_with_another_digest(helpers, run_dir):
    path = helpers.write_point(run_dir, helpers.point(), helpers.raw_result())
    _found, reasons = verdict.standing(dict(helpers.point(), digest="other"), str(path))
    assert reasons == ["was measured with other parameters or another service"]


def test_standing_of_a_result_that_was_changed_or_cut_or_lost(helpers, run_dir):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result())
    path.write_text(path.read_text()[:-10])
    assert "has changed since" in verdict.standing(made, str(path))[1][0]
    path.unlink()
    assert "cannot be read" in verdict.standing(made, str(path))[1][0]


def test_standing_of_an_invalid_point(helpers, run_dir):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result(), ["too slow"])
    assert verdict.standing(made, str(path))[1] == ["too slow"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": 99}'])
def test_a_verdict_that_cannot_be_read_is_none(helpers, run_dir, text):
    made = helpers.point()
    path = helpers.write_point(run_dir, made, helpers.raw_result())
    (path.parent / (path.stem + ".verdict.json")).write_text(text)
    assert verdict.read_verdict(str(path)) is None


def test_a_verdict_without_a_result_keeps_the_times_it_was_given(helpers):
    made = verdict.make_verdict(helpers.point(), ["died"], times=("A", "B"))
    assert (made["valid"], made["metrics"], made["started_at"], made["ended_at"]) == (False, {}, "A", "B")
    json.dumps(made)
