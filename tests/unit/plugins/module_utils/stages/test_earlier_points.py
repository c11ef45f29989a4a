# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a run has nothing to measure: its points are valid in earlier runs."""

from __future__ import annotations

import json
import os

import jobs
import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils import plan_file
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.stages import earlier_points, rollup, topology_plan

THREE = {"benchmark": {"concurrencies": [4, 16, 32]}}


@pytest.fixture(autouse=True)
def queue(monkeypatch):
    """The queue of Slurm; yields what it has."""
    held = {"job": None}
    monkeypatch.setattr(earlier_points.slurm_job_info, "run", lambda params, ctx: held)
    return held


def spec_of(folder, **changes):
    """Return the spec of the test job with *changes* and a model that can be read."""
    model = folder / "model"
    model.mkdir(parents=True, exist_ok=True)
    if not (model / "config.json").exists():
        (model / "config.json").write_text("{}")
    return jobs.spec_of(**{"model": {"path": str(model)}, **changes})


def run_of(folder, job_id, *measured, valid=True, **changes):
    """Make the directory of a run that measured the points with the concurrencies *measured*; return its plan."""
    job = jobs.allocation(2, job_id, str(folder / job_id))
    topology_plan.run({"spec": spec_of(folder, **changes), "job": job}, Context())
    plan = plan_file.load_plan(str(folder / job_id / "plan.json"))
    for point in plan["benchmark"]["points"]:
        if point["key"]["concurrency"] in measured:
            raw = run_results.raw_result(point["key"]["concurrency"])
            run_results.write_point(folder / job_id, point, raw, [] if valid else ["it was disturbed"])
    return plan


def look(folder, check=False, concurrencies=(), **changes):
    params = {"spec": spec_of(folder, **changes), "allocation": {}, "output_dir": str(folder)}
    return earlier_points.run({**params, "concurrencies": list(concurrencies)}, Context(check))


def rolled(found):
    return rollup.run({"plan_path": found["plan_path"], "plan": None, "failure": {}}, Context())["rollup"]


def test_a_run_whose_points_are_all_valid_is_complete(tmp_path):
    run_of(tmp_path, "7", 4, 16)
    found = look(tmp_path)
    assert (found["complete"], found["run_dir"], found["job"], found["changed"]) == (
        True, str(tmp_path / "7"), None, False,
    )  # fmt: skip
    assert found["note"] == "all 2 points are valid already: nothing to measure; -e force=true measures again"
    assert rolled(found)["valid"] is True


def test_points_of_several_runs_come_together_in_the_one_with_most_of_them(tmp_path):
    run_of(tmp_path, "7", 4, **THREE)
    run_of(tmp_path, "8", 16, 32, **THREE)
    run_of(tmp_path, "9", **THREE)
    checked = look(tmp_path, check=True, **THREE)
    assert checked["complete"] and list((tmp_path / "8" / "results").glob("*/*concurrency_4_*")) == []
    found = look(tmp_path, **THREE)
    assert (found["run_dir"], found["changed"]) == (str(tmp_path / "8"), True)
    made = rolled(found)
    assert made["valid"] and [(one["origin"] or {}).get("job_id") for one in made["results"]] == ["7", None, None]
    assert look(tmp_path, **THREE)["changed"] is False


def test_a_run_that_lacks_a_point_in_its_plan_gets_it_and_keeps_its_own(tmp_path):
    run_of(tmp_path, "7", 4, benchmark={"concurrencies": [4]})
    run_of(tmp_path, "8", 16, 32, benchmark={"concurrencies": [16, 32]})
    found = look(tmp_path, benchmark={"concurrencies": [4, 16]})
    assert found["run_dir"] == str(tmp_path / "8")  # the latest
    assert [(one["concurrency"], one["valid"]) for one in rolled(found)["results"]] == [
        (4, True), (16, True), (32, True),
    ]  # fmt: skip


