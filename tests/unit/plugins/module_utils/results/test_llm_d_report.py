# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Benchmark reports of llm-d-benchmark: one for each valid point, with nothing that the rollup does not say."""

from __future__ import annotations

import json

import foreign_runs
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.results import document, llm_d_report
from ansible_collections.srt.slurm.plugins.module_utils.stages import rollup


def finished(helpers, run_dir, **options):
    plan = helpers.make_plan(run_dir, **options)
    for point in plan["benchmark"]["points"]:
        helpers.write_point(run_dir, point, helpers.raw_result(point["key"]["concurrency"]))
    foreign_runs.write(run_dir / "plan.json", plan)
    return plan


def reports(run_dir):
    rollup.run({"plan_path": str(run_dir / "plan.json"), "plan": None, "failure": {}}, Context())
    return {path.stem: json.loads(path.read_text()) for path in run_dir.glob("llm-d-benchmark/*")}


def test_a_valid_point_has_a_report_with_its_figures(helpers, run_dir):
    finished(helpers, run_dir)
    found = reports(run_dir)
    one = found["bench_c4"]
    assert set(found) == {"bench_c4", "bench_c16"} and one["version"] == "0.2.1"
    performance = one["results"]["request_performance"]["aggregate"]
    assert performance["requests"] == {
        "total": 40, "failures": 0, "input_length": {"units": "count", "mean": 64.0},
        "output_length": {"units": "count", "mean": 16.0},
    }  # fmt: skip
    assert performance["latency"]["time_to_first_token"] == {
        "units": "ms", "mean": 4.0, "p50": 4.0, "stddev": 4.0, "p90": 4.0, "p95": 4.0, "p99": 4.0,
    }  # fmt: skip
    assert performance["latency"]["inter_token_latency"]["units"] == "ms/token"
    assert performance["throughput"]["output_token_rate"] == {"units": "tokens/s", "mean": 320.0}
    assert performance["throughput"]["input_token_rate"]["mean"] == 1280.0
    assert one["run"]["time"] == {
        "start": "2026-11-21T10:00:00.000Z", "end": "2026-11-21T10:00:02.000Z", "duration": "PT2S",
    }  # fmt: skip
    prefill, decode = one["scenario"]["stack"]
    assert (prefill["standardized"]["role"], prefill["standardized"]["replicas"]) == ("prefill", 2)
    assert decode["standardized"]["accelerator"]["count"] == 8 and decode["standardized"]["tool_version"] == "unknown"
    load = one["scenario"]["load"]["standardized"]
    assert (load["concurrency"], load["input_seq_len"]["value"], "rate_qps" in load) == (4, 64, False)
    assert "hf_x" not in json.dumps(found)
    assert len({made["run"]["uid"] for made in found.values()}) == 2
    assert len({made["run"]["eid"] for made in found.values()}) == 1


def test_what_is_not_known_is_left_out(helpers, run_dir):
    plan = finished(helpers, run_dir)
    made = document.build(plan, "T")
    made["results"] = [{**made["results"][0], "mean_itl_ms": None, "failed": None, "request_rate": 2.5}]
    made["isl"] = None
    (one,) = map(json.loads, llm_d_report.documents(made).values())
    performance = one["results"]["request_performance"]["aggregate"]
    assert "inter_token_latency" not in performance["latency"] and "failures" not in performance["requests"]
    assert "load" not in one["scenario"]
    assert "null" not in json.dumps(one)


@pytest.mark.parametrize("change", [{"valid": False}, {"state": "passed"}, {"state": "changed"}, {"completed": None}])
def test_what_is_not_valid_has_no_report(helpers, run_dir, change):
    made = document.build(finished(helpers, run_dir), "T")
    made["results"] = [{**one, **change} for one in made["results"]]
    assert llm_d_report.documents(made) == {}


def test_the_report_of_a_point_that_is_not_valid_any_more_is_withdrawn(helpers, run_dir):
    plan = finished(helpers, run_dir)
    assert set(reports(run_dir)) == {"bench_c4", "bench_c16"}
    helpers.write_point(run_dir, plan["benchmark"]["points"][1], helpers.raw_result(16), ["too many errors"])
    assert set(reports(run_dir)) == {"bench_c4"}


def test_a_run_of_srtctl_has_none(tmp_path):
    run = foreign_runs.of_2026(tmp_path)
    rollup.run({"run_dir": str(run)}, Context())
    assert not (run / "llm-d-benchmark").exists()
