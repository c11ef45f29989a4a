# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a holder when something else breaks meanwhile: no secret and no socket stays behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.holder import server


@pytest.mark.parametrize("broken", ["its output", "its own end"])
def test_it_leaves_neither_secrets_nor_its_socket_directory(program, tmp_path, broken):
    """/dev/full is a disk without space: nothing can be written there."""
    for name in ("squeue", "scancel", "scontrol"):
        program(name, "")
    job_id, run_dir = f"7{os.getpid()}", tmp_path / "run"
    (run_dir / ".secrets").mkdir(parents=True)
    (run_dir / ".secrets" / "env.json").write_text("{}")
    (run_dir / "programs" / "holder").mkdir(parents=True)
    for name, text in driver.holder_files().items():
        if broken == "its own end":
            text = text.replace(
                "def finish(self) -> None:\n", "def finish(self) -> None:\n        raise KeyError('a bug')\n"
            )
        (run_dir / name).write_text(text)
    output = "/dev/full" if broken == "its output" else "/dev/null"
    with open(output, "w", encoding="utf-8") as stream:
        done = subprocess.run(
            [sys.executable, str(run_dir / "programs/holder"), "serve", "--run-dir", str(run_dir), "--lease", "0.2"],
            env=dict(os.environ, SLURM_JOB_ID=job_id), stdout=stream, stderr=subprocess.PIPE, text=True, timeout=60,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1  # nobody renewed its lease
    assert ("Traceback" in done.stderr) is (broken == "its own end")
    assert ('"phase": "ended"' in (run_dir / "steps.jsonl").read_text()) is (broken == "its output")
    assert not (run_dir / ".secrets").exists()
    assert not os.path.exists(os.path.dirname(server.socket_path(job_id, str(run_dir))))
