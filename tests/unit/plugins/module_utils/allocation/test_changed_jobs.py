# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that somebody changed with scontrol is still ours; another one with its id is not."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import ownership, runs, unfinished
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context, run_entry
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.plan_file import load_plan

CHANGES = [{"comment": "x"}, {"comment": ""}, {"name": "renamed"}, {"name": "renamed", "comment": "x"}]


def journal(folder, *phases):
    events = [dict(zip(("phase", "code"), phase.split(":")), event="holder") for phase in phases]
    text = "".join(json.dumps(event) + "\n" for event in events)
    pathlib.Path(folder, "steps.jsonl").write_text(text)


@pytest.mark.parametrize("changes", [*CHANGES, {"comment": "x", "work_dir": "/elsewhere"}])
def test_a_changed_job_is_found_and_ended(queue, do, changes):
    do()
    queue.queue["8"].update(changes)
    again = do()
    assert (again["changed"], again["job"]["id"]) == (False, "8")
    assert do(job_id="8")["job"]["id"] == "8"
    ended = do(state="absent", job_id="8")
    assert ended["actions"] == ["ended"] and not any("keeps running" in note for note in ended["notes"])


@pytest.mark.parametrize("changes", CHANGES)
def test_its_run_is_not_taken_for_another_one(queue, do, tmp_path, changes):
    do()
    queue.queue["8"].update(changes)
    found = runs.find({"run_dir": str(tmp_path / "out" / "8"), "output_dir": str(tmp_path / "out")})
    assert (found.foreign, found.live, found.describe()["name"]) == ("", True, "quick")


@pytest.mark.parametrize("changes", CHANGES)
def test_another_job_with_its_id_is_not_ours(queue, do, changes):
    do()
    queue.queue["8"].update(changes, submitted_at="2027-01-01T00:00:00Z")
    queue.ended = {"JobState": "RUNNING", "Restarts": "0"}
    assert ownership.jobs(str(queue.queue["8"]["work_dir"]), job_id="8") == [queue.queue["8"]]


@pytest.mark.parametrize(
    ("restarts", "phases", "ours"),
    [("1", ["begin"], True), ("1", [], True), ("1", ["begin", "requeue", "ended"], True),
     ("1", ["begin", "ending:requeued", "ended"], True), ("1", ["begin", "ending:cancelled", "ended"], False),
     ("0", ["begin"], False), ("1", ["begin", "ending:requested", "ended"], False)],
)  # fmt: skip
def test_a_changed_job_that_was_requeued_is_ours_unless_its_run_has_ended(queue, do, restarts, phases, ours):
    do()
    job = queue.queue["8"]
    journal(f"{job['work_dir']}/8", *phases)
    job.update(comment="x", submitted_at="2027-01-01T00:00:00Z")
    queue.ended = {"JobState": "PENDING", "Restarts": restarts}
    (found,) = ownership.jobs(job["work_dir"], job_id="8")
    assert found["comment"].startswith("srt.slurm:") == ours


def test_an_adopted_job_does_not_become_ours(queue, do, tmp_path):
    queue.add(name="theirs", comment="", work_dir=str(tmp_path), submitted_at="2026-01-01T00:00:09Z")
    (tmp_path / "out" / "8").mkdir(parents=True)
    about = {"job_id": "8", "job_name": "theirs", ownership.SUBMITTED: "2026-01-01T00:00:09Z"}
    (tmp_path / "out" / "8" / "8.json").write_text(json.dumps(about))
    assert ownership.jobs(str(tmp_path / "out"), job_id="8") == [queue.queue["8"]]


# Run directories that were removed or moved while their jobs run.


def find(tmp_path, **params):
    return runs.find({"output_dir": str(tmp_path / "out"), **params})


def test_a_run_directory_that_is_gone_is_said_with_its_job(queue, do, tmp_path, monkeypatch):
    monkeypatch.setattr(unfinished, "SEEN_S", 0.0)
    do()
    (tmp_path / "out" / "8").rename(tmp_path / "moved")
    remedy = "was removed or moved. Set run_dir to its new place, or"
    for params in ({"job_id": "8"}, {"run_dir": str(tmp_path / "out" / "8")}):
        with pytest.raises(
            Error, match=f"Job 8 is RUNNING, but its run directory .*/8 .*{remedy} end the job: scancel 8"
        ):
            find(tmp_path, **params)
    with pytest.raises(Error, match=f"The newest run, .*/8, does not exist: it {remedy} job_id"):
        find(tmp_path)
    for state in ("running", "present", "queried"):
        with pytest.raises(Error, match="its run directory .*removed or moved.* end the job .scancel 8."):
            do(state=state)
    assert do(state="absent")["actions"] == ["ended"]


def test_a_run_directory_that_is_looked_for_in_the_wrong_place(queue, do, tmp_path):
    do()
    with pytest.raises(Error, match="Job 8 works in .*/out/8, not in .*/else/8. Set run_dir"):
        find(tmp_path, run_dir=str(tmp_path / "else" / "8"))
    with pytest.raises(Error, match="Job 99 has no run directory"):
        find(tmp_path, job_id="99")


def test_a_run_directory_that_was_moved_is_still_the_jobs(queue, do, tmp_path):
    do()
    (tmp_path / "else").mkdir()
    (tmp_path / "out" / "8").rename(tmp_path / "else" / "8")
    found = find(tmp_path, run_dir=str(tmp_path / "else" / "8"))
    assert (found.foreign, found.live) == ("", True)


def test_the_plan_of_a_directory_that_is_gone(tmp_path):
    for make in (lambda path: None, lambda path: (path / "results").mkdir(parents=True)):
        make(tmp_path / "8")
        with pytest.raises(Error, match="The run directory .*/8 was removed or moved, .*scancel 8"):
            load_plan(str(tmp_path / "8" / "plan.json"))
    (tmp_path / "8" / "8.json").write_text("{}")
    with pytest.raises(Error, match="There is no plan"):
        load_plan(str(tmp_path / "8" / "plan.json"))


def test_an_entry_whose_run_directory_vanishes_says_so(tmp_path):
    def entry(params, ctx):
        (tmp_path / "8").rmdir()
        raise OSError("no such file")

    (tmp_path / "8").mkdir()
    with pytest.raises(Error, match="The run directory .*/8 was removed or moved"):
        run_entry(entry, {"plan_path": str(tmp_path / "8" / "plan.json")}, Context())
    with pytest.raises(OSError, match="no such file"):
        (tmp_path / "8").mkdir()
        run_entry(entry, {}, Context())
