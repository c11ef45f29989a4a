# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""RL runs: two real Slurm jobs that watch each other, and the sandboxes between them."""

from __future__ import annotations

import json
import os
import re
import time

import pytest
from cluster import wait_for
from rl_pairs import Pairs


@pytest.fixture(scope="module")
def rl(tmp_path_factory):
    made = Pairs(tmp_path_factory.mktemp("rl"))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def nothing_is_left(rl):
    """After each test no job is left, and nothing of a job on its node."""
    yield
    for job_id in rl.jobs():
        rl.run("scancel", job_id, check=False)
    wait_for(lambda: not rl.jobs(), "the queue to be empty")
    wait_for(lambda: not list(rl.local.iterdir()), lambda: f"nothing to be left: {list(rl.local.iterdir())}", 30)


def test_a_run_with_real_containers_trains_and_releases_both_jobs(rl):
    settings = rl.settings("good", "--episodes 3 --seconds 6", "--engine podman --image {container_image}")
    path = rl.file({**settings, **rl.with_podman(), "env_file": str(rl.folder / "good.env"), "required_env": ["TOKEN"]})
    (rl.folder / "good.env").write_text("# a comment\nTOKEN=abc=1\nOTHER=<REPLACE>\nno sign of equality\n")
    first = rl.rl("rl", "-e", f"@{path}")
    assert first.rc == 0 and first.changed == 1, first.text
    wait_for(lambda: list((rl.folder / "checkpoints-good").glob("*")), "the trainer to start")
    second = rl.rl("rl", "-e", f"@{path}")
    assert second.rc == 0 and second.changed == 0, second.text
    other = rl.rl("rl", "-e", f"@{path}", "-e", "rl_model=other")
    assert other.rc == 2 and re.search(r"The training job \d+ of good would have to be new: model", other.text), (
        other.text
    )
    pair = rl.launch(json.loads(json.dumps({**settings, **rl.with_podman(), "env_file": str(rl.folder / "good.env"),
                                            "required_env": ["TOKEN"]})))  # fmt: skip
    assert pair.result["action"] == "keep" and len(rl.jobs()) == 2
    pair.reach("training", "completed")
    done_at = time.monotonic()
    assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()
    assert time.monotonic() - done_at < 5
    found = pair.seen()
    assert found["episodes"] == 3
    seen = found["environment"]
    assert (seen["TOKEN"], seen.get("OTHER"), seen["MAX_MODEL_LEN"]) == ("abc=1", None, "32768")
    assert re.fullmatch(r"http://node003\S*:\d+", seen["SANDBOX_REMOTE_RUNTIME_API_URL"])
    key = (pair.folder / "runtime_api_key.txt").read_text().strip()
    assert os.stat(pair.folder).st_mode & 0o777 == 0o700
    holding = [path for path in pair.folder.rglob("*") if path.is_file() and key in path.read_text()]
    assert holding == [pair.folder / "runtime_api_key.txt"]
    assert holding[0].stat().st_mode & 0o777 == 0o600
    status = rl.rl("rl_status", "-e", f"rl_skyrl_jobs_base={rl.base}")
    assert str(pair.folder) in status.text and "COMPLETED" in status.text


def test_a_failed_training_is_failed_and_releases_the_runtime_at_once(rl):
    pair = rl.launch(rl.settings("fails", "--episodes 1 --exit 3"))
    assert pair.ended() == {"runtime": "COMPLETED", "training": "FAILED"}
    assert pair.code("training") == "3:0"
    assert pair.record("training")["reason"] == "the trainer ended with exit code 3"
    assert (pair.folder / "training_complete.flag").exists()


def test_a_runtime_that_is_never_ready_ends_both(rl):
    pair = rl.launch(rl.settings("unready", server="--never-well", runtime_start_timeout=3))
    assert pair.ended() == {"runtime": "FAILED", "training": "FAILED"}
    assert "was not healthy in 3 s" in pair.record("runtime")["reason"]
    assert "the runtime has ended" in pair.record("training")["reason"]


def test_training_waits_a_bounded_time_for_the_runtime(rl):
    pair = rl.launch(rl.settings("late", server="--never-well", runtime_ready_timeout=2))
    assert pair.ended(30) == {"runtime": "COMPLETED", "training": "FAILED"}
    assert "the runtime was not ready in 2 s" in pair.record("training")["reason"]


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
    result = rl.entry("rl_launch", path=str(doorway), settings=rl.settings("refused"))
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


def test_two_runs_share_a_node(rl):
    """Each has its own port, and neither touches the containers of the other."""
    podman = rl.with_podman(local_dir=str(rl.local))
    server = "--engine podman --image {container_image}"
    long = rl.launch({**rl.settings("long", "--episodes 1000 --seconds 1", server), **podman})
    short = rl.launch({**rl.settings("short", "--episodes 2", server), **podman})
    long.reach("training", "running")
    assert short.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, short.outputs()
    before = long.seen()["episodes"]
    wait_for(lambda: long.seen()["episodes"] > before + 1, lambda: f"more episodes: {long.outputs()}")
    urls = [(pair.folder / "runtime_url.txt").read_text().strip() for pair in (long, short)]
    assert len(set(urls)) == 2
    stopped = rl.entry("rl_stop", dir=str(long.folder))
    assert set(stopped["ended"]) == {"runtime", "training"}
    assert long.ended() == {"runtime": "CANCELLED", "training": "CANCELLED"}


def test_a_port_that_is_set_and_taken_is_an_error(rl):
    first = rl.launch(rl.settings("first", "--episodes 1000 --seconds 1", runtime_port=8123))
    first.reach("training", "running")
    second = rl.launch(rl.settings("second", runtime_port=8123))
    assert second.ended() == {"runtime": "FAILED", "training": "FAILED"}
    assert "port 8123 is taken on node003" in second.record("runtime")["reason"]
    assert first.state("training") == "RUNNING"


@pytest.mark.parametrize(
    ("side", "how", "states"),
    [
        ("training", "scancel", {"runtime": "COMPLETED", "training": "CANCELLED"}),
        ("runtime", "scancel", {"runtime": "CANCELLED", "training": "FAILED"}),
        ("training", "kill", {"runtime": "COMPLETED", "training": "FAILED"}),
        ("runtime", "kill", {"runtime": "FAILED", "training": "FAILED"}),
    ],
)
@pytest.mark.parametrize("moment", ["before", "training"])
def test_the_end_of_one_job_ends_the_other(rl, side, how, states, moment):
    server = "--engine podman --image {container_image}" + (" --never-well" if moment == "before" else "")
    pair = rl.launch(
        {**rl.settings(f"{side}-{how}-{moment}", "--episodes 1000 --seconds 1", server), **rl.with_podman()}
    )
    pair.reach("training", "waiting" if moment == "before" else "running")
    began = time.monotonic()
    pair.kill(side) if how == "kill" else pair.cancel(side)
    assert pair.ended() == states, pair.outputs()
    assert time.monotonic() - began < 20
