# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The stage that the playbook inside a job has reached is recorded where the role of a task is known."""

from __future__ import annotations

import json
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.holder.playbook import STAGE_FILE, STAGE_VARIABLE
from ansible_collections.srt.slurm.plugins.plugin_utils import stage


def role(name):
    return types.SimpleNamespace(get_name=lambda: name)


@pytest.fixture
def written(tmp_path, monkeypatch):
    """The file of the stage, which the holder names in the environment of the playbook."""
    monkeypatch.setenv(STAGE_VARIABLE, str(tmp_path / STAGE_FILE))
    return tmp_path / STAGE_FILE


def test_the_role_of_a_task_is_the_stage(written):
    for name in ("allocation", "worker"):
        stage.record_stage(role(f"srt.slurm.{name}"))
        assert json.loads(written.read_text()) == {"stage": name}


def test_a_task_outside_of_our_roles_leaves_the_stage(written):
    for other in (None, role("theirs"), role("my.own.worker")):
        stage.record_stage(other)
    assert not written.exists()


def test_a_playbook_outside_of_a_job_records_nothing(written, monkeypatch):
    monkeypatch.delenv(STAGE_VARIABLE)
    stage.record_stage(role("srt.slurm.worker"))
    assert not written.exists()


def test_a_directory_that_is_gone_is_no_reason_to_fail(written, monkeypatch):
    monkeypatch.setenv(STAGE_VARIABLE, str(written / "gone" / STAGE_FILE))
    stage.record_stage(role("srt.slurm.worker"))
