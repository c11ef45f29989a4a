# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sweep over real plans: its groups, its record, the directories of its jobs, and what is left after each run."""

from __future__ import annotations

import csv
import json
import os

import jobs
import pytest
import run_results
from ansible_collections.srt.slurm.plugins.module_utils import plan_file
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.job.resolve import describe
from ansible_collections.srt.slurm.plugins.module_utils.stages import (
    earlier_points,
    rollup,
    sweep_record,
    topology_plan,
    variant_directory,
)


@pytest.fixture(autouse=True)
def no_queue(monkeypatch):
    """Slurm has no job."""
    monkeypatch.setattr(earlier_points.slurm_job_info, "run", lambda params, ctx: {"job": None})


@pytest.fixture
def made(tmp_path):
    """Four jobs, of two services and two loads, with two points each; the directory of their model is there."""
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text("{}")
    found = []
    for speed in (10, 20):
        for osl in (16, 24):
            raw = jobs.raw(
                name=f"j_{speed}_{osl}",
                model={"path": str(model)},
                backend={"speedup_ratio": speed},
                benchmark={"osl": osl},
            )
            found.append(json.loads(json.dumps(describe(jobs.resolved(raw), (), {"speed": speed}))))
    return found


def record(made, folder, ctx=None, **params):
    defaults = {name: one.get("default") for name, one in sweep_record.ARGUMENT_SPEC.items()}
    given = {**defaults, "name": "s", "jobs": made, "output_dir": str(folder), "gather": True, **params}
    return sweep_record.run(given, ctx or Context())


def measure(job, folder, job_id, *concurrencies, valid=True, variant_dir=None, failure=None):
    """Let a run of *job* in the allocation *job_id* measure points; roll it up to *variant_dir* if given."""
    allocation = jobs.allocation(2, job_id, str(folder / job_id))
    (folder / job_id).mkdir(exist_ok=True)
    about = {"slurm_job_name": "s.sweep", "job_name": "s.sweep", "tags": ["t"], "submitted_at": "2026-01-01T00:00:00Z"}
    (folder / job_id / f"{job_id}.json").write_text(json.dumps(about))
    topology_plan.run({"spec": job["spec"], "job": allocation}, Context())
    plan = plan_file.load_plan(str(folder / job_id / "plan.json"))
    for point in plan["benchmark"]["points"]:
        if point["key"]["concurrency"] in concurrencies:
            sweep_record.point_files.set_aside(os.path.join(plan["run_dir"], point["result"]))
            raw = run_results.raw_result(point["key"]["concurrency"], random=job["name"])
            run_results.write_point(folder / job_id, point, raw, [] if valid else ["it was disturbed"])
    if variant_dir:
        given = {"plan_path": str(folder / job_id / "plan.json"), "plan": None, "failure": failure or {}}
        rollup.run({**given, "variant_dir": variant_dir}, Context())
    return plan


def read(path):
    with open(path, encoding="utf-8") as stream:
        return json.load(stream)


def states(found):
    return {job["name"]: [row["state"] for row in job["rows"]] for job in found["jobs"]}


def test_jobs_share_an_allocation_and_those_with_one_service_follow_each_other(made, tmp_path):
    found = record(made, tmp_path)
    (group,) = found["groups"]
    assert group["services"] == [["j_10_16", "j_10_24"], ["j_20_16", "j_20_24"]]
    assert group["name"] == group["request"]["name"] == "s.sweep"
    assert group["request"]["digest"] not in [job["allocation"]["digest"] for job in made]
    assert (found["shared"]["allocations"], found["alone"]["allocations"]) == (1, 4)
    assert found["alone"]["workers"] == 2 * found["shared"]["workers"] == 16
    assert found["alone"]["gpu_hours"] == 4 * found["shared"]["gpu_hours"]
    assert [job["parameters"] for job in found["jobs"]][1] == {"speed": 10, "benchmark.osl": 24}


def test_a_job_of_another_size_has_its_own_allocation_and_name(made, tmp_path):
    made[3]["allocation"] = dict(made[3]["allocation"], nodes=9, digest="another")
    names = {group["name"]: group["services"] for group in record(made, tmp_path)["groups"]}
    assert names == {"s.sweep": [["j_10_16", "j_10_24"], ["j_20_16"]], "j_20_24": [["j_20_24"]]}


def test_a_group_that_is_divided_has_different_names_and_requests(made, tmp_path):
    first, second = record(made, tmp_path, max_parallel=3)["groups"]
    assert (first["name"], second["name"]) == ("s.sweep", "s.sweep2")
    assert first["request"]["digest"] != second["request"]["digest"]
    assert len(record(made, tmp_path, max_parallel=3, job_id="7")["groups"]) == 1


def test_check_mode_writes_nothing_and_returns_the_same(made, tmp_path):
    checked = record(made, tmp_path, Context(check_mode=True))
    assert not (tmp_path / "sweeps").exists()
    written = record(made, tmp_path)
    assert checked["groups"] == written["groups"] and (tmp_path / "sweeps" / "s" / "sweep.json").exists()