@pytest.mark.parametrize(("about", "complete"), [({"job_name": "salloc"}, True), ({"slurm_job_name": "b"}, False)])
def test_a_run_in_an_allocation_of_another_name_counts_by_its_plan(tmp_path, about, complete):
    run_of(tmp_path, "7", 4, 16)
    (tmp_path / "7" / "7.json").write_text(json.dumps(about))
    assert look(tmp_path)["complete"] is complete


def test_only_the_points_that_are_wanted_have_to_be_valid(tmp_path):
    run_of(tmp_path, "7", 4)
    assert look(tmp_path)["complete"] is False
    found = look(tmp_path, concurrencies=[4])
    assert found["note"].startswith("the only point is valid already")


@pytest.mark.parametrize(
    ("measured", "changes"),
    [
        ({"valid": False}, {}),
        ({}, {"benchmark": {"osl": 17}}),
        ({}, {"backend": {"speedup_ratio": 7}}),
        ({}, {"name": "another"}),
    ],
)
def test_a_run_that_has_something_to_measure_is_not_complete(tmp_path, measured, changes):
    """Neither is a job of another name, which has no run that could have its rollup."""
    run_of(tmp_path, "7", 4, 16, **measured)
    assert look(tmp_path, **changes) == earlier_points.NOTHING


def test_a_benchmark_without_points_and_a_first_run_are_not_complete(tmp_path):
    assert look(tmp_path / "none")["complete"] is False
    manual = {"benchmark": {"type": "manual", "isl": None, "osl": None, "concurrencies": None}}
    run_of(tmp_path, "7", **manual)
    assert look(tmp_path, **manual)["complete"] is False


def test_the_job_that_is_up_is_named_but_not_while_it_measures(tmp_path, queue):
    run_of(tmp_path, "7", 4, 16)
    queue["job"] = {"id": "8", "run_dir": str(tmp_path / "8")}
    assert look(tmp_path)["job"] == {"id": "8", "run_dir": str(tmp_path / "8")}
    (tmp_path / "8").mkdir()
    event = {"event": "start", "name": "bench_c4", "tier": "benchmark", "state": "running"}
    (tmp_path / "8" / "steps.jsonl").write_text(json.dumps(event) + "\n")
    assert look(tmp_path)["complete"] is False


def test_a_result_that_changed_since_and_a_run_that_was_moved_do_not_count(tmp_path):
    plan = run_of(tmp_path, "7", 4, 16)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "7").rename(tmp_path / "elsewhere" / "7")
    assert look(tmp_path / "elsewhere")["complete"] is False
    (tmp_path / "elsewhere" / "7").rename(tmp_path / "7")
    assert look(tmp_path)["complete"] is True
    (tmp_path / "7" / plan["benchmark"]["points"][0]["result"]).write_text("{}")
    assert look(tmp_path)["complete"] is False


def test_what_the_run_itself_would_report_is_left_to_it(tmp_path, monkeypatch):
    run_of(tmp_path, "7", 4, 16)

    def fail(params, ctx):
        raise Error("Jobs 7, 8 have the same name")

    monkeypatch.setattr(earlier_points.slurm_job_info, "run", fail)
    assert look(tmp_path)["complete"] is False


def test_a_run_with_other_weights_is_not_complete(tmp_path):
    run_of(tmp_path, "7", 4, 16)
    assert look(tmp_path)["complete"] is True
    (tmp_path / "model" / "config.json").write_text('{"other": 1}')
    assert look(tmp_path)["complete"] is False


def test_a_model_that_only_the_nodes_can_read_needs_nodes(tmp_path):
    run_of(tmp_path, "7", 4, 16, model={"path": "/only/there"})
    assert look(tmp_path, model={"path": "/only/there"})["complete"] is False


def test_results_that_another_user_could_have_written_are_not_taken(tmp_path):
    run_of(tmp_path, "7", 4, 16)
    (tmp_path / "7").chmod(0o777)
    assert look(tmp_path)["complete"] is False
    (tmp_path / "7").chmod(0o755)
    assert look(tmp_path)["complete"] is True
    if os.getuid() == 0:
        os.chown(tmp_path / "7", 65534, 65534)
        assert look(tmp_path)["complete"] is False
