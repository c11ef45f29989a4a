# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Which job a run directory belongs to, when another job has its number."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands, owner, runs


def listed(work_dir, job_id="7", comment="srt.slurm:abc", submitted_at="2026-01-01T00:00:00Z", state="PENDING"):
    """Return squeue's record of a job."""
    known = {"id": job_id, "comment": comment, "work_dir": str(work_dir), "submitted_at": submitted_at, "state": state}
    return dict(dict.fromkeys(commands.JOB_FIELDS, ""), **known)


@pytest.fixture
def slurm(monkeypatch):
    """A Slurm whose queue and memory the test fills."""

    class Slurm:
        queue, memory, folder, name = [], {}, None, "here@login"

    monkeypatch.setattr(commands, "jobs", lambda user=None, job_id=None, **limits: list(Slurm.queue))
    monkeypatch.setattr(commands, "show_job", lambda job_id: Slurm.memory)
    monkeypatch.setattr(commands, "output_folder", lambda job_id: Slurm.folder)
    monkeypatch.setattr(commands, "cluster", lambda: Slurm.name)
    return Slurm


@pytest.fixture
def old(tmp_path):
    """The directory of a run whose job was number 7."""
    folder = tmp_path / "old" / "7"
    folder.mkdir(parents=True)
    about = {"job_name": "mine", "submitted_at": "2025-01-01T00:00:00Z", "slurm_cluster": "here@login"}
    (folder / "7.json").write_text(json.dumps(about))
    (folder / "steps.jsonl").write_text(json.dumps({"name": "decode_0", "state": "running"}) + "\n")
    return folder


def test_the_job_that_works_in_the_directory(slurm, old, tmp_path):
    slurm.queue = [listed(old.parent)]
    found = runs.find({"run_dir": str(old)})
    assert found.live
    assert not found.stranger
    (tmp_path / "link").symlink_to(old.parent)
    assert runs.find({"run_dir": str(tmp_path / "link" / "7")}).live
    assert runs.find({"job_id": "7", "output_dir": str(tmp_path / "link")}).live


def test_a_job_that_works_elsewhere_is_not_the_runs(slurm, old, tmp_path):
    (tmp_path / "out" / "7").mkdir(parents=True)
    slurm.queue = [listed(tmp_path / "out", state="RUNNING")]
    for params in ({"run_dir": str(old)}, {"job_id": "7", "output_dir": str(old.parent)}):
        found = runs.find(params)
        assert not found.live
        assert found.holder() is None
        assert found.steps()["decode_0"]["state"] == "ended"
        about = found.describe()
        assert (about["state"], about["name"]) == ("GONE", "mine")
        assert f"works in {tmp_path}/out/7. It is left alone; this run is over" in about["reason"]


def test_the_memory_of_slurm_may_be_of_another_job(slurm, old, tmp_path):
    slurm.memory = {"JobState": "COMPLETED", "Reason": "None", "ExitCode": "0:0", "Comment": "srt.slurm:abc"}
    slurm.folder = str(old)
    assert runs.find({"run_dir": str(old)}).describe()["state"] == "COMPLETED"
    (tmp_path / "out" / "7").mkdir(parents=True)
    slurm.folder = str(tmp_path / "out" / "7")
    about = runs.find({"run_dir": str(old)}).describe()
    assert about["state"] == "GONE"
    assert "Slurm no longer knows the job" in about["reason"]


def test_a_run_of_another_cluster_is_not_called_ended(slurm, old):
    slurm.name = "there@login"
    found = runs.find({"run_dir": str(old)})
    assert not found.live
    assert found.steps()["decode_0"]["state"] == "running"
    assert found.describe() | {"name": ""} == dict(
        dict.fromkeys(("started_at", "ends_at")), id="7", name="", state="UNKNOWN",
        reason="it was submitted to the cluster here@login, which has to be asked",
    )  # fmt: skip


def test_a_directory_that_was_set_aside_is_no_jobs(slurm, old):
    aside = old.rename(f"{old}.earlier1")
    slurm.queue = [listed(old.parent)]
    found = runs.find({"run_dir": str(aside)})
    assert found.job_id == "7"
    assert not found.live


def test_a_disk_with_another_path_on_another_machine(old):
    assert not owner.is_of(str(old), listed("/data/not/here"))
    assert owner.is_of(str(old), listed("/data/not/here", submitted_at="2025-01-01T00:00:00Z"))


def test_an_adopted_job_is_known_by_the_time_of_its_submission(old):
    assert owner.is_of(str(old), listed("/home/me", comment="", submitted_at="2025-01-01T00:00:00Z"))
    assert not owner.is_of(str(old), listed("/home/me", comment=""))
    assert not owner.is_of(str(old), listed("/home/me", comment="", submitted_at=""))