def test_the_run_of_each_job_stays_while_the_allocation_goes_on(made, tmp_path):
    dirs = {job["name"]: job["run_dir"] for job in record(made, tmp_path)["jobs"]}
    for job in made:
        measure(job, tmp_path, "7", 4, 16, variant_dir=dirs[job["name"]])
    found = record(made, tmp_path)
    assert found["groups"] == [] and found["points"] == {"total": 8, "valid": 8, "passed": 0, "invalid": 0, "left": 0}
    for job in made:
        one = read(os.path.join(dirs[job["name"]], "rollup.json"))
        assert (one["valid"], one["job_name"], one["job_id"], one["tags"]) == (True, job["name"], "7", ["t"])
        result = read(os.path.join(dirs[job["name"]], one["results"][0]["path"]))
        assert result["random"] == job["name"]
    with open(tmp_path / "sweeps" / "s" / "sweep.csv", newline="", encoding="utf-8") as stream:
        assert {row["job_id"] for row in csv.DictReader(stream)} == {"7"}
    assert record(made, tmp_path)["changed"] is False


def test_a_run_that_was_killed_before_its_rollup_is_brought_to_the_sweep(made, tmp_path):
    measure(made[0], tmp_path, "7", 4, 16)
    found = record(made, tmp_path)
    assert states(found)["j_10_16"] == ["valid", "valid"] and found["changed"]
    (group,) = found["groups"]
    assert group["services"] == [["j_10_24"], ["j_20_16", "j_20_24"]]


def test_points_of_a_run_that_was_killed_in_the_middle_are_known(made, tmp_path):
    measure(made[0], tmp_path, "7", 4)
    (first, *_others) = record(made, tmp_path)["jobs"]
    assert (first["known"], first["complete"]) == (["c=4"], False)
    forced = record(made, tmp_path, force=True)["jobs"][0]
    assert (forced["known"], forced["complete"]) == ([], False)


def test_a_run_in_another_allocation_adds_to_the_directory_of_its_job(made, tmp_path):
    folder = record(made, tmp_path)["jobs"][0]["run_dir"]
    measure(made[0], tmp_path, "7", 4, variant_dir=folder)
    measure(made[0], tmp_path, "8", 16, variant_dir=folder)
    (first, *_others) = record(made, tmp_path, gather=False)["jobs"]
    assert [(row["state"], row["job_id"]) for row in first["rows"]] == [("valid", "8"), ("valid", "8")]
    assert first["complete"]


def test_a_run_that_failed_says_why_until_the_job_is_complete(made, tmp_path):
    folder = record(made, tmp_path)["jobs"][0]["run_dir"]
    failure = {"task": "Workers", "msg": "decode_0 exited"}
    measure(made[0], tmp_path, "7", variant_dir=folder, failure=failure)
    found = record(made, tmp_path, runs={"j_10_16": {"failure": "decode_0 exited"}})
    assert "j_10_16 (c=4, c=16 not measured): decode_0 exited" in found["text"]
    again = record(made, tmp_path)  # another playbook, in another allocation, does not know it
    assert again["jobs"][0]["failure"] == "decode_0 exited" and not again["jobs"][0]["complete"]
    measure(made[0], tmp_path, "8", 4, 16, variant_dir=folder)
    assert record(made, tmp_path)["jobs"][0]["failure"] is None


def test_a_point_that_is_not_valid_is_left_to_run_and_named(made, tmp_path):
    folder = record(made, tmp_path)["jobs"][0]["run_dir"]
    measure(made[0], tmp_path, "7", 4, 16, valid=False, variant_dir=folder)
    found = record(made, tmp_path)
    assert states(found)["j_10_16"] == ["invalid", "invalid"] and "j_10_16 c=4: it was disturbed" in found["text"]
    assert found["groups"][0]["services"][0] == ["j_10_16", "j_10_24"]


def test_only_some_jobs_run_and_the_record_is_about_all(made, tmp_path):
    found = record(made, tmp_path, only=["j_20_16"])
    assert found["groups"][0]["services"] == [["j_20_16"]] and len(found["jobs"]) == 4
    assert read(tmp_path / "sweeps" / "s" / "sweep.json")["left"] == [job["name"] for job in made]


def test_in_a_job_that_is_given_all_is_one_group_called_like_it(made, tmp_path):
    record(made, tmp_path, max_parallel=2)
    made[3]["allocation"] = dict(made[3]["allocation"], nodes=9, digest="another")
    (group,) = record(made, tmp_path, job_id="4711", max_parallel=2)["groups"]
    assert (group["name"], sum(group["services"], [])) == ("job 4711", ["j_10_16", "j_10_24", "j_20_16", "j_20_24"])
    names = read(tmp_path / "sweeps" / "s" / "sweep.json")["allocation_names"]
    assert {"s.sweep", "s.sweep2"} <= set(names) and not any("4711" in name for name in names)


