# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is not compared, and what is said of it."""

from __future__ import annotations

import json

import foreign_runs
import pytest
from compared_runs import make_run
from comparing import both, failed, run


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"benchmark": {"isl": 1024}}, "isl 64 and 1024"),
        ({"benchmark": {"osl": 99}}, "osl 16 and 99"),
        ({"benchmark": {"num_prompts_mult": 3}}, "num_prompts_mult null and 3"),
        ({"parameters": {"model": "another"}}, "model tiny and another"),
        ({"concurrencies": (16,)}, "points c=4 and c=16"),
    ],
)
def test_another_load_is_refused(tmp_path, changes, words):
    make_run(tmp_path / "7", seed=1)
    parameters = changes.pop("parameters", {})
    plan = make_run(tmp_path / "8", seed=2, **changes)
    for point in plan["benchmark"]["points"]:
        point["parameters"].update(parameters)
    (tmp_path / "8" / "plan.json").write_text(json.dumps(plan))
    assert words in failed(tmp_path).msg


def test_points_of_one_side_alone_are_named(tmp_path):
    make_run(tmp_path / "7", seed=1, concurrencies=(4, 16))
    make_run(tmp_path / "8", seed=2, concurrencies=(4, 32))
    result = run(tmp_path)
    assert [point["label"] for point in result["points"]] == ["c=4"]
    assert "only the baseline has c=16" in result["text"] and "only the candidate has c=32" in result["text"]


def test_a_run_is_not_compared_with_itself(tmp_path):
    make_run(tmp_path / "7", seed=1)
    assert "are the same measurement" in failed(tmp_path, candidate="7").msg


def test_the_same_measurement_counts_once(tmp_path):
    make_run(tmp_path / "7", seed=1)
    make_run(tmp_path / "9" / "x" / "7", seed=1)
    make_run(tmp_path / "8", seed=2)
    result = run(tmp_path, baseline=f"7,{tmp_path}/9/x/7")
    assert result["points"][0]["baseline"]["valid"] == 5


def test_a_side_of_two_services_is_refused(tmp_path):
    make_run(tmp_path / "7", seed=1)
    make_run(tmp_path / "8", seed=2, serving="other")
    make_run(tmp_path / "9", seed=3)
    assert "The candidate mixes services: 8 and 9" in failed(tmp_path, candidate="8,9").msg


@pytest.mark.parametrize(
    ("params", "words"),
    [
        ({"candidate": "99"}, "job 99 has no run directory"),
        ({"candidate": "./nowhere"}, "does not exist"),
        ({"candidate": "nightly"}, "neither a tag"),
        ({"candidate": ""}, "candidate is not set"),
        ({"primary_metrics": ["output_tpx"]}, "output_tpx: no metric"),
        ({"primary_metrics": ["duration"]}, "duration: no metric"),
        ({"primary_metrics": ["score"]}, "has none of them"),
        ({"fail_on": ["bad"]}, "fail_on: bad is not known. Use worse"),
        ({"threshold": 0.0}, "threshold is 0 %"),
        ({"plan_difference": 1.0}, "only found beyond the threshold"),
    ],
)
def test_wrong_input_says_what_would_be_right(tmp_path, params, words):
    both(tmp_path)
    assert words in failed(tmp_path, **params).msg
    assert not (tmp_path / "comparisons").exists()


def test_the_allocation_of_a_sweep_is_no_side(tmp_path):
    both(tmp_path)
    (tmp_path / "8" / "8.json").write_text('{"slurm_job_name": "grid.sweep"}')
    assert "Name the directory of the sweep, such as sweeps/grid" in failed(tmp_path).msg


def test_a_file_of_something_else_is_refused(tmp_path):
    make_run(tmp_path / "7", seed=1)
    (tmp_path / "other.json").write_text("{}")
    assert "is not a rollup.json" in failed(tmp_path, candidate=str(tmp_path / "other.json")).msg
    (tmp_path / "empty").mkdir()
    assert "neither plan.json nor rollup.json" in failed(tmp_path, candidate=str(tmp_path / "empty")).msg


def test_points_of_srtctl_are_never_evidence(tmp_path):
    """Nothing proves that they are valid."""
    one, other = (foreign_runs.of_2026(tmp_path / name, job_id=name) for name in ("11", "12"))
    for path in other.rglob("results_concurrency_*.json"):
        path.write_text(path.read_text().replace('"duration": 5.0', '"duration": 4.0'))
    error = failed(tmp_path, baseline=str(one), candidate=str(other))
    assert {side["side"] for side in error.evidence["invalid"]} == {"baseline", "candidate"}
    assert all(point["baseline"]["valid"] == 0 for point in error.evidence["points"])
