# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of our client, of srtctl's and of older ones."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks.sa_bench import result as sa_bench_result
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error


def test_our_own_file(helpers):
    figure = sa_bench_result.figures(helpers.raw_result(16))
    assert (figure["concurrency"], figure["output_tps"], figure["total_tps"]) == (16, 1280.0, 6400.0)
    assert (figure["mean_ttft_ms"], figure["p99_e2el_ms"]) == (16.0, 64.0)
    assert (figure["completed"], figure["failed"], figure["request_rate"]) == (160, 0, "inf")


def test_a_file_of_srtctl_with_failures_has_null_and_not_zero(helpers):
    raw = helpers.raw_result(
        4, completed=0, output_throughput=0.0, mean_ttft_ms=0.0, p99_itl_ms=0.0, request_throughput=0.0
    )
    del raw["failed"]
    raw["errors"] = ["boom"] * 40
    figure = sa_bench_result.figures(raw)
    assert figure["failed"] == 40
    for key in ("output_tps", "request_throughput", "mean_ttft_ms", "p99_itl_ms"):
        assert figure[key] is None


def test_older_names_and_percentile_lists():
    raw = {"max_concurrency": 8, "completed": 3, "num_prompts": 4, "total_input": 30, "total_output": 12,
           "percentiles_ttft_ms": [[90, 5.0], [99.0, 9.5]], "mean_ttft_ms": 4.0}  # fmt: skip
    figure = sa_bench_result.figures(raw)
    assert (figure["total_input_tokens"], figure["total_output_tokens"]) == (30, 12)
    assert (figure["p90_ttft_ms"], figure["p99_ttft_ms"], figure["p95_ttft_ms"]) == (5.0, 9.5, None)
    assert figure["failed"] == 1


def test_infinity_of_older_files(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"max_concurrency": 1, "completed": 1, "request_rate": Infinity}')
    assert sa_bench_result.figures(sa_bench_result.load_result(str(path)))["request_rate"] == "inf"
    json.dumps(sa_bench_result.figures(sa_bench_result.load_result(str(path))), allow_nan=False)


@pytest.mark.parametrize(
    ("text", "message"), [('{"a": ', "cannot be read"), ("[]", "no result of"), ("{}", "max_concurrency is missing")]
)
def test_what_is_no_result(tmp_path, text, message):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(Error) as caught:
        sa_bench_result.load_result(str(path))
    assert message in caught.value.msg or "is not a result" in caught.value.msg


def test_a_missing_file(tmp_path):
    with pytest.raises(Error, match="result file .* does not exist"):
        sa_bench_result.load_result(str(tmp_path / "r.json"))
