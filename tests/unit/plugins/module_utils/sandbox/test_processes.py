# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import secrets
import signal
import socket
import struct
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.sandbox import cluster, making, processes
from ansible_collections.srt.slurm.plugins.module_utils.sandbox.anchor import netlink
from ansible_collections.srt.slurm.plugins.module_utils.sandbox.anchor.main import start_ticks


@pytest.fixture
def token():
    return secrets.token_hex(16)


@pytest.fixture
def started(token):
    made = []

    def start(code, marked=True):
        env = dict(os.environ, **({processes.TOKEN: token} if marked else {}))
        process = subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE)
        made.append(process)
        assert process.stdout.readline() == b"up\n"
        return process

    yield start
    for process in made:
        process.kill()
        process.wait()


WAIT = "import signal; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(15, signal.SIG_IGN); print('up', flush=True)\nwhile True: signal.pause()"


def test_the_token_finds_processes(started, token):
    process = started(WAIT)
    assert processes.has_token(process.pid, token)
    assert processes.members(token, set()) == {process.pid}


def test_a_namespace_without_the_token_is_not_believed(started, token):
    started(WAIT, marked=False)
    assert processes.members(token, {processes.network_namespace("self")}) == set()


def test_end_all(started, token):
    gentle, deaf, stranger = started(WAIT), started(DEAF), started(WAIT, marked=False)
    assert processes.end_all(token, set(), gentle.pid) == []
    assert deaf.wait() == -signal.SIGKILL
    assert gentle.wait() == -signal.SIGKILL, "the anchor is not asked, and goes last"
    assert stranger.poll() is None


def test_start_time_tells_one_process(started):
    process = started(WAIT)
    ticks = start_ticks(process.pid)
    assert processes.is_alive(process.pid, ticks)
    assert not processes.is_alive(process.pid, ticks + 1)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert not processes.is_alive(process.pid), "a zombie is not alive"


def test_pid_file_of_a_foreign_process(tmp_path, started, token):
    path = tmp_path / "x.pid"
    assert processes.from_pid_file(path, token) is None
    path.write_text(f"{os.getpid()}\n")
    assert processes.from_pid_file(path, token) is None
    path.write_text(f"{started(WAIT).pid}\n")
    assert processes.from_pid_file(path, token)


def test_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert processes.listens(os.getpid(), port)
    assert not processes.listens(os.getpid(), port)


def test_netlink_attribute_is_padded():
    assert netlink.attribute(3, b"srt0\0") == struct.pack("=HH", 9, 3) + b"srt0\0\0\0\0"


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr(cluster.shutil, "which", lambda name, path: None if name in ("slurmd", "munged") else "/x")
    with pytest.raises(Error, match="apt-get install --no-install-recommends munge slurm-wlm libpmix-dev"):
        cluster.check_programs()


def test_no_right_to_make_namespaces_is_explained():
    text = making.explain("Traceback\nPermissionError: [Errno 1] unshare(user): Operation not permitted")
    assert "kernel.apparmor_restrict_unprivileged_userns" in text
    assert making.explain("") == "no word from the anchor"


def test_daemons_get_a_small_environment(monkeypatch, token):
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("HF_TOKEN", "secret")
    names = set(making.environment({"token": token}))
    assert processes.TOKEN in names
    assert not names & {"SLURM_JOB_ID", "HF_TOKEN"}
