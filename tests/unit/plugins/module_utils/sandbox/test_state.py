# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.sandbox.state import ENTRIES, STATE_VERSION, Folder


@pytest.fixture
def folder(tmp_path):
    return Folder(str(tmp_path / "sb"))


def state(**more):
    return dict({"version": STATE_VERSION, "token": "ab" * 16}, **more)


def test_nothing_there(folder):
    assert folder.read() is None
    assert not folder.is_bare()
    folder.check_new()


def test_write_and_read(folder):
    folder.write(state(phase="making"))
    assert folder.read()["phase"] == "making"
    assert os.stat(folder("sandbox.json")).st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("text", "said"), [("{", "is not a sandbox's state"), ('{"version": 99}', "has version 99")])
def test_state_of_another_user(folder, text, said):
    os.mkdir(folder.path)
    with open(folder("sandbox.json"), "w", encoding="ascii") as stream:
        stream.write(text)
    with pytest.raises(Error, match=said):
        folder.read()


def test_record_of_another_start_does_not_count(folder):
    os.makedirs(folder("run"))
    with open(folder("run", "anchor.json"), "w", encoding="ascii") as stream:
        stream.write('{"token": "other", "pid": 1}')
    assert folder.record(state()) is None


def test_directory_in_use_is_refused(folder):
    os.mkdir(folder.path)
    folder.check_new()
    with open(folder("notes.txt"), "w", encoding="ascii"):
        pass
    with pytest.raises(Error, match=r"not empty \(it contains notes.txt\)"):
        folder.check_new()


def test_removes_only_what_it_made(folder):
    for name in ENTRIES:
        os.makedirs(folder(name))
    folder.write(state())
    with open(folder("notes.txt"), "w", encoding="ascii"):
        pass
    folder.remove(folder.path)
    assert os.listdir(folder.path) == ["notes.txt"]


def test_removes_the_directory_and_the_short_one(folder, tmp_path):
    short = tmp_path / "short"
    (short / "run").mkdir(parents=True)
    folder.write(state())
    with folder.lock(1, make=True):
        folder.remove(str(short))
    assert os.listdir(tmp_path) == []


def test_log_stays_when_asked(folder):
    os.makedirs(folder("log"))
    os.makedirs(folder("etc"))
    folder.write(state())
    folder.remove(folder.path, keep_log=True)
    assert sorted(os.listdir(folder.path)) == ["log", "sandbox.json"]


def test_run_folder_is_short(tmp_path):
    assert Folder("/x/y").run_folder("abcdef0123") == "/x/y"
    assert Folder("/x" * 40).run_folder("abcdef0123") == "/tmp/srt-sandbox-abcdef01"


def test_lock(folder):
    with folder.lock(1, make=True) as there:
        assert there
        with pytest.raises(Error, match="Another start or stop"), folder.lock(0):
            pass
    folder.remove_if_empty()
    with folder.lock(1) as there:
        assert not there
    assert not os.path.exists(folder.path)


def test_paths_that_slurm_cannot_read():
    with pytest.raises(Error, match="no space"):
        Folder("/tmp/a b")


def test_parent_must_exist(tmp_path):
    with pytest.raises(Error, match="There is no directory"), Folder(str(tmp_path / "a" / "b")).lock(1, make=True):
        pass
