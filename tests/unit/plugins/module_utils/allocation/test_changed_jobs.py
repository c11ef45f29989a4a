# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that somebody changed with scontrol is still ours; another one with its id is not."""

from __future__ import annotations

import json
import pathlib

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import ownership, runs

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
