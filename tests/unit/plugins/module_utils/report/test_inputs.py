# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run directory is read as its files prove it; files of different runs are refused."""

from __future__ import annotations

import json

import pytest
import report_runs
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.report import inputs, run_page


@pytest.fixture
def run_dir(tmp_path):
    report_runs.make_run(tmp_path / "77")
    return tmp_path / "77"


def change(path, **values):
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_a_run_has_its_points_requests_and_journal(run_dir):
    run = inputs.read_run(str(run_dir))
    assert run.rollup["valid"] and set(run.requests) == {"bench_c4", "bench_c16"} and len(run.events) == 17
    assert run.notes == [] and run.config == "name: job\n"


def test_a_result_that_changed_after_the_rollup_is_not_valid(run_dir):
    path = next(run_dir.glob("results/*/*_4_*16.json"))
    change(path, output_throughput=1e6)
    rollup = inputs.read_run(str(run_dir)).rollup
    bad, good = rollup["results"]
    assert not rollup["valid"] and good["valid"] and not bad["valid"] and bad["state"] == "changed"
    assert rollup["invalid_reasons"] == ["c=4: its result file has changed since it was evaluated"]


def test_a_rollup_that_calls_an_invalid_point_valid_is_not_believed(tmp_path):
    run_dir = tmp_path / "77"
    report_runs.make_run(run_dir, invalid=(4,))
    rollup = json.loads((run_dir / "rollup.json").read_text())
    rollup["results"][0].update(valid=True, state="valid", invalid_reasons=[])
    rollup.update(valid=True, invalid_reasons=[])
    (run_dir / "rollup.json").write_text(json.dumps(rollup))
    found = inputs.read_run(str(run_dir)).rollup
    assert not found["valid"] and found["results"][0]["invalid_reasons"] == ["the load client was stopped for 3 s"]


def test_a_point_whose_result_is_gone_is_not_valid(run_dir):
    for path in run_dir.glob("results/*/*_4_*"):
        path.unlink()
    assert [one["valid"] for one in inputs.read_run(str(run_dir)).rollup["results"]] == [False, True]


def test_a_point_that_the_plan_does_not_have_is_not_valid(run_dir):
    plan = json.loads((run_dir / "plan.json").read_text())
    plan["benchmark"]["points"].pop()
    (run_dir / "plan.json").write_text(json.dumps(plan))
    assert [one["valid"] for one in inputs.read_run(str(run_dir)).rollup["results"]] == [True, False]


@pytest.mark.parametrize("name", ["plan.json", "rollup.json"])
def test_a_plan_and_a_rollup_of_different_jobs_are_refused(run_dir, name):
    change(run_dir / name, job_id="78")
    with pytest.raises(Error, match=r"plan\.json is of job .* and rollup\.json beside it of job .*different runs"):
        inputs.read_run(str(run_dir))


def test_without_a_plan_nothing_proves_a_point(run_dir):
    (run_dir / "plan.json").unlink()
    rollup = inputs.read_run(str(run_dir)).rollup
    assert not rollup["valid"] and rollup["passed"] and rollup["invalid_reasons"] == []
    assert {(one["state"], one["valid"], *one["doubts"]) for one in rollup["results"]} == {
        ("passed", False, "without plan.json beside it nothing proves it")
    }


def test_a_journal_of_another_job_is_refused(run_dir):
    (run_dir / "steps.jsonl").write_text("\n".join(json.dumps(one) for one in report_runs.journal("78")))
    with pytest.raises(Error, match=r"steps\.jsonl is of job 78"):
        inputs.read_run(str(run_dir))


@pytest.mark.parametrize("other", [{"points": ("bench_c5",)}, {"workers": ("decode_7",)}])
def test_series_of_another_run_are_refused(run_dir, other):
    (run_dir / "series.json").write_text(json.dumps(report_runs.series(**other)))
    with pytest.raises(Error, match=r"series\.json is of a run with (bench_c5|decode_7)"):
        inputs.read_run(str(run_dir))


def test_a_directory_without_a_rollup_says_what_to_do(tmp_path):
    with pytest.raises(Error, match=r"has no rollup\.json, and .* Set run_dir"):
        inputs.read_run(str(tmp_path))
    (tmp_path / "rollup.json").write_text("[1]")
    with pytest.raises(Error, match="has no rollup"):
        inputs.read_run(str(tmp_path))


@pytest.mark.parametrize(
    "text", ["", "no json", "[1, 2]", '{"workers": 7, "points": {"a": 1}}', '{"workers": [1, null]}']
)
def test_a_series_of_something_else_is_none(run_dir, text):
    (run_dir / "series.json").write_text(text)
    inputs.read_run(str(run_dir))


def test_an_enormous_result_keeps_its_figures_and_loses_its_requests(run_dir, monkeypatch):
    monkeypatch.setattr(inputs.requests, "MOST_BYTES", 10)
    run = inputs.read_run(str(run_dir))
    assert run.requests == {} and len(run.notes) == 2 and run.rollup["valid"]


def test_evidence_is_read_if_it_is_some(run_dir):
    folder = run_dir / "evidence"
    folder.mkdir()
    (folder / "decode_0.1.json").write_text('{"step": "decode_0", "tail": ["a"]}')
    (folder / "other.json").write_text("[]")
    assert [one["step"] for one in inputs.read_run(str(run_dir)).evidence] == ["decode_0"]


def test_a_link_among_the_evidence_that_leads_nowhere_is_none(run_dir):
    (run_dir / "evidence").mkdir()
    (run_dir / "evidence" / "gone.json").symlink_to("nowhere")
    (run_dir / "evidence" / "odd.json").write_text('{"step": "decode_0", "tail": 7}')
    run = inputs.read_run(str(run_dir))
    assert len(run.evidence) == 1 and "decode_0" in run_page.page(run)


@pytest.mark.parametrize(
    ("change_", "why"),
    [
        ({"output_tps": 1e9}, "rollup.json has other figures than its verdict: output_tps"),
        ({"invalid_reasons": ["bad"]}, "rollup.json calls it valid, and has what speaks against it"),
        ({"doubts": ["bad"]}, "rollup.json calls it valid, and has what speaks against it"),
        ({"state": "changed"}, "rollup.json calls it valid, and has what speaks against it"),
    ],
)
def test_a_point_that_speaks_against_itself_is_not_valid(run_dir, change_, why):
    made = json.loads((run_dir / "rollup.json").read_text())
    made["results"][0].update(change_)
    change(run_dir / "rollup.json", results=made["results"])
    rollup = inputs.read_run(str(run_dir)).rollup
    bad, good = rollup["results"]
    assert not rollup["valid"] and good["valid"] and not bad["valid"] and bad["state"] != "valid"
    assert bad["invalid_reasons"][-1] == why and any(why in one for one in rollup["invalid_reasons"])


def test_a_valid_run_with_a_point_that_is_not_is_not_believed(run_dir):
    made = json.loads((run_dir / "rollup.json").read_text())
    made["results"][0].update(valid=False, state="invalid", invalid_reasons=["bad"])
    change(run_dir / "rollup.json", results=made["results"])
    rollup = inputs.read_run(str(run_dir)).rollup
    assert not rollup["valid"] and not rollup["passed"] and "a point of it is not" in rollup["invalid_reasons"][0]
