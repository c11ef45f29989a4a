# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program inside the jobs: its pure parts."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.rl.explain import explain
from ansible_collections.srt.slurm.plugins.module_utils.rl.side import coord, environment, guard, processes

ROOT = pathlib.Path(__file__).resolve().parents[5]


def program(path, body):
    """Write a program that the tests find on their PATH."""
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("MIG-1a-2b,MIG-3c-4d", "0,1"),
        ("MIG-GPU-1/1/0", "0"),
        ("2,3", "2,3"),
        ("GPU-1234,GPU-5678", "GPU-1234,GPU-5678"),
        ("", ""),
    ],
)
def test_slices_of_gpus_are_renumbered_and_whole_ones_are_not(before, after):
    assert environment.renumbered(before) == after


@pytest.mark.parametrize(
    ("given", "seen"),
    [(None, "0,1"), ("", "0,1"), ("MIG-b", "0"), ("3", "3")],
)
def test_slices_that_slurm_does_not_name_are_those_of_nvidia_smi(tmp_path, monkeypatch, capfd, given, seen):
    program(
        tmp_path / "nvidia-smi",
        "echo 'GPU 0: A100 (UUID: GPU-1)'; for u in a b; do echo \"  MIG (UUID: MIG-$u)\"; done",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    env = {} if given is None else {environment.VISIBLE: given}
    environment.see_devices(env)
    assert env == {environment.VISIBLE: seen}
    assert ("slices of GPUs" in capfd.readouterr().out) == (seen != given)


def test_without_slices_nothing_is_numbered(tmp_path, monkeypatch):
    program(tmp_path / "nvidia-smi", "echo 'GPU 0: H100 (UUID: GPU-1)'")
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    env = {}
    environment.see_devices(env)
    assert env == {}


def test_a_file_of_variables_is_read_as_the_original_did():
    text = "# c\n\nA=1\nexport B = two words \nC=<REPLACE>\nD=x<REPLACE>y\nnothing\nE='q=1'\nF=\n9X=1\n"
    assert environment.read_env(text) == {"A": "1", "B": "two words", "E": "q=1", "F": ""}


def test_the_trainer_gets_address_key_and_file_but_not_a_key_of_others(tmp_path, monkeypatch):
    monkeypatch.setenv("SKYRL_LD_LIBRARY_PATH_EXPORT", "1")
    monkeypatch.setenv("EFA_LIBRARY_PATH", "/efa")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/before")
    monkeypatch.setenv("RAY_ADDRESS", "another-cluster:6379")
    folder = coord.Folder(str(tmp_path), coord.TRAINING)
    folder.put(coord.ENVIRONMENT, "TOKEN=t\n")
    folder.put(coord.KEY, "secret\n")
    env = environment.training_environment(folder, "http://n:1")
    names = ("TOKEN", "SANDBOX_REMOTE_RUNTIME_API_URL", "ALLHANDS_API_KEY", "LD_LIBRARY_PATH")
    assert [env[name] for name in names] == ["t", "http://n:1", "secret", "/efa:/before"]
    assert "secret" not in os.environ.values() and "RAY_ADDRESS" not in env


def test_files_of_the_coordination_directory_are_whole_and_private(tmp_path):
    os.umask(0o022)
    folder = coord.Folder(str(tmp_path), coord.RUNTIME)
    folder.put(coord.READY)
    folder.put(coord.URL, "http://n:1\n")
    assert {os.stat(path).st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    assert sorted(path.name for path in tmp_path.iterdir()) == [coord.READY, coord.URL]
    assert folder.text(coord.URL) == "http://n:1" and folder.record("nothing.json") == {}


def test_a_port_counts_only_if_our_own_program_listens_on_it():
    with socket.socket() as other:
        other.bind(("0.0.0.0", 0))
        other.listen()
        port = other.getsockname()[1]
        code = "import socket,time;s=socket.socket();s.listen();print(s.getsockname()[1]);time.sleep(60)"
        read, write = os.pipe()
        ours = subprocess.Popen([sys.executable, "-uc", code], stdout=write, start_new_session=True)
        try:
            own = int(os.read(read, 20))
            assert processes.listens(ours, own)
            assert not processes.listens(ours, port) and not processes.is_free(port)
        finally:
            assert processes.stop(ours, 5.0) == -15
            os.close(read)
            os.close(write)


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB", "gpu_memory_utilization"),
        ("503: No available worker slots", "cpus_for_runtime"),
        ("the runtime was not ready in 600 s: refused", "runtime_ready_timeout"),
        ("OSError: [Errno 98] Address already in use", "runtime_port"),
    ],
)
def test_known_failures_are_explained(text, word):
    assert any(word in one for one in explain(text))
    assert explain("all is well") == []


@pytest.mark.parametrize("how", ["killed", "dismissed"])
def test_what_a_killed_program_leaves_is_removed(tmp_path, how):
    folder = tmp_path / "left"
    folder.mkdir()
    end = "guard.dismiss()" if how == "dismissed" else "os.kill(os.getpid(), 9)"
    code = f"import os,sys\nsys.path.insert(0, {str(ROOT / 'collections')!r})\n"
    code += f"from {guard.__name__} import Guard, remove\nguard = Guard(lambda: remove({str(folder)!r}))\n{end}\n"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == (0 if how == "dismissed" else -9), done.stderr
    until = time.monotonic() + (10 if how == "killed" else 0.3)
    while folder.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert folder.exists() == (how == "dismissed")
