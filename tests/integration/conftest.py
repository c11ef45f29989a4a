# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Slurm for tests of the slurm room: the one around us, otherwise a sandbox of four nodes."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "collections"))
COMMANDS = ("sinfo", "squeue", "srun", "sbatch", "scancel", "scontrol")


@pytest.fixture(scope="session")
def _doorway():
    """A folder of Slurm commands that act inside the sandbox, or None inside a cluster."""
    if (
        shutil.which("sinfo")
        and subprocess.run(["sinfo", "-h"], capture_output=True, timeout=30, check=False).returncode == 0
    ):
        yield None
        return
    folder = tempfile.mkdtemp(prefix="srt-test-")
    program = [sys.executable, str(ROOT / "bin" / "sandbox")]
    try:
        subprocess.run([*program, "start", "--nodes", "4", "--dir", f"{folder}/s"], check=True, timeout=90)
        doorway = pathlib.Path(folder, "bin")
        doorway.mkdir()
        for name in COMMANDS:
            real = shutil.which(name)
            # What runs in there finds the real commands.
            (doorway / name).write_text(f'#!/bin/sh\nPATH=${{PATH#"{doorway}:"}} exec {folder}/s/exec {real} "$@"\n')
            (doorway / name).chmod(0o755)
        yield doorway
    finally:
        subprocess.run([*program, "stop", "--dir", f"{folder}/s"], check=False, timeout=90)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def cluster(_doorway, monkeypatch):
    """Slurm's commands on the PATH. The fixture is a function that waits for a condition and returns its value."""
    if _doorway:
        monkeypatch.setenv("PATH", f"{_doorway}:{os.environ['PATH']}")

    def until(condition, limit_s=60.0):
        end = time.monotonic() + limit_s
        while True:
            value = condition()
            if value:
                return value
            assert time.monotonic() < end, f"not within {limit_s} s: {condition}"
            time.sleep(0.05)

    return until


@pytest.fixture
def allocation(cluster, tmp_path):
    """A function that makes an allocation with its holder and returns it (``look`` finds it); the test ends them."""
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import slurm_job
    from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
    from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands
    from ansible_collections.srt.slurm.plugins.module_utils.stages import slurm_job_info

    made = []

    def request(nodes, params):
        """Return the request of a call, whose parameters lose what is part of it."""
        return {
            "name": params.pop("name", "test"),
            "nodes": nodes,
            "gpus_per_node": params.pop("gpus_per_node", 8),
            "ntasks": nodes,
            "ntasks_per_node": 1,
            "time_limit": "00:10:00",
            "digest": tmp_path.name[-12:],
            "directives": params.pop("directives", {}),
            "environment": {},
        }

    def look(nodes=2, **params):
        """Return what slurm_job_info finds."""
        wanted = {"allocation": request(nodes, params), "output_dir": str(tmp_path / "out"), **params}
        return slurm_job_info.run(wanted, Context())

    def make(nodes=2, state="running", ctx=None, **params):
        defaults = {key: option.get("default") for key, option in slurm_job.ARGUMENT_SPEC.items()}
        wanted = {
            "allocation": request(nodes, params),
            "state": state,
            "output_dir": str(tmp_path / "out"),
            "config_text": "{}\n",
            "wait_timeout_s": 60.0,
            **params,
        }
        result = slurm_job.run(dict(defaults, **wanted), ctx or Context())
        if result["job"] and result["job"]["id"] not in made:
            made.append(result["job"]["id"])
        return result

    make.look = look
    yield make
    for job_id in made:
        commands.cancel(job_id)
