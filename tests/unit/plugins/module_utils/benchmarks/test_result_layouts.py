# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories of results: each run is a record of its own, what sums up several is none, units are checked."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS, formats
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.formats import aiperf_files, recognise, result_files
from result_files import AIPERF, LM_EVAL, SA_BENCH, SGLANG, VLLM, aiperf_metric

EXPORT = "profile_export_aiperf.json"
CONFIDENCE = {
    "schema_version": "1.0", "aiperf_version": "0.13.0",
    "metadata": {"aggregation_type": "confidence", "num_profile_runs": 2, "failed_runs": []},
    "metrics": {"request_latency_avg": {"mean": 500.0, "std": 1.0, "unit": "ms"}},
}  # fmt: skip
SWEEP = {"aggregation_type": "sweep", "num_profile_runs": 2, "metadata": {}, "per_combination_metrics": []}
HISTORY = {"config": {"search_space": []}, "iterations": [], "best_trials": None, "convergence_reason": None}
REQUEST = {"metadata": {"session_num": 0, "benchmark_phase": "profiling"}, "metrics": {"ttft": {"value": 1}}}


def write(root, files):
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return recognise(result_files(str(root)))


def of_level(level, mean=500.0):
    return {
        **AIPERF, "input_config": {"loadgen": {"concurrency": level}},
        "request_latency": aiperf_metric("ms", avg=mean, p50=mean),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("files", "runs"),
    [
        ({EXPORT: of_level(4)}, [("", 4)]),
        ({f"profile_runs/run_000{n}/{EXPORT}": of_level(4) for n in (1, 2)},
         [("profile_runs/run_0001", 4), ("profile_runs/run_0002", 4)]),
        ({f"concurrency_{n}/{EXPORT}": of_level(n) for n in (4, 8)}, [("concurrency_4", 4), ("concurrency_8", 8)]),
        ({f"profile_runs/trial_0001/concurrency_{n}/{EXPORT}": of_level(n) for n in (4, 8)},
         [("profile_runs/trial_0001/concurrency_4", 4), ("profile_runs/trial_0001/concurrency_8", 8)]),
        ({f"concurrency_4/profile_runs/trial_000{n}/{EXPORT}": of_level(4) for n in (1, 2)},
         [("concurrency_4/profile_runs/trial_0001", 4), ("concurrency_4/profile_runs/trial_0002", 4)]),
        ({f"search_iter_000{n}/profile_runs/run_0001/{EXPORT}": of_level(n) for n in (2, 3)},
         [("search_iter_0002/profile_runs/run_0001", 2), ("search_iter_0003/profile_runs/run_0001", 3)]),
        ({f"concurrency_10__isl_512/{EXPORT}": of_level([10, 20])}, [("concurrency_10__isl_512", 10)]),
    ],
)  # fmt: skip
def test_each_run_of_aiperf_is_a_record_of_its_own(tmp_path, files, runs):
    beside = {
        "aggregate/profile_export_aiperf_aggregate.json": CONFIDENCE,
        "aggregate/concurrency_4/profile_export_aiperf_aggregate.json": CONFIDENCE,
        "sweep_aggregate/profile_export_aiperf_sweep.json": SWEEP,
        "sweep_aggregate/pareto_sweep.json": {"any": "thing"},
        "search_history.json": HISTORY,
        "profile_export.jsonl": f"{json.dumps(REQUEST)}\n" * 3,
        "inputs.json": {"data": []},
    }
    found = write(tmp_path, {**files, **beside})
    assert [(one.run, one.figures["concurrency"]) for _path, one in found.results] == runs
    assert found.unknown == [] and len(found.aside) == len(beside)


@pytest.mark.parametrize("content", [CONFIDENCE, SWEEP, HISTORY, REQUEST, {"combined": {}, "per_run": []}])
@pytest.mark.parametrize("name", [EXPORT, "concurrency_4/result.json"])
def test_what_sums_up_several_runs_is_no_result_whatever_its_name(tmp_path, name, content):
    found = write(tmp_path, {name: content})
    assert (found.results, found.unknown, len(found.aside)) == ([], [], 1)


def test_a_directory_that_contradicts_its_result_is_a_doubt(tmp_path):
    ((_path, one),) = write(tmp_path, {f"concurrency_8/{EXPORT}": of_level(4)}).results
    assert one.doubts == ["its directory is that of concurrency 8, but it says that 4 was asked for"]


def test_runs_of_one_load_belong_together_and_others_do_not():
    one, other = "profile_runs/trial_0001/concurrency_4", "profile_runs/trial_0002/concurrency_4"
    assert aiperf_files.load_of(one) == aiperf_files.load_of(other) == "concurrency_4"
    assert aiperf_files.values_of("concurrency_10__request_rate_2.5") == {"concurrency": 10, "request_rate": 2.5}
    assert aiperf_files.run_of("/a/m_trace_c4_20260801_101010/profile_export_aiperf.json") == ""


def test_a_run_of_aiperf_in_which_nothing_completed_is_known_and_has_a_fault(tmp_path):
    lost = {key: AIPERF[key] for key in ("input_config", "error_request_count", "benchmark_duration")}
    ((_path, one),) = write(tmp_path, {EXPORT: lost}).results
    assert one.faults == ["no request completed"]
    assert (one.figures["completed"], one.figures["failed"], one.figures["mean_ttft_ms"]) == (0, 2.0, None)


