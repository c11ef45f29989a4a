# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever listens in a folder that is not ours alone is no holder: all users of a host can make folders in /tmp."""

from __future__ import annotations

import io
import os
import socket
import threading
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.holder import server, socket_dir
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

ANSWER = '{"ok": true}'


@pytest.fixture
def listener(tmp_path, monkeypatch):
    """A program that answers as a holder does; what it was asked is in ``heard``. Others are reached with srun."""
    heard, folder = [], tmp_path / "srt-0-42-0123abcd"
    folder.mkdir(mode=0o700)
    path = str(folder / "socket")
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()

    def serve():
        while True:
            try:
                connection, _peer = listening.accept()
            except OSError:
                return
            with connection:
                heard.append(connection.makefile().read())
                connection.sendall(ANSWER.encode())

    def srun(argv, **_options):
        heard.append(argv[0])
        return types.SimpleNamespace(returncode=0, stdout=ANSWER, stderr="")

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    for user in (server, socket_dir):
        monkeypatch.setattr(user, "socket_path", lambda job_id, run_dir: path)
    monkeypatch.setattr(commands, "run", srun)
    yield types.SimpleNamespace(path=path, folder=folder, heard=heard)
    listening.shutdown(socket.SHUT_RDWR)
    listening.close()


def exchange():
    """Ask as modules do."""
    return driver.HolderDriver("42", "/run", "n1", patience_s=0.0).exchange("{}", 5.0)


def test_the_holder_on_this_host_is_asked_directly(listener):
    assert exchange() == ANSWER
    assert listener.heard == ["{}"]


def test_an_answer_that_was_cut_is_none(listener, monkeypatch):
    """A holder that is killed in the middle of it: Slurm says what became of it."""
    monkeypatch.setattr(socket_dir, "exchange", lambda path, text, timeout_s: ANSWER[:-2])
    assert exchange() == ANSWER
    assert listener.heard == ["srun"]


def theirs(listener, monkeypatch):
    """The folder belongs to another user: to all but this user."""
    monkeypatch.setattr(os, "getuid", lambda: listener.folder.stat().st_uid + 1)


def link(listener, monkeypatch):
    """A link to a folder, even to one of ours."""
    listener.folder.rename(f"{listener.folder}.real")
    listener.folder.symlink_to(f"{listener.folder}.real")


def open_to_all(listener, monkeypatch):
    """A folder of ours into which others may have put something."""
    listener.folder.chmod(0o777)


@pytest.mark.parametrize("how", [theirs, link, open_to_all])
def test_a_user_who_poses_as_the_holder_is_never_asked(listener, monkeypatch, capsys, how):
    how(listener, monkeypatch)
    assert exchange() == ANSWER
    assert listener.heard == ["srun"]
    monkeypatch.setenv("SLURM_JOB_ID", "42")
    monkeypatch.setattr("sys.stdin", io.StringIO("{}"))
    assert server.ctl("/run") == 3
    assert "is not a private directory of this user" in capsys.readouterr().err
    assert listener.heard == ["srun"]
