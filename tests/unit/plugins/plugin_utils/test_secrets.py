# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The private file of a run's secrets, and those that killed runs left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.plugin_utils import secrets


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Ansible's temporary directory of this run is one of several."""
    folder = tmp_path / f"ansible-local-{os.getpid()}abcd1234"
    folder.mkdir()
    monkeypatch.setattr(secrets.constants, "DEFAULT_LOCAL_TMP", str(folder))
    return tmp_path


@pytest.fixture
def dead():
    """Return the id of a process that has ended."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        pass
    return process.pid


def left(home, folder, name=None):
    """Leave a file of secrets in *folder*."""
    path = home / folder / (name or secrets._prefix() + "x1y2z3")
    path.parent.mkdir()
    path.write_text('{"srt-secret:A": "a"}')
    return path


def test_the_values_lie_in_a_private_file(home):
    path = secrets.keep_secrets({"srt-secret:A": "a"})
    assert os.stat(path).st_mode & 0o777 == 0o600
    assert secrets.read_secrets(path) == {"srt-secret:A": "a"}


def test_a_module_gets_the_values_and_nothing_shows_them(home):
    path = secrets.keep_secrets({"srt-secret:A": "Marker-a"})
    given = secrets.with_secrets({"secrets_path": path, "state": "running"})
    assert json.loads(json.dumps(given)) == {"secrets": {"srt-secret:A": "Marker-a"}, "state": "running"}
    for shown in (f"{given}", f"{given!r}", str([given])):
        assert "Marker-a" not in shown


def test_what_a_killed_run_left_is_removed_by_the_next(home, dead):
    one, other = left(home, f"ansible-local-{dead}00000000"), left(home, f"ansible-local-{dead}_a1b2c3d")
    kept = secrets.keep_secrets({})
    assert not one.exists()
    assert not other.exists()
    secrets.keep_secrets({})
    assert os.path.exists(kept), "of this very run"


def test_nothing_else_is_touched(home, dead):
    files = [
        left(home, f"ansible-local-{os.getppid()}00000000"),  # it lives
        left(home, f"ansible-local-{dead}11111111", "srt-secrets-0123456789ab-x1y2z3"),  # of another machine
        left(home, f"ansible-local-{dead}22222222", "theirs.json"),
        left(home, f"ansible-local-{dead}"),  # not as Ansible names it: which process?
        left(home, f"other-{dead}00000000"),
    ]
    far = left(home, "elsewhere")
    (home / f"ansible-local-{dead}33333333").symlink_to(far.parent)
    secrets.keep_secrets({})
    assert all(path.exists() for path in [*files, far])


def test_files_of_another_user_are_left_alone(home, dead, monkeypatch):
    path = left(home, f"ansible-local-{dead}00000000")
    monkeypatch.setattr(secrets.os, "getuid", lambda: os.geteuid() + 1)
    secrets.remove_left()
    assert path.exists()