def test_another_job_of_the_same_name_does_not_overwrite_the_run_that_is_there(made, tmp_path):
    folder = record(made, tmp_path)["jobs"][0]["run_dir"]
    measure(made[0], tmp_path, "7", 4, 16, variant_dir=folder)
    other = json.loads(json.dumps(made[1]).replace("j_10_24", "j_10_16"))
    measure(other, tmp_path, "8", 4, variant_dir=folder)
    kept = read(f"{folder}.earlier1/rollup.json")
    assert kept["valid"] is True and kept["osl"] == 16
    now = read(f"{folder}/rollup.json")
    assert (now["valid"], now["osl"], now["job_id"]) == (False, 24, "8")


def test_a_verdict_of_another_job_in_the_allocation_is_not_copied(made, tmp_path):
    measure(made[0], tmp_path, "7", 4, 16)
    folder = record(made, tmp_path)["jobs"][1]["run_dir"]
    measure(made[1], tmp_path, "7", variant_dir=folder)  # its service did not start
    assert not os.path.exists(os.path.join(folder, "results"))


def test_a_measurement_that_is_replaced_is_set_aside(made, tmp_path):
    folder = record(made, tmp_path)["jobs"][0]["run_dir"]
    plan = measure(made[0], tmp_path, "7", 4, variant_dir=folder)
    measure(made[0], tmp_path, "8", 4, valid=False, variant_dir=folder)
    point = next(one for one in plan["benchmark"]["points"] if one["key"]["concurrency"] == 4)
    numbers = variant_directory.point_files.numbers(os.path.join(folder, point["result"]))
    assert numbers == [0, 1]


def test_the_figures_of_worker_logs_stay_when_the_logs_are_elsewhere(made, tmp_path):
    folder = record(made, tmp_path)["jobs"][0]["run_dir"]
    measure(made[0], tmp_path, "7", 4, 16, variant_dir=folder)
    path = os.path.join(folder, "rollup.json")
    known = read(path)
    known["nodes_summary"] = {"nodes": ["as the logs said"]}
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(known, stream)
    again = rollup.run({"plan_path": os.path.join(folder, "plan.json"), "plan": None}, Context())["rollup"]
    assert again["nodes_summary"] == known["nodes_summary"]


def test_results_count_when_the_run_that_measured_them_was_removed(made, tmp_path):
    folder = record(made, tmp_path)["jobs"][0]["run_dir"]
    plan = measure(made[0], tmp_path, "7", 4, 16, variant_dir=folder)
    os.rename(tmp_path / "7", tmp_path.parent / "removed")
    beside = {**plan, "run_dir": str(tmp_path / "8")}
    found = sweep_record.earlier_result(beside, plan["benchmark"]["points"][0])
    assert found.verdict["origin"]["job_id"] == "7" and found.result.startswith(folder)


def test_two_jobs_of_one_name_are_refused(made, tmp_path):
    made[1]["name"] = made[0]["name"]
    with pytest.raises(Error, match="Several jobs of the sweep have the name j_10_16. Give each job its own name"):
        record(made, tmp_path)


def test_a_directory_that_cannot_be_written_is_an_error_with_a_remedy(made, tmp_path):
    (tmp_path / "sweeps").write_text("")
    with pytest.raises(Error, match=r"The sweep cannot be written: .*/sweeps.* choose another output_dir"):
        record(made, tmp_path)


def test_with_force_the_jobs_of_another_allocation_keep_what_they_have(made, tmp_path):
    dirs = {job["name"]: job["run_dir"] for job in record(made, tmp_path)["jobs"]}
    measure(made[0], tmp_path, "7", 4, 16, variant_dir=dirs["j_10_16"])
    measure(made[2], tmp_path, "8", 4, 16, variant_dir=dirs["j_20_16"])
    found = states(record(made, tmp_path, gather=False, force=True, only=["j_20_16"]))
    assert (found["j_10_16"], found["j_20_16"]) == (["valid"] * 2, ["not_measured"] * 2)


def test_a_job_that_searches_has_the_points_of_its_search_and_is_complete_with_its_answer(made, tmp_path):
    section = {"over": "concurrency", "from": 4, "to": 16, "objectives": {"p99_ttft_ms": 1e9}}
    raw = jobs.raw(name="s_search", model={"path": str(tmp_path / "model")}, benchmark={"search": section})
    raw["benchmark"].pop("concurrencies")
    job = json.loads(json.dumps(describe(jobs.resolved(raw))))
    (first,) = record([job], tmp_path)["jobs"]
    assert len(first["labels"]) == 1 < len(first["candidates"]) and not first["complete"]
    points = sweep_record._planned(job["spec"])[0]["benchmark"]["points"]
    measured = [point["key"]["concurrency"] for point in points]
    measure(job, tmp_path, "7", measured[0], variant_dir=first["run_dir"])
    (begun,) = record([job], tmp_path)["jobs"]
    assert not begun["complete"] and begun["known"]
    measure(job, tmp_path, "7", *measured, variant_dir=first["run_dir"])
    found = record([job], tmp_path)
    assert found["jobs"][0]["complete"] and found["groups"] == []
