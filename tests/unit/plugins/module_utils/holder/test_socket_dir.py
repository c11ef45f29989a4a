# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One holder for one adopted allocation and run directory, however many are started."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.holder import server, socket_dir
from fake_holder import until

TIME = "2026-11-22T12:00:00"
STEP = {"name": "nats", "tier": "head_infra", "digest": "d", "nodes": ["n1"], "log": "logs/x.out",
        "srun_argv": ["srun"]}  # fmt: skip


class Holders:
    """Holders of one run directory."""

    def __init__(self, folder):
        self.job_id, self.run_dir, self.started = f"8{os.getpid()}", folder / "run", []
        (self.run_dir / ".secrets").mkdir(parents=True)
        (self.run_dir / "programs" / "holder").mkdir(parents=True)
        for name, text in driver.holder_files().items():
            (self.run_dir / name).write_text(text)
        self.path = server.socket_path(self.job_id, str(self.run_dir))

    def start(self, *words):
        argv = [
            sys.executable,
            str(self.run_dir / "programs" / "holder"),
            "serve",
            "--run-dir",
            str(self.run_dir),
            *words,
        ]
        env = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        self.started.append(subprocess.Popen(argv, env=dict(env, SLURM_JOB_ID=self.job_id)))
        return self.started[-1]

    def ask(self, op, **fields):
        """Return the answer to a request, None if there is no answer."""
        try:
            return json.loads(socket_dir.exchange(self.path, json.dumps(dict({"v": 1, "op": op}, **fields)), 20))
        except (OSError, ValueError):
            return None

    def begun(self):
        """Return how many holders wrote that they begin."""
        text = (self.run_dir / "steps.jsonl").read_text() if (self.run_dir / "steps.jsonl").exists() else ""
        return text.count('"phase": "begin"')


@pytest.fixture
def holders(tmp_path, program):
    """Holders whose Slurm has steps that run for ever."""
    program("srun", f"echo $$ > {tmp_path}/srun; exec sleep 600\n")
    for name in ("squeue", "scancel", "scontrol"):
        program(name, "")
    made = Holders(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
    if (tmp_path / "srun").exists():
        os.kill(int((tmp_path / "srun").read_text()), signal.SIGKILL)
    for path in (made.path, server.socket_path(made.job_id, f"/{TIME}")):
        socket_dir.shutil.rmtree(os.path.dirname(path), ignore_errors=True)


def test_a_second_holder_leaves_everything_to_the_first(holders):
    first = holders.start("--adopted", TIME)
    until(lambda: holders.ask("status"))
    second = holders.start("--adopted", TIME, "--lease", "0.1")
    assert second.wait(timeout=20) == 0
    assert holders.begun() == 1
    assert holders.ask("status")["ok"]
    assert (holders.run_dir / ".secrets").exists()
    holders.ask("end")
    assert first.wait(timeout=20) == 0
    assert not os.path.exists(os.path.dirname(holders.path))
    assert not (holders.run_dir / ".secrets").exists()


def test_of_holders_that_begin_together_one_serves(holders):
    for _turn in range(4):
        holders.start("--adopted", TIME)
    until(lambda: sum(one.poll() is not None for one in holders.started) == 3)
    until(lambda: holders.ask("status"))
    assert sorted(str(one.poll()) for one in holders.started) == ["0", "0", "0", "None"]
    assert holders.begun() == 1


def test_a_holder_of_another_run_directory_leaves_the_job_alone(holders, tmp_path):
    first = holders.start("--adopted", TIME)
    until(lambda: holders.ask("status"))
    other = Holders(tmp_path / "other")
    holders.started.append(other.start("--adopted", TIME))
    assert holders.started[-1].wait(timeout=20) == socket_dir.GAVE_WAY
    assert other.begun() == 0
    assert not os.path.exists(os.path.dirname(other.path))
    assert holders.ask("end")["ok"]
    assert first.wait(timeout=20) == 0
    holders.started.append(other.start("--adopted", TIME))
    until(lambda: other.ask("status"))
    other.ask("end")
    assert holders.started[-1].wait(timeout=20) == 0
    assert not os.path.exists(os.path.dirname(server.socket_path(holders.job_id, f"/{TIME}")))


def test_a_holder_follows_one_that_was_killed_though_its_steps_live(holders, tmp_path):
    first = holders.start("--adopted", TIME)
    until(lambda: holders.ask("status"))
    holders.ask("start", steps=[STEP])
    until((tmp_path / "srun").exists)
    first.kill()
    first.wait()
    assert os.path.exists(holders.path)
    holders.start("--adopted", TIME)
    until(lambda: holders.ask("status"))
    assert holders.begun() == 2


def test_the_batch_script_of_a_requeued_job_takes_over_the_socket(holders):
    first = holders.start()
    until(lambda: holders.ask("status"))
    second = holders.start()
    until(lambda: holders.begun() == 2)
    until(lambda: holders.ask("status"))
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=20) == 1
    assert second.poll() is None
    assert holders.ask("status")["ok"]  # the first took only its own folder along


def test_a_folder_that_goes_while_it_is_taken_is_made_again(tmp_path, monkeypatch):
    directory, lock, turns = socket_dir.SocketDir(str(tmp_path / "srt" / "socket")), fcntl.flock, []

    def flock(number, how):
        if not turns:
            (tmp_path / "srt").rmdir()  # its holder left between open and flock
        turns.append(number)
        lock(number, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert directory.acquire(True)
    assert len(turns) == 2
    assert not socket_dir.SocketDir(directory.path).acquire(True)
    directory.release()
    assert list(tmp_path.iterdir()) == []
    os.close(directory.lock)


def test_a_folder_of_another_user_is_left_alone(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "srt").symlink_to(tmp_path / "real")
    with pytest.raises(SystemExit, match="belongs to another user"):
        socket_dir.SocketDir(str(tmp_path / "srt" / "socket")).acquire(True)
    assert (tmp_path / "real").exists()
