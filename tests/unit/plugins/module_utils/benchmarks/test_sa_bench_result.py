# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Result files of the load client."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.benchmarks import BENCHMARKS
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error

SA_BENCH = BENCHMARKS["sa-bench"]


def test_a_result_has_its_figures_by_the_names_of_the_metrics(helpers):
    figure = SA_BENCH.figures(helpers.raw_result(16))
    assert (figure["concurrency"], figure["output_tps"], figure["total_tps"]) == (16, 1280.0, 6400.0)
    assert (figure["mean_ttft_ms"], figure["p99_e2el_ms"]) == (16.0, 64.0)
    assert (figure["completed"], figure["failed"], figure["request_rate"]) == (160, 0, "inf")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": ', "cannot be read"),
        ("[]", "is not a JSON object"),
        ("{}", "is not a result of the load client: max_concurrency is missing"),
    ],
)
def test_what_is_no_result(tmp_path, text, message):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(Error, match=message):
        SA_BENCH.read(str(path))


def test_a_missing_file(tmp_path):
    with pytest.raises(Error, match="result file .* does not exist"):
        SA_BENCH.read(str(tmp_path / "r.json"))


def test_a_result_without_figures_is_not_valid(tmp_path):
    path = tmp_path / "r.json"
    path.write_text('{"max_concurrency": 4}')
    raw = SA_BENCH.read(str(path))
    assert set(SA_BENCH.figures(raw).values()) == {4, None}
    assert SA_BENCH.evaluate(raw, {"num_prompts": 40, "isl": 64, "osl": 16}, 0.99)
