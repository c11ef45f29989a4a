# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fingerprints of models and images: equal for copies, different for anything else; cheap, and limited in time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.inputs import __main__ as program
from ansible_collections.srt.slurm.plugins.module_utils.inputs import fingerprint as module
from ansible_collections.srt.slurm.plugins.module_utils.inputs.fingerprint import fingerprint
from ansible_collections.srt.slurm.plugins.module_utils.programs import program_files

LARGE = 40 * module.MIB


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    (folder / "sub" / "more.txt").write_text("more")
    with open(folder / "w.safetensors", "wb") as stream:
        stream.write(os.urandom(module.MIB))
        stream.truncate(LARGE)
    return folder


def digest(path):
    return fingerprint(str(path))["digest"]


def test_a_copy_has_the_fingerprint_of_its_original(model, tmp_path):
    shutil.copytree(model, tmp_path / "copy")
    for one in (tmp_path / "copy").rglob("*"):
        os.utime(one, (1, 1))
    (tmp_path / "copy" / ".cache").mkdir()
    (tmp_path / "copy" / ".cache" / "lock").write_text("x")
    found = fingerprint(str(model))
    assert digest(tmp_path / "copy") == found["digest"]
    assert (found["files"], found["bytes"]) == (3, LARGE + 6)


def poke(path, where, size=13):
    with open(path, "r+b") as stream:
        stream.seek(where)
        stream.write(os.urandom(size))


@pytest.mark.parametrize(
    "change",
    [
        lambda model: (model / "config.json").write_text("[]"),
        lambda model: (model / "sub" / "more.txt").write_text("MORE"),
        lambda model: (model / "sub" / "more.txt").rename(model / "sub" / "less.txt"),
        lambda model: (model / "new").write_text(""),
        lambda model: os.truncate(model / "w.safetensors", LARGE - 1),
        lambda model: poke(model / "w.safetensors", 0),
        lambda model: poke(model / "w.safetensors", LARGE - 13),
        lambda model: poke(model / "w.safetensors", 20 * module.MIB, 3 * module.MIB),
    ],
)
def test_other_files_have_another_fingerprint(model, change):
    before = fingerprint(str(model))
    change(model)
    after = fingerprint(str(model))
    assert after["digest"] != before["digest"] and after["parts"] != before["parts"]


def test_an_image_is_one_file(model):
    before = digest(model / "w.safetensors")
    shutil.copy(model / "w.safetensors", model / "other.sqsh")
    assert digest(model / "other.sqsh") == before
    poke(model / "other.sqsh", 100)
    assert digest(model / "other.sqsh") != before


def test_links_are_followed_as_in_a_snapshot_of_the_hub(model, tmp_path):
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    for number, name in enumerate(("config.json", "w.safetensors")):
        shutil.copy(model / name, blobs / str(number))
        (snapshot / name).symlink_to(f"../../blobs/{number}")
    (snapshot / "sub").symlink_to(model / "sub")
    assert digest(snapshot) == digest(model)
    (model / "sub" / "loop").symlink_to(model)
    assert "digest" in fingerprint(str(model)), "a link to a directory above does not go on for ever"
    (snapshot / "gone").symlink_to("/nowhere/at/all")
    assert fingerprint(str(snapshot)) == {"why": f"{snapshot}/gone: No such file or directory", "missing": False}


def test_what_is_missing_or_takes_too_long_has_a_reason(model, monkeypatch):
    assert fingerprint("/no/such/model") == {"why": "/no/such/model does not exist", "missing": True}
    assert fingerprint(str(model), limit_s=-1)["why"] == f"{model} took too long to read"
    monkeypatch.setattr(module, "MOST_FILES", 2)
    assert fingerprint(str(model))["why"] == f"{model} has more than 2 files"


def test_pipes_and_devices_are_not_read_and_a_wrong_directory_costs_little(model):
    before = digest(model)
    os.mkfifo(model / "pipe")
    (model / "zero").symlink_to("/dev/zero")
    assert digest(model) == before
    begun = time.monotonic()
    assert "has more than" in fingerprint("/usr")["why"] and time.monotonic() - begun < 10


def test_little_of_a_large_file_is_read(tmp_path):
    with open(tmp_path / "w.safetensors", "wb") as stream:
        stream.truncate(1 << 40)
    assert fingerprint(str(tmp_path), limit_s=5)["bytes"] == 1 << 40


def test_the_program_runs_alone(model, tmp_path):
    folder = tmp_path / "inputs"
    folder.mkdir()
    for name, text in program_files(program).items():
        (folder / name).write_text(text)
    request = {"paths": {"model.path": str(model)}, "chat": str(model), "limit_s": 9}
    argv = [sys.executable, "-S", str(folder), json.dumps(request)]
    answer = json.loads(subprocess.run(argv, capture_output=True, check=True, cwd="/").stdout)
    assert answer["found"]["model.path"]["digest"] == digest(model)
    assert answer["chat"] == {"why": f"{model} has no chat template", "unreadable": False}
