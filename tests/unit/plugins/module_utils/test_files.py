# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a run: who can write to them, and an error that names the file when we cannot."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import signal
import struct

import pytest
from ansible_collections.srt.slurm.plugins.module_utils import files, plan_file
from ansible_collections.srt.slurm.plugins.module_utils.allocation import runs
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder import journal, tails
from ansible_collections.srt.slurm.plugins.module_utils.results.verdict import file_hash, write_verdict


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


@pytest.fixture
def stranger_may_write(tmp_path):
    """Return a function that lets a stranger write to a path, by an access control list."""

    def grant(path, kind):
        entries = [(1, 7, -1), (2, 7, STRANGER), (4, 5, -1), (16, 7, -1), (32, 5, -1)]
        acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
        try:
            os.setxattr(path, f"system.posix_acl_{kind}", acl)
        except (OSError, AttributeError):
            pytest.skip("a file system without access control lists")

    return grant


def test_what_an_access_control_list_lets_others_write_is_in_doubt(tmp_path, monkeypatch, stranger_may_write):
    folder = tmp_path / "folder"
    folder.mkdir()
    owner = pwd.getpwuid(os.getuid()).pw_name
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((owner, "x", gid, [])))
    monkeypatch.setattr(pwd, "getpwall", list)
    folder.chmod(0o775)
    assert files.doubt(str(folder)) is None
    stranger_may_write(folder, "access")
    assert "other users can write to " in files.doubt(str(folder))
    folder.chmod(0o755)  # its mask
    assert files.doubt(str(folder)) is None


def test_who_has_a_group_as_the_primary_one_is_a_member(tmp_path, monkeypatch):
    owner = pwd.getpwuid(os.getuid())
    other = pwd.struct_passwd(("other", "x", 4711, tmp_path.stat().st_gid, "", "/", "/bin/sh"))
    monkeypatch.setattr(grp, "getgrgid", lambda gid: grp.struct_group((owner.pw_name, "x", gid, [])))
    tmp_path.chmod(0o775)
    for users, said in (([owner], False), ([owner, other], True)):
        monkeypatch.setattr(pwd, "getpwall", lambda users=users: users)
        assert bool(files.doubt(str(tmp_path))) is said


@pytest.mark.parametrize("known", [True, False])
def test_what_is_made_in_an_own_folder_is_for_nobody_else_to_write(tmp_path, monkeypatch, stranger_may_write, known):
    stranger_may_write(tmp_path, "default")
    if not known:  # as in a user namespace without the stranger

        def refuse(*_args):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

        monkeypatch.setattr(os, "setxattr", refuse)
    files.make_own_folder(str(tmp_path / "run"))
    (tmp_path / "run" / "logs").mkdir()
    (tmp_path / "run" / "logs" / "log").touch()
    made = [tmp_path / "run", *(tmp_path / "run").rglob("*")]
    assert len(made) == 3 and not [path for path in made if path.stat().st_mode & 0o022]
    (tmp_path / "beside").touch()
    assert (tmp_path / "beside").stat().st_mode & 0o020, "the list has an effect"


@pytest.fixture
def not_for_long():
    """End a test that hangs."""

    def end(number, frame):
        pytest.fail("It hangs.")

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def test_a_fifo_in_the_way_of_a_file_is_replaced(tmp_path, not_for_long):
    os.mkfifo(tmp_path / "file")
    assert files.write_text_atomic(str(tmp_path / "file"), "text") and (tmp_path / "file").read_text() == "text"


@pytest.mark.parametrize(
    "read",
    [
        files.read_object,
        plan_file.load_plan,
        tails.tail,
        file_hash,
        lambda path: journal.events(os.path.dirname(path)),
        lambda path: runs.find({"run_dir": None, "output_dir": os.path.join(path, "..", ".."), "job_names": ["x"]}),
    ],
)
@pytest.mark.parametrize("name", ["steps.jsonl", "config.yaml", "7.json"])
def test_a_fifo_that_nobody_writes_to_is_no_file(tmp_path, not_for_long, read, name):
    (tmp_path / "7").mkdir()
    os.mkfifo(tmp_path / "7" / name)
    with contextlib.suppress(Error, OSError):
        assert not read(str(tmp_path / "7" / name))
