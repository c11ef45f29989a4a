# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""RL runs: two real Slurm jobs that watch each other, and the sandboxes between them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time

import pytest
from cluster import SANDBOX, wait_for
from rl_pairs import HERE, Pairs


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
    settings = rl.settings(
        "good", f"--episodes 3 --seconds 0.2 --until {rl.folder}/enough", "--engine podman --image {container_image}"
    )
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
    assert pair.code("training") == "3:0"
    assert pair.record("training")["reason"] == "the trainer ended with exit code 3"
    assert (pair.folder / "training_complete.flag").exists()


@pytest.mark.slow
def test_a_runtime_that_is_never_ready_ends_both(rl):
    pair = rl.launch(rl.settings("unready", server="--never-well", runtime_start_timeout=3))
    assert pair.ended() == {"runtime": "FAILED", "training": "FAILED"}
    assert "was not healthy in 3 s" in pair.record("runtime")["reason"]
    assert "the runtime has ended" in pair.record("training")["reason"]


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
def test_a_port_that_is_set_and_taken_is_an_error(rl):
    first = rl.launch(rl.settings("first", "--episodes 1000 --seconds 1", runtime_port=8123))
    first.reach("training", "running")
    second = rl.launch(rl.settings("second", runtime_port=8123))
    assert second.ended() == {"runtime": "FAILED", "training": "FAILED"}
    assert "port 8123 is taken on node003" in second.record("runtime")["reason"]
    assert first.state("training") == "RUNNING"


@pytest.mark.slow
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


@pytest.mark.slow
def test_training_on_several_nodes_has_ray_on_each(rl):
    pair = rl.launch(
        rl.settings("nodes", "--episodes 3 --seconds 2", gpu_nodes=2, ray_command=f"python3 {HERE}/ray.py {rl.folder}")
    )
    assert pair.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, pair.outputs()
    head, worker = (json.loads((rl.folder / f"ray-node00{number}.json").read_text()) for number in (1, 2))
    address = pair.seen()["environment"]["RAY_ADDRESS"]
    assert head["arguments"][:2] == ["start", "--head"] and worker["arguments"][:2] == ["start", f"--address={address}"]
    url = pair.seen()["environment"]["SANDBOX_REMOTE_RUNTIME_API_URL"]
    for one in (head, worker):
        assert one["has_key"] and one["SANDBOX_REMOTE_RUNTIME_API_URL"] == url
        assert one["RAY_TMPDIR"].startswith(str(rl.local))


@pytest.mark.slow
def test_an_existing_runtime_is_used_and_a_smoke_run_has_jobs_of_its_own(rl):
    serving = rl.launch(rl.settings("serving"), runtime_only=True)
    serving.reach("runtime", "ready")
    url = (serving.folder / "runtime_url.txt").read_text().strip()
    key = (serving.folder / "runtime_api_key.txt").read_text().strip()
    lost = rl.entry("rl_launch", settings=rl.settings("uses"), runtime_url=f"{url}1")
    assert "/health" in lost["error"]
    training = rl.launch(rl.settings("uses"), runtime_url=url, api_key=key)
    assert training.ended() == {"training": "COMPLETED"}, training.outputs()
    assert serving.state("runtime") == "RUNNING"
    smoke = rl.launch(rl.settings("serving", smoke_command="python3 -c 'import json'"), smoke=True)
    assert smoke.ended() == {"runtime": "COMPLETED", "training": "COMPLETED"}, smoke.outputs()
    assert smoke.name == "serving-smoke"
    stopped = rl.rl("rl_stop", "-e", f"rl_dir={serving.folder}")
    assert stopped.rc == 0 and stopped.changed == 1, stopped.text


@pytest.mark.slow
def test_a_watched_run_fails_with_its_training_and_says_what_helps(rl):
    settings = rl.settings(
        "watched", training_command="sh -c 'echo step 1/2; sleep 3; echo CUDA out of memory; exit 5'"
    )
    played = rl.rl("rl", "-e", f"@{rl.file(settings)}", "-e", "watch=true")
    assert played.rc == 2, played.text
    for text in ("step 1/2", "FAILED (exit code 5:0)", "gpu_memory_utilization", "COMPLETED"):
        assert text in played.text, played.text


@pytest.mark.slow
def test_a_warning_before_the_limit_lets_training_write_a_checkpoint_and_go_on(rl):
    settings = rl.settings("limited", "--episodes 1000 --seconds 1", time_limit="0:02:00", warning_s=30, chain=1)
    pair = rl.launch(settings)
    assert pair.ended(200) == {"runtime": "COMPLETED", "training": "FAILED"}, pair.outputs()
    record = pair.record("training")
    assert (record["state"], record["exit_code"]) == ("timeout", 124) and f"go on in {pair.folder}_r1" in record[
        "reason"
    ]
    assert pair.seen()["warned"] or "checkpoint written on SIGTERM" in str(pair.outputs())
    again = rl.launch(settings)
    assert again.result["action"] == "keep" and str(again.folder) == f"{pair.folder}_r1"
    again.reach("training", "running")
    assert (again.folder / "runtime_api_key.txt").read_text() != (pair.folder / "runtime_api_key.txt").read_text()
    rl.entry("rl_stop", dir=str(again.folder))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("node", "side", "other"), [("node003", "runtime", "training"), ("node001", "training", "runtime")]
)
def test_a_lost_node_ends_the_other_job(rl, node, side, other):
    pair = rl.launch(rl.settings(f"lost-{side}", "--episodes 1000 --seconds 1"))
    pair.reach("training", "running")
    pid = rl.run("cat", f"{rl.dir}/run/slurmd.{node}.pid").strip()
    os.kill(int(pid), signal.SIGKILL)
    rl.run("scontrol", "update", f"NodeName={node}", "State=DOWN", "Reason=lost")
    pair.ended(90)
    assert pair.state(side) == "NODE_FAIL"
    assert pair.state(other) == ("FAILED" if other == "training" else "COMPLETED")
    subprocess.run(
        [SANDBOX, "start", "--nodes", "3", "--cpu-nodes", "1", "--slurmd-timeout-s", "10", "--dir", rl.dir], check=True
    )
