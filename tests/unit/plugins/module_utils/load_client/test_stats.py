# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Records to figures."""

from __future__ import annotations

import json
import math
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.own_client.evaluate import evaluate
from ansible_collections.srt.slurm.plugins.module_utils.load_client import stats
from ansible_collections.srt.slurm.plugins.module_utils.load_client.main import format_report, format_result
from ansible_collections.srt.slurm.plugins.module_utils.load_client.request import Record, Request


def options(**other):
    values = {
        "backend": "dynamo", "model": "m", "tokenizer": "/t", "num_prompts": 2, "metadata": [("node", "n1")],
        "request_rate": math.inf, "burstiness": 1.0, "concurrency": 2, "reuse_connections": True, "quick_ack": True,
        "endpoint": "/v1/completions", "isl": 10, "osl": 5, "random_range_ratio": 1.0, "ignore_eos": True,
        "num_warmup": 0, "seed": 0, "attempt": 0, "repeat": 1, "gpus": 8, "prefill_gpus": None, "decode_gpus": None,
        "goodput": [], "percentiles": [90, 95, 99], "save_texts": False, "cool_down": None, **other,
    }  # fmt: skip
    return types.SimpleNamespace(**values)


def record(start=0.0, first=0.1, gaps=(0.02,) * 4, tokens=5, tokens_in=10, error=None, counted=False, index=0):
    made = Record(Request(index, "text", 10, 5))
    made.start, made.first, made.last = start, start + first, start + first + sum(gaps)
    made.end, made.itl, made.tokens_out, made.tokens_in = made.last, list(gaps), tokens, tokens_in
    made.chunks, made.counted, made.error, made.texts = len(gaps) + 1, counted, error, ["a", "b"]
    return made


def failed(start=0.0):
    made = Record(Request(9, "text", 10, 5))
    made.start = made.end = start
    made.error = "HTTP 503: no"
    return made


def test_figures_of_two_requests():
    result = stats.build_result(options(), [record(), record(start=0.1)], 0.5, started_at="T", interrupted=False)
    assert result["completed"] == 2
    assert result["total_output_tokens"] == 10
    assert result["total_input_tokens"] == 20
    assert result["request_throughput"] == 4.0
    assert result["output_throughput"] == 20.0
    assert result["total_token_throughput"] == 60.0
    assert result["mean_ttft_ms"] == pytest.approx(100)
    assert result["mean_tpot_ms"] == pytest.approx(20)
    assert result["mean_itl_ms"] == pytest.approx(20)
    assert result["mean_e2el_ms"] == pytest.approx(180)
    assert result["std_ttft_ms"] == pytest.approx(0)
    assert result["ttfts"] == [0.1, 0.1]
    assert result["start_times"] == [0.0, 0.1]
    assert result["itls"][0] == [0.02] * 4
    assert result["request_rate"] == "inf"
    assert result["node"] == "n1"
    assert result["usage_source"] == "server"
    assert result["errors"] == ["", ""]
    assert result["generated_texts"] == []


def test_keys_of_sa_bench_are_there_in_its_order():
    result = stats.build_result(options(), [record()], 1.0, started_at="T")
    wanted = [
        "date", "backend", "model_id", "tokenizer_id", "best_of", "num_prompts", "request_rate", "burstiness",
        "max_concurrency", "duration", "completed", "total_input_tokens", "total_output_tokens", "request_throughput",
        "request_goodput", "output_throughput", "peak_output_tokens_per_s", "total_token_throughput", "mean_ttft_ms",
        "median_ttft_ms", "std_ttft_ms", "p99_ttft_ms", "mean_tpot_ms", "mean_itl_ms", "mean_e2el_ms", "input_lens",
        "output_lens", "ttfts", "itls", "errors",
    ]  # fmt: skip
    assert [key for key in result if key in wanted] == wanted


