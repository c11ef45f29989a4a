# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a run: who can write to them, and an error that names the file when we cannot."""

from __future__ import annotations

import grp
import os
import pwd

import pytest
from ansible_collections.srt.slurm.plugins.module_utils import files
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import write_verdict


def test_a_verdict_that_cannot_be_written(tmp_path):
    (tmp_path / "results").write_text("in the way")
    with pytest.raises(Error, match="The verdict .*/results/c2.verdict.json cannot be written: Not a directory"):
        write_verdict(str(tmp_path / "results" / "c2.json"), {"valid": True})


STRANGER = 65534
as_root = pytest.mark.skipif(os.getuid() != 0, reason="makes files of another user")


@pytest.mark.parametrize("umask", [0o000, 0o002, 0o022, 0o077])
def test_the_umask_lets_nobody_else_write_and_keeps_what_the_user_hides(umask):
    before = os.umask(umask)
    try:
        files.keep_others_from_writing()
        assert os.umask(0) == umask | 0o022
    finally:
        os.umask(before)


def test_a_umask_that_takes_the_users_own_rights_away_is_put_right():
    before = os.umask(0o777)
    try:
        files.keep_others_from_writing()
        assert os.umask(0) == 0o077
    finally:
        os.umask(before)


def test_a_file_with_the_same_content_loses_the_rights_of_others(tmp_path):
    path = tmp_path / "file"
    path.write_text("same")
    path.chmod(0o666)
    assert files.write_text_atomic(str(path), "same") is False and path.stat().st_mode & 0o777 == 0o644
    assert files.write_text_atomic(str(path), "same", 0o600) is False and path.stat().st_mode & 0o777 == 0o600
    inode = path.stat().st_ino
    assert files.write_text_atomic(str(path), "same", 0o600) is False and path.stat().st_ino == inode


@as_root
def test_a_file_of_another_user_is_replaced(tmp_path):
    path = tmp_path / "file"
    path.write_text("same")
    os.chown(path, STRANGER, STRANGER)
    assert files.write_text_atomic(str(path), "same") is False and path.stat().st_uid == os.getuid()


def test_an_own_folder_is_one_that_nobody_else_made_or_writes_to(tmp_path):
    folder = tmp_path / "folder"
    before = os.umask(0)
    try:
        files.make_own_folder(str(folder))
    finally:
        os.umask(before)
    assert folder.stat().st_mode & 0o777 == 0o755
    folder.chmod(0o2775)
    files.make_own_folder(str(folder))
    assert folder.stat().st_mode & 0o7777 == 0o2755
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(Error, match="link exists already and is a link"):
        files.make_own_folder(str(tmp_path / "link"))


@as_root
def test_a_folder_that_another_user_made_is_not_taken(tmp_path):
    folder = tmp_path / "folder"
    folder.mkdir()
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(Error, match="folder exists already and belongs to the user"):
        files.make_own_folder(str(folder))


@as_root
@pytest.mark.parametrize(
    ("owner", "mode", "group", "members", "said"),
    [
        (0, 0o755, "root", [], None),
        (0, 0o775, "root", [], None),
        (0, 0o775, "root", ["me"], "other users can write to "),
        (0, 0o775, "staff", [], "other users can write to "),
        (0, 0o757, "root", [], "other users can write to "),
        (0, 0o1777, "root", [], "other users can write to "),
        (STRANGER, 0o755, "root", [], "belongs to the user "),
        (4711, 0o755, "root", [], "belongs to the user with the id 4711"),
    ],
)
def test_what_another_user_could_have_written_is_in_doubt(tmp_path, monkeypatch, owner, mode, group, members, said):
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(mode)
    os.chown(folder, owner, 0)
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((group, "x", gid, members)))
    assert pwd.getpwuid(0).pw_name == "root"
    why = files.doubt(str(folder))
    assert said in why if said else why is None
