# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
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


def test_what_is_there_is_told_from_what_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(remote, "AT_ONCE", 2)
    there = [tmp_path / name for name in ("plain", 'it\'s "odd" $(x)', "-n")]
    for path in there:
        path.touch()
    asked = [*map(str, there), str(tmp_path / "gone"), str(there[0])]
    action = Action()
    assert remote.existing(action, asked) == set(map(str, there))
    assert action.calls == 2  # each path is asked for once
    assert remote.existing(action, []) == set()


def test_a_host_that_does_not_answer(tmp_path):
    with pytest.raises(
        Error, match="cannot be asked which paths exist: no answer. Mend the connection, or give -e check"
    ):
        remote.existing(Action("false"), [str(tmp_path)])
