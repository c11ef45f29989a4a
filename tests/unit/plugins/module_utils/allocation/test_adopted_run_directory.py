# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The run directory of an allocation that is adopted: its own, kept apart from that of an earlier job with its id."""

from __future__ import annotations

import json
import os
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import adopted, run_directory
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error


@pytest.fixture
def adopt(queue, do, monkeypatch):
    """Return a function that adopts the allocation 8 of somebody else, in which no holder answers."""
    job_id = queue.add(name="mine", comment="", submitted_at="2026-01-01T00:00:07Z", user="me")
    queue.queue[job_id].update(state="RUNNING", nodelist="n[1-2]")
    monkeypatch.setattr(adopted.slurm_calls, "account", lambda: "me")
    monkeypatch.setattr(adopted, "lacks_holder", lambda *args: True)
    monkeypatch.setattr(adopted, "start_holder", lambda *args: types.SimpleNamespace(poll=lambda: None))

    def adopt(**options):
        return do(allocation=None, job_id=job_id, **options)

    adopt.look = lambda: do.look(allocation=None, job_id=job_id)
    return adopt


@pytest.fixture
def old(tmp_path):
    """The run directory of an earlier job 8, of the same cluster."""
    path = tmp_path / "out" / "8"
    (path / "results").mkdir(parents=True)
    (path / "8.json").write_text('{"submitted_at": "2025-01-01T00:00:00Z", "slurm_cluster": "here@login"}')
    (path / "steps.jsonl").write_text('{"event": "holder", "phase": "begin"}\n')
    (path / "results" / "c2.json").write_text("{}")
    return path


def test_the_directory_of_an_earlier_job_is_set_aside_once(adopt, old):
    result = adopt()
    assert result["actions"] == ["adopted"]
    assert "was of an earlier job with this id" in result["notes"][0]
    assert "was not submitted by srt.slurm" in result["notes"][1]
    assert (old.parent / "8.earlier1" / "results" / "c2.json").exists()
    assert os.listdir(old / "results") == []
    assert json.loads((old / "8.json").read_text())["submitted_at"] == "2026-01-01T00:00:07Z"
    # Its holder was killed, and another one follows in the same directory.
    (old / "steps.jsonl").write_text("{}\n")
    assert len(adopt()["notes"]) == 1
    assert (old / "steps.jsonl").exists() and not (old.parent / "8.earlier2").exists()


def test_the_directory_of_a_run_that_another_cluster_may_still_have_is_not_taken(adopt, old):
    (old / "8.json").write_text('{"submitted_at": "2025-01-01T00:00:00Z", "slurm_cluster": "there@login"}')
    with pytest.raises(Error, match="of the cluster there@login, which may still run"):
        adopt()
    assert (old / "results" / "c2.json").exists()


def test_another_controller_sets_the_directory_aside_in_the_same_moment(adopt, old, monkeypatch):
    rename = os.rename

    def late(source, target):
        rename(source, target)
        rename(source, target)

    monkeypatch.setattr(run_directory.os, "rename", late)
    assert adopt()["actions"] == ["adopted"]


def test_a_stage_alone_does_not_work_in_the_directory_of_an_earlier_job(adopt, old):
    with pytest.raises(
        Error,
        match="8 belongs to an earlier job with the id 8, .*the stage allocation moves that directory aside first",
    ):
        adopt.look()
    adopt()
    assert adopt.look()["job"]["run_dir"] == str(old)


def test_an_output_directory_that_cannot_be_written_is_named(adopt, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Error, match="file/out cannot be made: Not a directory. Choose another one"):
        adopt(output_dir=str(tmp_path / "file" / "out"))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "8").write_text("in the way")
    with pytest.raises(Error, match="run directory of job 8 cannot be written: .*/out/8.*Choose another output_dir"):
        adopt()


def test_a_held_job_whose_directory_cannot_be_written_is_named(queue, do, tmp_path):
    queue.add(name="quick", comment="srt.slurm:abc123", reason="JobHeldUser")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "8").write_text("in the way")
    with pytest.raises(Error, match="run directory of job 8 cannot be written: .*Choose another output_dir"):
        do()