def test_without_a_sample_a_figure_is_null_and_never_zero():
    result = stats.build_result(options(), [failed(), failed()], 0.5)
    for name in ("ttft", "tpot", "itl", "e2el"):
        for figure in ("mean", "median", "std", "p90", "p95", "p99"):
            assert result[f"{figure}_{name}_ms"] is None
    for key in ("request_throughput", "output_throughput", "peak_output_tokens_per_s", "usage_source"):
        assert result[key] is None
    assert result["completed"] == 0
    assert result["failed"] == 2
    assert result["ttfts"] == [None, None]
    assert result["output_lens"] == [0, 0]
    assert "NaN" not in format_result(result)


def test_one_token_answers_have_no_tpot():
    result = stats.build_result(options(), [record(gaps=(), tokens=1)], 1.0)
    assert result["mean_tpot_ms"] is None
    assert result["mean_itl_ms"] is None
    assert result["mean_ttft_ms"] == pytest.approx(100)


def test_what_is_not_known_is_null_and_never_zero():
    invisible = record(gaps=())
    invisible.first = None
    result = stats.build_result(options(goodput=[("ttft", 1e9)]), [invisible], 1.0)
    assert (result["mean_ttft_ms"], result["mean_tpot_ms"], result["ttfts"]) == (None, None, [None])
    assert result["mean_e2el_ms"] == pytest.approx(100)
    assert result["request_goodput"] == 0
    assert result["peak_output_tokens_per_s"] == 5
    at_once = stats.build_result(options(goodput=[("tpot", 1e9)]), [record(gaps=(0.0,) * 4)], 1.0)
    assert (at_once["mean_tpot_ms"], at_once["request_goodput"]) == (None, 0)


def test_the_window_reaches_to_the_chunk_with_the_finish_reason():
    late = record(tokens=5)
    late.last += 0.04
    result = stats.build_result(options(), [late], 1.0)
    assert result["mean_e2el_ms"] == pytest.approx(220)
    assert result["mean_tpot_ms"] == pytest.approx(30)
    assert result["mean_itl_ms"] == pytest.approx(20)


def test_responses_whose_text_and_count_disagree_are_counted():
    odd = record()
    odd.mismatch = True
    assert stats.build_result(options(), [odd, record()], 1.0)["token_mismatches"] == 1


def test_failed_requests_count_for_nothing_but_themselves():
    result = stats.build_result(options(), [record(), failed(0.2)], 1.0)
    assert (result["completed"], result["failed"], result["total_input_tokens"]) == (1, 1, 10)
    assert result["errors"] == ["", "HTTP 503: no"]
    assert result["input_lens"] == [10, 10]


@pytest.mark.parametrize(
    ("limits", "good"),
    [([("ttft", 100.1)], 1.0), ([("ttft", 99.0)], 0.0), ([("ttft", 200), ("tpot", 10)], 0.0), ([("e2el", 200)], 1.0)],
)
def test_goodput(limits, good):
    result = stats.build_result(options(goodput=limits), [record()], 1.0)
    assert result["request_goodput"] == good


def test_no_limits_no_goodput():
    assert stats.build_result(options(), [record()], 1.0)["request_goodput"] is None


def test_counts_of_the_server_are_compared():
    result = stats.build_result(options(), [record(tokens_in=12), record(tokens_in=10)], 1.0)
    assert result["server_input_tokens"] == 22
    assert result["input_token_mismatches"] == 1
    assert (result["min_input_token_difference"], result["max_input_token_difference"]) == (0, 2)


def test_without_usage_chunks_are_counted_and_it_says_so():
    both = stats.build_result(options(), [record(counted=True, tokens_in=None), record()], 1.0)
    chunks = stats.build_result(options(), [record(counted=True, tokens_in=None)], 1.0)
    assert both["usage_source"] == "mixed"
    assert chunks["usage_source"] == "chunks"
    assert chunks["server_input_tokens"] is None


def test_short_answers_are_counted():
    assert stats.build_result(options(), [record(tokens=3), record()], 1.0)["short_outputs"] == 1


