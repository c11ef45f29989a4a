# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of other programs: recognised by what is in them, with units, and nothing invented."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.formats import recognise
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.formats import result_files as files_in
from result_files import AIPERF, LM_EVAL, SA_BENCH, SGLANG, VLLM, aiperf_metric

RESULTS = pathlib.Path(__file__).resolve().parents[4] / "data" / "results"


def one(tmp_path, content, name="result.json"):
    path = tmp_path / name
    path.write_text(json.dumps(content) if not isinstance(content, str) else content)
    found = recognise([str(path)])
    return (found.results[0][1] if found.results else None), found.unknown


@pytest.mark.parametrize(
    ("content", "program", "figures"),
    [
        (VLLM, "vllm bench serve", {"concurrency": 4, "output_tps": 200.0, "failed": 0, "peak_output_tps_1s": 220.0,
                                    "p99_ttft_ms": 20.0, "mean_e2el_ms": None, "request_rate": "inf"}),
        (SA_BENCH, "sa-bench", {"completed": 19, "failed": 1, "p99_e2el_ms": 150.0, "mean_e2el_ms": 140.0}),
        (SGLANG, "sglang.bench_serving", {"failed": None, "mean_e2el_ms": 900.0, "total_tps": 1200.0,
                                          "request_rate": "inf", "concurrency": 8}),
        (AIPERF, "aiperf", {"concurrency": 16, "completed": 100.0, "failed": 2.0, "mean_tpot_ms": 10.0,
                            "median_tpot_ms": 9.0, "mean_itl_ms": None, "p95_ttft_ms": 90.0, "duration": 10.0,
                            "total_output_tokens": 6400.0, "num_prompts": 102.0}),
        ({"records": {key: value for key, value in AIPERF.items() if isinstance(value, dict) and "unit" in value},
          "input_config": AIPERF["input_config"]}, "aiperf", {"completed": 100.0}),
        (LM_EVAL, "lm-eval", {"score": 0.85, "score_stderr": 0.02, "samples": 200,
                              "scored_by": "gsm8k exact_match,strict-match"}),
    ],
)  # fmt: skip
def test_a_result_is_recognised_with_its_units(tmp_path, content, program, figures):
    # SGLang's files of lines have what JSON has not.
    found, unknown = one(tmp_path, content, "result.jsonl" if content is SGLANG else "result.json")
    assert unknown == [] and found.program == program
    assert {key: found.figures.get(key) for key in figures} == pytest.approx(figures)
    assert found.faults == [] and bool(found.doubts) == (content is SGLANG)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ({**VLLM, "completed": 0, "total_output_tokens": 0}, "no request completed"),
        ({**VLLM, "total_output_tokens": 0}, "no output tokens were received"),
        ({**VLLM, "duration": 0}, "the duration of the measurement is 0, or missing"),
        ({**AIPERF, "was_cancelled": True}, "the measurement was cancelled"),
        ({**AIPERF, "request_count": aiperf_metric("requests", avg=0.0)}, "no request completed"),
        ({**LM_EVAL, "results": {"gsm8k": {"alias": "x"}}}, "the task gsm8k has no score"),
        ({**LM_EVAL, "n-samples": {"gsm8k": {"effective": 0}}}, "nothing was checked"),
    ],
)
def test_a_result_without_a_measurement_has_a_fault(tmp_path, content, fault):
    assert fault in one(tmp_path, content)[0].faults


def test_latencies_of_no_request_are_unknown_and_not_zero(tmp_path):
    found, _unknown = one(tmp_path, {**VLLM, "completed": 0, "mean_ttft_ms": 0.0})
    assert found.figures["mean_ttft_ms"] is None


@pytest.mark.parametrize(
    "content",
    [
        "", "{", "[1]", "null", '{"a": 1}', json.dumps({**VLLM, "completed": "20"}),
        json.dumps({**VLLM, "duration": -1}),
        json.dumps({**VLLM, "mean_ttft_ms": [1]}), json.dumps(VLLM).replace("200.0", "NaN"),
        json.dumps({**AIPERF, "benchmark_duration": aiperf_metric("fortnights")}),
        json.dumps({**LM_EVAL, "results": {"gsm8k": 5}}), json.dumps({**VLLM, "percentiles_ttft_ms": [5]}),
        json.dumps({**VLLM, "percentiles_ttft_ms": 5}), "[" * 100000, '{"results": []}', "\x00",
    ],
)  # fmt: skip
def test_anything_else_is_not_recognised_and_is_named(tmp_path, content):
    found, unknown = one(tmp_path, content)
    assert found is None and unknown[0].startswith("result.json")


