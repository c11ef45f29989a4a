# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which job a run directory belongs to, when another job has its number."""

from __future__ import annotations

import json
import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import ownership, runs
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands


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
    assert not found.foreign
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
        assert f"works in {tmp_path}/out/7. It was left alone; this run is over" in about["reason"]


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
        reason="it was submitted to the cluster here@login; run there",
    )  # fmt: skip


def test_a_directory_that_was_set_aside_belongs_to_no_job(slurm, old):
    aside = old.rename(f"{old}.earlier1")
    slurm.queue = [listed(old.parent)]
    found = runs.find({"run_dir": str(aside)})
    assert found.job_id == "7"
    assert not found.live


def test_a_disk_with_another_path_on_another_machine(old):
    assert not ownership.is_of(str(old), listed("/data/not/here"))
    assert ownership.is_of(str(old), listed("/data/not/here", submitted_at="2025-01-01T00:00:00Z"))


def test_an_adopted_job_is_known_by_the_time_of_its_submission(old):
    assert ownership.is_of(str(old), listed("/home/me", comment="", submitted_at="2025-01-01T00:00:00Z"))
    assert not ownership.is_of(str(old), listed("/home/me", comment=""))
    assert not ownership.is_of(str(old), listed("/home/me", comment="", submitted_at=""))


@pytest.fixture
def several(tmp_path):
    """Runs 30 and 31 of aa, 32 of bb, the newest, and 40 of cc in an allocation of another name; all below tmp_path."""
    rows = (("30", "aa", "aa", 3), ("31", "aa", "aa", 2), ("32", "bb", "bb", 9), ("40", "salloc", '"c c"', 1))
    for number, name, spec, hour in rows:
        folder = tmp_path / number
        folder.mkdir()
        about = {"job_name": name, "generated_at": f"2026-01-01T0{hour}:00:00Z"}
        (folder / f"{number}.json").write_text(json.dumps(about))
        (folder / "config.yaml").write_text(f"name: {spec}\nmodel: {{}}\n")
    (tmp_path / "31.earlier1").mkdir()
    (tmp_path / "latest").symlink_to("32")
    return str(tmp_path)


@pytest.mark.parametrize(
    ("names", "number"),
    [([], "32"), (["aa"], "30"), (["bb"], "32"), (["c c"], "40"), (["aa", "c c"], "30"), (["aa", "bb"], "32")],
)
def test_the_newest_run_of_a_job(slurm, several, names, number):
    found = runs.find({"output_dir": several, "job_names": names})
    assert (found.job_id, found.run_dir) == (number, f"{several}/{number}")


def test_a_job_that_has_no_run(slurm, several, tmp_path):
    for folder in (several, str(tmp_path / "no-such")):
        with pytest.raises(Error, match=f"no run of dd below {folder}. Set job_id or output_dir"):
            runs.find({"output_dir": folder, "job_names": ["dd"]})


def test_a_run_of_another_job_is_not_taken_for_it(slurm, several):
    for params in ({"job_id": "31"}, {"run_dir": f"{several}/31"}):
        assert runs.find({"output_dir": several, "job_names": ["aa"], **params}).job_id == "31"
        with pytest.raises(Error, match="Job 31 is a run of aa, not of bb"):
            runs.find({"output_dir": several, "job_names": ["bb"], **params})


@pytest.mark.parametrize("job_id", ["", "abc", "3.0", "31;reboot", "31_1"])
def test_an_invalid_job_id_finds_no_run(slurm, several, job_id):
    with pytest.raises(Error, match="^job_id is .* (?:Set|Use) the "):
        runs.find({"output_dir": several, "job_id": job_id})


@pytest.fixture
def shared(several, tmp_path):
    """The runs of several users: 31 is ours, and all else is another user's."""
    if os.getuid():
        pytest.skip("makes files of another user")
    for path in tmp_path.iterdir():
        if path.name != "31":
            os.lchown(path, 65534, 65534)
    return several


@pytest.mark.parametrize(("names", "number"), [([], "31"), (["aa"], "31"), (["bb"], "32")])
def test_where_others_have_runs_too_the_newest_is_our_own(slurm, shared, names, number):
    assert runs.find({"output_dir": shared, "job_names": names}).job_id == number


def test_who_has_no_run_there_finds_the_newest_of_another_user(slurm, shared):
    os.lchown(f"{shared}/31", 65534, 65534)
    assert runs.find({"output_dir": shared, "job_names": []}).job_id == "32"