def test_peak_is_the_best_ten_seconds():
    slow = record(first=0.0, gaps=(1.0,) * 29, tokens=30)  # one token a second for half a minute
    burst = record(start=15.0, first=0.0, gaps=(0.01,) * 99, tokens=100)
    assert stats.peak_rate([slow], 0.0, 30.0) == pytest.approx(1.0)
    assert stats.peak_rate([slow, burst], 0.0, 30.0) == pytest.approx(11.0)
    assert stats.peak_rate([record()], 0.0, 0.5) == pytest.approx(10.0)
    assert stats.peak_rate([], 0.0, 1.0) is None


def test_chunks_of_several_tokens_share_the_servers_count():
    chunky = record(first=0.0, gaps=(0.5,), tokens=20)
    assert stats.peak_rate([chunky], 0.0, 1.0) == pytest.approx(20.0)


def test_texts_only_when_asked_for():
    assert stats.build_result(options(save_texts=True), [record()], 1.0)["generated_texts"] == ["ab"]


def test_result_text_has_one_key_a_line_and_is_json():
    result = stats.build_result(options(), [record(), failed()], 1.0, started_at="T")
    text = format_result(result)
    assert json.loads(text) == json.loads(json.dumps(result))
    assert len(text.splitlines()) == len(result) + 2


def test_report_names_the_figures_and_the_commonest_errors():
    text = format_report(stats.build_result(options(), [record(), failed(), failed()], 1.0))
    assert "Successful requests:              1" in text
    assert "2 x HTTP 503: no" in text
    assert "Mean TTFT (ms):" in text
    nothing = format_report(stats.build_result(options(), [failed()], 1.0))
    assert "Request throughput (req/s):       -" in nothing
    assert "TTFT" not in nothing


def answered(name, tokens_in=10):
    made = record(tokens_in=tokens_in)
    made.model = name
    return made


def of(records):
    """Return the reasons why the result of *records* is not valid."""
    result = stats.build_result(options(num_prompts=len(records)), records, 1.0)
    return evaluate(result, {"num_prompts": len(records), "isl": 10, "osl": 5}, 0.99)


def test_answers_of_several_models_are_not_of_one_service():
    assert of([answered("m")] * 3) == of([answered("/models/m")] * 3) == of([answered("m"), answered(None)]) == []
    assert of([answered("m"), answered("m"), answered("other")]) == ["the answers are from several models: m, other"]


@pytest.mark.parametrize("other", [0, 200])
def test_a_worker_with_another_tokenizer_is_found_among_many(other):
    """On average over all requests it is within the tolerance for a begin-of-text token."""
    assert of([answered("m", 11)] * 100) == []
    reason = "the server counted other prompt tokens than were sent in 2 of 100 requests: it cuts prompts, or a part of"
    assert of([answered("m")] * 98 + [answered("m", other)] * 2)[0].startswith(reason)
    assert of([answered("m")] * 99 + [answered("m", other)]) == []


def test_the_steady_state_leaves_out_how_the_load_grows_and_ends():
    """Four places, each with ten answers of one second and five tokens; they begin and end a second apart."""
    records = []
    for place in range(4):
        for number in range(10):
            records.append(record(start=place + number + number * 1e-6, first=0.2, gaps=(0.2,) * 4, tokens=5))
    result = stats.build_result(options(concurrency=4, num_prompts=40), records, 13.0)
    steady = result["steady_state"]
    assert steady["begin_s"] == pytest.approx(3, abs=0.01) and steady["duration"] == pytest.approx(7, abs=0.01)
    assert 21 <= steady["completed"] <= 28  # seven of each place, without those on the edges
    assert steady["output_throughput"] == pytest.approx(20, rel=0.06)
    assert steady["output_throughput"] > 1.2 * result["output_throughput"]
    assert steady["median_e2el_ms"] == pytest.approx(1000) and steady["p99_e2el_ms"] is None


def test_a_short_load_has_no_steady_state():
    assert stats.build_result(options(), [record()] * 10, 1.0)["steady_state"] is None
    assert stats.build_result(options(), [failed()], 1.0)["steady_state"] is None
    assert stats.build_result(options(), [], 0.0)["steady_state"] is None
