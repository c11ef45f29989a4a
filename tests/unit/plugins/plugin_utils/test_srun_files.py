# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files through the streams of a command: any name, any content, and nothing that is not complete."""

from __future__ import annotations

import os
import subprocess

import pytest
from ansible.errors import AnsibleError, AnsibleFileNotFound
from ansible_collections.srt.slurm.plugins.module_utils.slurm.remote_command import Heard
from ansible_collections.srt.slurm.plugins.plugin_utils import srun_files

NAMES = ["plain", "two words", "it's", 'a"b', "$HOME", "`x`", "a\nb", "-n", "--", "*", "\\", "#", "é", ":", "a;b&c|d"]
CONTENT = bytes(range(256)) * 300


def shell(command, data=b""):
    """Return (what is heard of a command that runs here, its output)."""
    done = subprocess.run(["/bin/sh", "-c", command], input=data, capture_output=True, check=False)
    return Heard(True, done.returncode, done.stderr, ""), done.stdout


@pytest.mark.parametrize("name", [*NAMES, os.fsdecode(b"\xff\xfe")])
def test_a_file_of_any_name_goes_there_and_back(name, tmp_path):
    path = str(tmp_path / name)
    heard, output = shell(srun_files.put_command(path), CONTENT)
    srun_files.check_put(heard, output, len(CONTENT), "x", path)
    target = str(tmp_path / "back")
    with srun_files.Fetched(path, target) as fetched:
        heard, output = shell(srun_files.fetch_command(path))
        for start in range(0, len(output), 1000):
            fetched.write(output[start : start + 1000])
        fetched.check(heard)
    with open(target, "rb") as stream:
        assert stream.read() == CONTENT
    assert sorted(os.listdir(tmp_path)) == sorted({name, "back"})


def test_a_relative_name_that_looks_like_an_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    heard, output = shell(srun_files.put_command("-rf"), b"x")
    srun_files.check_put(heard, output, 1, "x", "-rf")
    assert shell(srun_files.fetch_command("-rf"))[1] == b"1\nx"


def test_an_empty_file(tmp_path):
    (tmp_path / "empty").touch()
    with srun_files.Fetched(tmp_path / "empty", str(tmp_path / "back")) as fetched:
        heard, output = shell(srun_files.fetch_command(str(tmp_path / "empty")))
        fetched.write(output)
        fetched.check(heard)
    assert (tmp_path / "back").read_bytes() == b""


@pytest.mark.parametrize("output", [b"", b"12", b"10\nabc", b"2\nabc", b"x\nabc", b"\n"])
def test_what_is_not_complete_is_an_error_and_leaves_the_file_as_it_was(output, tmp_path):
    target = tmp_path / "kept"
    target.write_bytes(b"before")
    with pytest.raises(AnsibleError, match="not complete"), srun_files.Fetched("/a", str(target)) as fetched:
        fetched.write(output)
        fetched.check(Heard(True, 0, b"", ""))
    assert target.read_bytes() == b"before" and os.listdir(tmp_path) == ["kept"]


def test_what_cannot_be_read_is_said(tmp_path):
    for path, error in ((tmp_path / "no", AnsibleFileNotFound), (tmp_path, AnsibleError)):
        heard, output = shell(srun_files.fetch_command(str(path)))
        with pytest.raises(error, match=str(path)), srun_files.Fetched(path, str(tmp_path / "back")) as fetched:
            fetched.write(output)
            fetched.check(heard)


@pytest.mark.parametrize("output", [b"", b"3\n", b"5\n", b"junk\n"])
def test_a_file_that_did_not_arrive_whole_is_an_error(output):
    with pytest.raises(AnsibleError, match="has 4 bytes"):
        srun_files.check_put(Heard(True, 0, b"", ""), output, 4, "a", "b")


def test_a_folder_that_is_not_there_is_said():
    heard, output = shell(srun_files.put_command("/no/such/file"), b"x")
    with pytest.raises(AnsibleError, match="could not be copied to /no/such/file: .+/no/such/file"):
        srun_files.check_put(heard, output, 1, "a", "/no/such/file")


def test_only_what_is_below_a_shared_folder_is_copied_here(tmp_path):
    (tmp_path / "shared" / "in").mkdir(parents=True)
    (tmp_path / "shared" / "out").symlink_to("/")
    shared = [str(tmp_path / "shared")]
    assert srun_files.is_shared(str(tmp_path / "shared" / "in" / "file"), shared)
    for path in ("shared-not/file", "shared", "shared/no/file", "shared/out/etc/hostname", "shared/../file"):
        assert not srun_files.is_shared(str(tmp_path / path), shared), path
    assert not srun_files.is_shared("shared/in/file", shared)
    assert not srun_files.is_shared(str(tmp_path / "shared" / "in" / "file"), [])
