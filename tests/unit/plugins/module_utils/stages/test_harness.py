# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module harness refuses before it installs anything."""

from __future__ import annotations

import os
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.stages import harness
from ansible_collections.srt.slurm.plugins.module_utils.supplies.harness import Harness

SMALL = Harness("tomli", "2.0.1", "tomli==2.0.1", "tomli", "tomli", (3, 8))


def made(folder, ctx=None, python=sys.executable, names=("tomli",)):
    return harness.run({"path": str(folder), "names": list(names), "python": python}, ctx or Context())


@pytest.fixture(autouse=True)
def small(monkeypatch):
    monkeypatch.setattr(harness, "HARNESSES", {"tomli": SMALL})


def test_an_unknown_name_and_a_relative_directory_are_refused(tmp_path):
    with pytest.raises(Error, match="other is not known. Known: tomli"):
        made(tmp_path, names=["other"])
    with pytest.raises(Error, match="absolute path"):
        made("relative")


def test_a_python_that_does_not_fit_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "HARNESSES", {"tomli": SMALL._replace(python=(3, 99))})
    with pytest.raises(Error, match="needs Python 3.99 or newer.*setup_python=PATH"):
        made(tmp_path)
    monkeypatch.setattr(harness, "HARNESSES", {"tomli": SMALL._replace(before=(3, 9))})
    with pytest.raises(Error, match="older than 3.9"):
        made(tmp_path)
    assert [one for one in os.listdir(tmp_path) if not one.endswith(".lock")] == []


def test_check_mode_installs_nothing(tmp_path):
    assert made(tmp_path, Context(check_mode=True))["changed"] and os.listdir(tmp_path) == []


def test_a_directory_of_others_is_refused(tmp_path):
    tmp_path.chmod(0o777)
    with pytest.raises(Error, match="would run as you"):
        made(tmp_path)
