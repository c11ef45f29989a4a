# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of Python environments: by their packages, without running or reading them."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.inputs.main import look
from ansible_collections.srt.slurm.plugins.module_utils.inputs.packages import packages


def install(home, name, record="x.py,sha256=1,2\n"):
    folder = home / "lib" / "python3.11" / "site-packages" / f"{name}.dist-info"
    folder.mkdir(parents=True)
    (folder / "RECORD").write_text(record)
    return folder


@pytest.fixture
def home(tmp_path):
    """A virtual environment with two packages, whose interpreter is a link to one elsewhere."""
    elsewhere = tmp_path / "usr" / "bin"
    elsewhere.mkdir(parents=True)
    (elsewhere / "python3").write_text("")
    home = tmp_path / "venv"
    (home / "bin").mkdir(parents=True)
    (home / "bin" / "python").symlink_to(elsewhere / "python3")
    (home / "pyvenv.cfg").write_text("")
    install(home, "vllm-0.10.0")
    install(home, "torch-2.8.0")
    return home


def digest(home):
    return packages(str(home / "bin" / "python"))["digest"]


def test_another_version_another_build_or_another_package_is_another_environment(home):
    site, first = home / "lib" / "python3.11" / "site-packages", digest(home)
    found = {first}
    (site / "vllm-0.10.0.dist-info" / "RECORD").write_text("x.py,sha256=other,2\n")
    found.add(digest(home))
    (site / "vllm-0.10.0.dist-info" / "direct_url.json").write_text('{"vcs_info": {"commit_id": "ab"}}')
    found.add(digest(home))
    shutil.rmtree(site / "vllm-0.10.0.dist-info")
    install(home, "vllm-0.10.1")
    found.add(digest(home))
    install(home, "aiohttp-3.13.0")
    found.add(digest(home))
    assert len(found) == 5


def test_what_runs_in_it_changes_nothing(home):
    first = packages(str(home / "bin" / "python"))
    (home / "lib" / "python3.11" / "site-packages" / "__pycache__").mkdir()
    (home / "lib64").symlink_to(home / "lib")
    assert packages(str(home / "bin" / "python")) == first
    assert sorted(first["parts"]) == ["torch-2.8.0.dist-info", "vllm-0.10.0.dist-info"]


def test_an_interpreter_outside_of_virtual_environments_has_the_packages_where_it_really_is(home, tmp_path):
    (home / "pyvenv.cfg").unlink()
    assert "no packages are installed beside" in packages(str(home / "bin" / "python"))["why"]
    install(tmp_path / "usr", "sglang-0.5")
    assert list(packages(str(home / "bin" / "python"))["parts"]) == ["sglang-0.5.dist-info"]


def test_an_interpreter_that_is_not_here_is_missing(tmp_path):
    assert packages(str(tmp_path / "python")) == {"why": f"{tmp_path}/python does not exist", "missing": True}


def test_our_own_environment_has_one(home):
    found = look({"python": sys.executable, "model.path": os.path.dirname(sys.executable)})["found"]
    assert found["python"]["files"] > 5 and any(name.startswith("pytest-") for name in found["python"]["parts"])


def test_a_script_that_starts_an_interpreter_is_known_by_its_text(tmp_path):
    script = tmp_path / "python"
    script.write_text('#!/bin/sh\nexec /venv/bin/python "$@"\n')
    before = packages(str(script))
    assert before["files"] == 1 and packages(str(script)) == before
    script.write_text('#!/bin/sh\nexec /other/bin/python "$@"\n')
    assert packages(str(script))["digest"] != before["digest"]
