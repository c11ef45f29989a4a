# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table at the end of a run."""

from __future__ import annotations

import run_results
from ansible_collections.srt.slurm.plugins.module_utils.results import document, tables


def heads(tmp_path, *results):
    plan = {**run_results.make_plan(tmp_path, concurrencies=range(1, 1 + len(results))), "steps": []}
    for point, raw in zip(plan["benchmark"]["points"], results):
        if raw is not None:
            run_results.write_point(tmp_path, point, run_results.raw_result(point["key"]["concurrency"], **raw))
    return tables.table_text(document.build(plan, "now")).splitlines()[:3]


def test_a_percentile_has_a_column_if_one_point_knows_it(tmp_path):
    head, first, second = heads(tmp_path, {"p99_ttft_ms": None}, {"p99_ttft_ms": 7.5})
    assert "TTFT p99 ms" in head and " - " in first and " 7.5 " in second


def test_a_percentile_that_no_point_knows_has_none_and_other_figures_have(tmp_path):
    head, first, _second = heads(tmp_path, {"p99_ttft_ms": None, "mean_tpot_ms": None}, {"p99_ttft_ms": None})
    assert "p99" not in head and "TTFT mean ms" in head and "TPOT mean ms" in head and " - " in first


def test_before_anything_is_measured_there_is_none_either(tmp_path):
    head, _first, _second = heads(tmp_path, None, None)
    assert "p99" not in head and "TTFT mean ms" in head
