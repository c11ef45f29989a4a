# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""RL runs: two real Slurm jobs that watch each other, and the sandboxes between them."""

from __future__ import annotations

import os
import re
import time

from cluster import wait_for


def test_a_run_with_real_containers_trains_and_releases_both_jobs(rl):
    settings = rl.settings(
        "good", f"--episodes 3 --seconds 0.2 --until {rl.folder}/enough", "--engine podman --image {container_image}"
    )
    path = rl.file({**settings, **rl.with_podman(), "env_file": str(rl.folder / "good.env"), "required_env": ["TOKEN"]})
    (rl.folder / "good.env").write_text("# a comment\nTOKEN=abc=1\nOTHER=<REPLACE>\nno sign of equality\n")
    first = rl.rl("rl", "-e", f"@{path}")
    assert first.rc == 0 and first.changed == 1, first.text
    wait_for(lambda: list((rl.folder / "checkpoints-good").glob("*")), "the trainer to start")
    other = rl.entry("rl_launch", file=str(path), overrides={"model": "other"})
    assert re.search(r"The training job \d+ of good would have to be new: model", other["error"])
    second = rl.rl("rl", "-e", f"@{path}")
    assert second.rc == 0 and second.changed == 0, second.text
    pair = rl.launch({}, file=str(path))
    assert pair.result["action"] == "keep" and len(rl.jobs()) == 2
    (rl.folder / "enough").touch()
    pair.reach("training", "completed")
    done_at = time.monotonic()
    assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()
    assert time.monotonic() - done_at < 5
    found = pair.seen()
    assert found["episodes"] >= 3
    seen = found["environment"]
    assert (seen["TOKEN"], seen.get("OTHER"), seen["MAX_MODEL_LEN"]) == ("abc=1", None, "32768")
    assert re.fullmatch(r"http://node003\S*:\d+", seen["SANDBOX_REMOTE_RUNTIME_API_URL"])
    key = (pair.folder / "runtime_api_key.txt").read_text().strip()
    assert os.stat(pair.folder).st_mode & 0o777 == 0o700
    holding = [path for path in pair.folder.rglob("*") if path.is_file() and key.encode() in path.read_bytes()]
    assert holding == [pair.folder / "runtime_api_key.txt"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    status = rl.rl("rl_status", "-e", f"rl_skyrl_jobs_base={rl.base}")
    assert str(pair.folder) in status.text and "COMPLETED" in status.text


def test_a_failed_training_is_failed_and_releases_the_runtime_at_once(rl):
    pair = rl.launch(rl.settings("fails", "--episodes 1 --exit 3"))
    assert pair.ended() == {"runtime": "COMPLETED", "training": "FAILED"}
    assert pair.fields("training")["ExitCode"] == "3:0"
    assert pair.record("training")["reason"] == "the trainer ended with exit code 3"
    assert (pair.folder / "training_complete.flag").exists()


def test_a_server_that_dies_ends_training(rl):
    pair = rl.launch(rl.settings("dies", "--episodes 1000 --seconds 1", "--dies-after 4"))
    assert pair.ended() == {"runtime": "FAILED", "training": "FAILED"}
    assert pair.record("runtime")["reason"] == "the server ended with exit code 9"


def test_a_launch_whose_second_job_is_refused_leaves_none(rl):
    doorway = rl.folder / "refusing"
    doorway.mkdir()
    real = rl.run("sh", "-c", "command -v sbatch").strip()
    (doorway / "sbatch").write_text(
        "#!/bin/sh\n# As a site's wrapper: it prints a banner, and has a rule of its own.\n"
        f'case "$*" in *--test-only*) exec {real} "$@";; esac\ncat >{doorway}/script\n'
        f"grep -q -- '-training' {doorway}/script && {{ echo 'sbatch: error: no more GPUs for you' >&2; exit 1; }}\n"
        f'echo "Welcome. 1234 jobs run today."; exec {real} "$@" <{doorway}/script\n'
    )
    (doorway / "sbatch").chmod(0o755)
    path = f"{doorway}:{os.environ['PATH']}"
    result = rl.entry("rl_launch", {"PATH": path}, settings=rl.settings("refused"))
    assert "no more GPUs for you" in result["error"] and "No job of this launch is left" in result["error"]
    assert rl.jobs() == []


def test_a_rehearsal_shows_all_and_writes_nothing(rl):
    base = rl.folder / "untouched"
    result = rl.entry("rl_launch", settings=rl.settings("shown", skyrl_jobs_base=str(base)), check_mode=True)
    text = result["diff"]["after"]
    assert "train_batch_size 2 x rollout_n 2 = 4" in text and text.count("#!/bin/bash") == 2
    assert not base.exists() and rl.jobs() == []


def test_what_slurm_would_refuse_is_said_before_anything_is_submitted(rl):
    result = rl.entry("rl_launch", settings=rl.settings("nowhere", cpu_partition="gone", gpus_per_node=64))
    assert "The runtime job would be refused by Slurm" in result["error"]
    assert "The training job would be refused by Slurm" in result["error"]
    assert "sinfo -p gone" in result["error"] and rl.jobs() == []
