# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Paths looked up on the submit host: what the shell there says is what counts."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.plugin_utils import remote


class Action:
    """An action whose host is this one."""

    def __init__(self, shell="sh"):
        self.shell, self.calls = shell, 0

    def _low_level_execute_command(self, command, sudoable):
        self.calls += 1
        done = subprocess.run([self.shell, "-c", command], capture_output=True, text=True, check=False)
        return {"stdout": done.stdout, "stderr": done.stderr}


def test_existing_and_missing_paths_are_distinguished(tmp_path):
    there = [tmp_path / name for name in ("plain", 'it\'s "odd" $(x)', "-n")]
    for path in there:
        path.touch()
    action = Action()
    paths = remote.RemotePaths(action, "login1")
    assert all(paths.exists(str(path)) for path in there) and not paths.exists(str(tmp_path / "gone"))
    assert paths.where == "on login1"
    assert paths.exists(str(there[0])) and action.calls == 4, "each path is looked up once"


def test_a_host_that_does_not_answer(tmp_path):
    with pytest.raises(
        Error, match="Cannot check paths on the submit host: no answer. Fix the connection, or set -e check"
    ):
        remote.RemotePaths(Action("false"), "login1").exists(str(tmp_path))