def test_several_scores_are_a_doubt(tmp_path):
    found, _unknown = one(tmp_path, {**LM_EVAL, "results": {"a": {"acc,none": 0.5}, "b": {"acc,none": 0.7}}})
    assert "score" not in found.figures and found.doubts == ["its result has 2 scores: a, b"]


def test_each_line_of_a_file_of_lines_is_a_result(tmp_path):
    path = tmp_path / "bench.jsonl"
    path.write_text("\n".join(json.dumps({**SGLANG, "request_rate": 1, "max_concurrency": level}) for level in (1, 2)))
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "profile_export_aiperf.json").write_text(json.dumps(AIPERF))
    (tmp_path / "notes.txt").write_text("x")
    found = recognise(files_in(str(tmp_path)))
    assert [result.figures["concurrency"] for _path, result in found.results] == [1, 2, 16]


HEALTH = {"cpu_share": 0.1, "gaps": 0, "gaps_s": 0.0, "max_gap_s": 0.0, "suspended_s": 0.0}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"interrupted": True, "reason": "interrupted by SIGTERM"}, "did not complete: interrupted by SIGTERM"),
        ({"short_outputs": 3}, "3 responses have fewer tokens than requested"),
        ({"num_warmup": 8, "failed_warmup": 8}, "8 of 8 warm-up requests did not complete"),
        ({"token_mismatches": "all"}, "its result is damaged: token_mismatches is 'all', not a number"),
        ({"osl": None}, "its result is damaged: osl is missing"),
    ],
)
def test_our_own_result_is_as_valid_in_the_hands_of_another_program(tmp_path, helpers, change, fault):
    found, _unknown = one(tmp_path, helpers.raw_result(**{"isl": 64, "osl": 16, "client_health": HEALTH, **change}))
    assert found.program == "the load client of srt.slurm"
    assert (fault is None and found.faults == []) or fault in found.faults[0]


def test_our_load_client_that_another_program_runs_may_measure_once_more_after_it_was_stopped(tmp_path, helpers):
    health = {**HEALTH, "gaps": 1, "gaps_s": 1.5, "max_gap_s": 1.5}
    found, _unknown = one(tmp_path, helpers.raw_result(isl=64, osl=16, client_health=health))
    assert found.faults == [] and "the load client did not run for 1.5 s" in found.disturbances[0]
    custom, raw = BENCHMARKS["custom"], {"results": [("result.json", found)]}
    assert custom.disturbances(raw) == list(found.disturbances) and custom.disturbances({"results": []}) == []


def recorded(name):
    """Return what the result of a real run says (tests/data/results)."""
    (found,) = recognise([str(RESULTS / name)]).results
    return found[1]


def test_the_result_of_a_real_run_of_sglangs_client():
    found = recorded("sglang-0.5.23.jsonl")
    assert (found.program, found.faults, found.doubts) == ("sglang.bench_serving", [], [])
    wanted = {
        "concurrency": 4, "completed": 128, "failed": 0, "total_input_tokens": 8192,
        "total_output_tokens": 2048, "output_tps": 1334.1, "total_tps": 6670.5, "mean_ttft_ms": 24.327,
        "median_ttft_ms": 22.227, "p99_e2el_ms": 81.957, "p90_itl_ms": 0.998, "peak_output_tps_1s": 1357.0,
    }  # fmt: skip
    assert {key: found.figures[key] for key in wanted} == pytest.approx(wanted, rel=1e-3)


def test_the_result_of_a_real_run_of_aiperf_on_a_busy_machine():
    found = recorded("aiperf-0.13.0.json")
    assert (found.program, found.faults, found.doubts) == ("aiperf", [], [])
    wanted = {
        "completed": 20, "failed": 0, "total_input_tokens": 11638, "total_output_tokens": 160,
        "output_tps": 164.36, "total_tps": 12119.7, "request_goodput": 20.545, "mean_e2el_ms": 25.9365,
        "mean_tpot_ms": 0.2343, "p99_itl_ms": 3.0013, "duration": 0.949,
    }  # fmt: skip
    assert {key: found.figures[key] for key in wanted} == pytest.approx(wanted, rel=1e-3)
    assert found.disturbances == [
        "AIPerf sent its requests 11.8 ms late on average, and an answer took 25.9 ms: its node is overloaded"
    ]


def test_the_concurrency_of_aiperf_is_that_of_its_only_phase(tmp_path):
    def level(*phases):
        return one(tmp_path, {**AIPERF, "input_config": {"phases": list(phases)}})[0].figures["concurrency"]

    warm_up, load = {"kind": "warmup", "concurrency": 1}, {"kind": "profiling", "concurrency": 8}
    assert (level(load), level(warm_up, load), level(load, {**load, "concurrency": 9}), level({})) == (8, 8, None, None)
