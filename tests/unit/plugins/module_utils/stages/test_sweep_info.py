# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which sweep is meant, and its state from its record and the queue."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.stages import sweep_info


@pytest.fixture
def queue(monkeypatch):
    """The jobs that Slurm lists; an error in their place is raised."""
    found = []

    def jobs(_output_dir, **_limits):
        for one in found:
            if isinstance(one, Exception):
                raise one
        return found

    monkeypatch.setattr(sweep_info.ownership, "jobs", jobs)
    return found


@pytest.fixture
def sweep(tmp_path):
    """A sweep with a point to go; returns its directory."""
    folder = tmp_path / "sweeps" / "s"
    folder.mkdir(parents=True)
    rows = [{"valid": True, "state": "valid"}, {"valid": False, "state": "not_measured"}]
    points = {"total": 2, "valid": 1, "invalid": 0, "left": 1}
    record = {
        "schema_version": 1, "name": "s", "state": "running", "output_dir": str(tmp_path), "points": points,
        "allocation_names": ["s.sweep"], "left": ["s_a"], "best": [],
        "jobs": [{"name": "s_a", "rows": rows, "failure": "decode_0 exited"}],
    }  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(record))
    run_dir = tmp_path / "7"
    run_dir.mkdir()
    (run_dir / "7.json").write_text(json.dumps({"slurm_job_name": "s.sweep"}))
    (tmp_path / "latest").symlink_to("7")
    return folder


def job(sweep, name="s.sweep", state="RUNNING"):
    work_dir = str(sweep.parents[1])
    return {
        "id": "7",
        "name": name,
        "state": state,
        "reason": "None",
        "comment": "srt.slurm:d:play",
        "work_dir": work_dir,
    }


def look(sweep, **params):
    defaults = {name: one.get("default") for name, one in sweep_info.ARGUMENT_SPEC.items()}
    return sweep_info.run({**defaults, "output_dir": str(sweep.parents[1]), **params}, Context())


@pytest.mark.parametrize("given", ["run_dir", "names", "newest"])
def test_a_sweep_is_found_by_its_directory_its_jobs_or_the_newest_run(sweep, queue, given):
    params = {"run_dir": {"run_dir": str(sweep)}, "names": {"job_names": ["s_a", "s_b"], "name": "s"}, "newest": {}}
    assert look(sweep, **params[given])["folder"] == str(sweep)


@pytest.mark.parametrize(
    "params", [{"job_id": "7"}, {"job_names": ["s_a"], "name": "s"}, {"job_names": ["x", "y"], "name": "other"}]
)
def test_one_allocation_one_job_and_other_jobs_are_no_sweep(sweep, queue, params):
    assert look(sweep, **params) == sweep_info.NOTHING


def test_the_newest_run_of_another_job_or_a_sweep_that_is_over_is_no_sweep(sweep, queue):
    (sweep.parents[1] / "7" / "7.json").write_text(json.dumps({"slurm_job_name": "another"}))
    assert look(sweep)["folder"] is None
    (sweep.parents[1] / "7" / "7.json").write_text(json.dumps({"slurm_job_name": "s.sweep"}))
    record = json.loads((sweep / "sweep.json").read_text())
    (sweep / "sweep.json").write_text(json.dumps({**record, "left": []}))
    assert look(sweep)["folder"] is None


def test_the_state_follows_from_the_queue(sweep, queue):
    found = look(sweep)
    assert (found["state"], found["jobs"]) == ("interrupted", [])
    queue[:] = [job(sweep), job(sweep, "another"), job(sweep, state="COMPLETED")]
    found = look(sweep)
    assert (found["state"], [one["id"] for one in found["jobs"]]) == ("running", ["7"])
    assert (
        "sweep s: running, 1 of 2 points valid, 1 left" in found["text"] and "job 7 s.sweep: RUNNING" in found["text"]
    )
    assert "s_a: 1 of 2 points valid, decode_0 exited" in found["text"]
    (sweep / "stop").write_text("")
    assert look(sweep)["state"] == "stopped"


def test_a_slurm_that_does_not_answer_is_said(sweep, queue):
    queue.append(SlurmError("squeue does not answer."))
    assert "Slurm: squeue does not answer." in look(sweep)["text"]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"schema_version": 2}', '{"schema_version": 1, "left": 3}'])
def test_a_record_of_something_else_is_no_sweep(sweep, queue, text):
    (sweep / "sweep.json").write_text(text)
    assert look(sweep, run_dir=str(sweep)) == sweep_info.NOTHING