@pytest.mark.parametrize("unit", ["tokens", "requests/sec", "ms"])
def test_a_throughput_of_aiperf_in_another_unit_is_not_read(tmp_path, unit):
    found = write(tmp_path, {EXPORT: {**AIPERF, "output_token_throughput": aiperf_metric(unit)}})
    assert found.results == [] and f"the unit '{unit}' of output_token_throughput is not tokens/s" in found.unknown[0]


@pytest.mark.parametrize("content", [SA_BENCH, VLLM, SGLANG])
def test_the_mean_of_nothing_is_missing_and_not_zero(tmp_path, content):
    empty = {f"{one}_{name}_ms": 0.0 for one in ("mean", "median", "std", "p99") for name in ("tpot", "itl")}
    text = json.dumps({**content, **empty}).replace("Infinity", '"inf"')
    ((_path, one),) = write(tmp_path, {"r.json": text}).results
    assert [one.figures[key] for key in empty] == [None] * len(empty)
    assert one.figures["mean_ttft_ms"] == content["mean_ttft_ms"]


def test_a_statistic_that_is_zero_among_others_is_a_measurement(tmp_path):
    latency = aiperf_metric("ms", avg=0.2, p50=0.0, p99=1.0)
    ((_path, one),) = write(tmp_path, {EXPORT: {**AIPERF, "inter_chunk_latency": latency}}).results
    assert (one.figures["median_itl_ms"], one.figures["p99_itl_ms"]) == (0.0, 1.0)


def test_old_and_new_keys_of_a_client_mean_the_same(tmp_path):
    old = {"total_input" if key == "total_input_tokens" else key: value for key, value in SA_BENCH.items()}
    old["total_output"] = old.pop("total_output_tokens")
    old["request_goodput:"] = old.pop("request_goodput") or 3.0
    del old["peak_output_tokens_per_s"]
    ((_path, one),) = write(tmp_path, {"r.json": old}).results
    assert (one.program, one.figures["request_goodput"]) == ("sa-bench", 3.0)
    assert (one.figures["total_input_tokens"], one.figures["total_output_tokens"]) == (2000, 500)


def test_a_peak_over_one_second_is_not_that_over_ten(tmp_path):
    vllm, own = (write(tmp_path / name, {"r.json": content}).results[0][1].figures
                 for name, content in (("a", VLLM), ("b", SA_BENCH)))  # fmt: skip
    assert (vllm["peak_output_tps"], vllm["peak_output_tps_1s"]) == (None, 220.0)
    assert (own["peak_output_tps"], own["peak_output_tps_1s"]) == (220.0, None)


def test_a_result_that_does_not_say_how_many_completed_is_a_doubt(tmp_path):
    short = {key: VLLM[key] for key in ("model_id", "max_concurrency", "output_throughput", "median_ttft_ms")}
    ((_path, one),) = write(tmp_path, {"r.json": short}).results
    assert one.faults == [] and "its result does not say how many requests completed" in one.doubts


@pytest.mark.parametrize(
    ("values", "better", "score"),
    [
        ({"word_perplexity,none": 12.5}, {"word_perplexity": False}, None),
        ({"bits_per_byte,none": 0.7, "acc,none": 0.5}, {"bits_per_byte": False, "acc": True}, 0.5),
        ({"bits_per_byte,none": 0.7}, {"bits_per_byte": False}, None),
        ({"bleu,none": 33.0}, {"bleu": True}, None),
    ],
)
def test_a_figure_of_lm_eval_that_is_no_share_is_no_score(tmp_path, values, better, score):
    content = {**LM_EVAL, "results": {"gsm8k": values}, "higher_is_better": {"gsm8k": better}}
    ((_path, one),) = write(tmp_path, {"r.json": content}).results
    assert one.figures["score"] == score and bool(one.faults) == (score is None)


@pytest.mark.parametrize(
    "content",
    [
        {
            "elapsed_time": 1.0,
            "num_requests": 5,
            "total_num_tokens": 9,
            "requests_per_second": 5,
            "tokens_per_second": 9,
        },
        {"avg_latency": 1.0, "latencies": [1.0], "percentiles": {"50": 1.0}},
    ],
)
def test_a_measurement_without_a_service_is_no_result_of_one(tmp_path, content):
    found = write(tmp_path, {"r.json": content})
    assert found.results == [] and "without a service" in found.aside[0][1]


def test_more_files_than_are_read_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(formats, "MOST_FILES", 3)
    found = write(tmp_path, {f"{number}.json": {"a": 1} for number in range(5)})
    assert found.unknown[-1] == "all files after the first 3, which were not read"


def test_a_result_whose_throughput_is_not_that_of_its_sums_is_not_called_valid(tmp_path):
    ((path, one),) = write(tmp_path, {"r.json": {**VLLM, "total_output_tokens": 5000}}).results
    custom, raw = (
        BENCHMARKS["custom"],
        {"results": [(path, one)], "unknown": [], "broken": [], "answers": [], "too_many": False, "duration_s": 5.0},
    )
    assert custom.evaluate(raw, {}, 0.99) == []
    assert "it says out 200.0 tok/s, but 5,000 in 2.5 s are 2,000.0" in custom.doubts(raw)
