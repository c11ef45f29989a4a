# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A holder on a node that Slurm lost and that came back: its job was requeued and runs elsewhere meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.holder import server
from fake_holder import until

STEP = {"name": "decode_0", "tier": "worker", "digest": "d", "nodes": ["n1"], "log": "logs/x.out",
        "srun_argv": ["srun"], "critical": True}  # fmt: skip


@pytest.mark.parametrize("restarts", [0, 1], ids=["still its own", "requeued elsewhere"])
def test_it_does_not_touch_the_steps_of_the_next_attempt(program, tmp_path, restarts):
    job_id, run_dir = f"9{os.getpid()}", tmp_path / "run"
    program("srun", f"echo $$ > {tmp_path}/srun; exec sleep 60\n")
    program("squeue", f"kill -0 $(cat {tmp_path}/srun) && echo '{job_id}.3|decode_0'; true\n")
    program("scancel", f"touch {tmp_path}/scancel; kill $(cat {tmp_path}/srun)\n")
    program("scontrol", f"[ $1 = requeue ] && exit 1; echo JobState=RUNNING Restarts={restarts}\n")
    (run_dir / ".secrets").mkdir(parents=True)
    (run_dir / ".secrets" / "env.json").write_text("{}")
    (run_dir / "programs" / "holder").mkdir(parents=True)
    for name, text in driver.holder_files().items():
        (run_dir / name).write_text(text.replace("ROLLUP_S = (30.0, 15.0)", "ROLLUP_S = (0.0, 0.0)"))
    play = {"argv": ["sleep", "60"], "env": {}, "cwd": str(tmp_path), "log": str(tmp_path / "log"), "keep": False}
    (run_dir / "play.json").write_text(json.dumps(dict(play, retries=1)))
    process = subprocess.Popen(
        [sys.executable, str(run_dir / "programs" / "holder"), "serve", "--run-dir", str(run_dir), "--play"],
        env=dict(os.environ, SLURM_JOB_ID=job_id, SLURM_RESTART_COUNT="0"),
    )
    try:
        path = server.socket_path(job_id, str(run_dir))
        until(lambda: os.path.exists(path))
        asked = {"v": 1, "op": "start", "renew": True, "steps": [STEP]}
        answer = json.loads(server.exchange(path, json.dumps(asked), 20))
        assert answer["ok"], answer
        status = json.dumps({"v": 1, "op": "status"})
        until(lambda: json.loads(server.exchange(path, status, 20))["steps"][0]["step_id"] == f"{job_id}.3")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 1
    finally:
        process.kill()
        process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.kill(int((tmp_path / "srun").read_text()), signal.SIGKILL)
    told = pathlib.Path(play["log"]).read_text()
    assert (tmp_path / "scancel").exists() is (restarts == 0)
    assert (run_dir / ".secrets").exists() is (restarts == 1)
    assert ("The job is requeued: attempt 2 of 2 starts when it gets nodes." in told) is (restarts == 1)
