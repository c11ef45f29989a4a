# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Environments with an interpreter of their own are made once, and run where nothing else is. They need no Slurm."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.stages import harness
from ansible_collections.srt.slurm.plugins.module_utils.supplies.harness import Harness

SMALL = Harness("tomli", "2.0.1", "tomli==2.0.1", "tomli", "tomli", (3, 8))

# The environment alone, read-only, in an empty root: no loader, no library and no Python of the machine.
ALONE = """
set -e
mkdir -p "$1/root$2" "$1/root/proc"
mount --bind "$2" "$1/root$2"
mount -o remount,ro,bind "$1/root$2"
mount -t proc proc "$1/root/proc"
chroot "$1/root" "$2/bin/python" -c "import subprocess, sys, tomli, ssl, sqlite3, uuid, zoneinfo
print(subprocess.check_output([sys.executable, '-c', 'import tomli; print(tomli.loads(\\"a = 5\\"))'], text=True))"
"""


def made(folder):
    return harness.run({"path": str(folder), "names": ["tomli"], "python": sys.executable}, Context())


@pytest.mark.slow
def test_an_environment_is_made_once_and_runs_in_an_empty_root(tmp_path, monkeypatch):
    monkeypatch.setattr(harness, "HARNESSES", {"tomli": SMALL})
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(made(tmp_path / "shared"))) for _number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    path = answers[0]["paths"]["tomli"]
    assert len(answers) == 2 and not made(tmp_path / "shared")["changed"]
    argv = ["unshare", "-m", "-p", "-f", "--propagation", "private", "bash", "-c", ALONE, "x", str(tmp_path), path]
    env = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LD_LIBRARY_PATH": "/nowhere"}
    done = subprocess.run(argv, capture_output=True, text=True, env=env, check=False)
    assert done.returncode == 0 and "{'a': 5}" in done.stdout, done.stderr
    # One that was damaged is made again.
    shutil.rmtree(os.path.join(path, "native"))
    assert made(tmp_path / "shared")["changed"] and not made(tmp_path / "shared")["changed"]
