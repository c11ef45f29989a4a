# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
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


class Guests:
    """Holders of one run directory."""

    def __init__(self, folder):
        self.job_id, self.run_dir, self.started = f"8{os.getpid()}", folder / "run", []
        (self.run_dir / ".secrets").mkdir(parents=True)
        (self.run_dir / "holder").mkdir()
        for name, text in driver.holder_files().items():
            (self.run_dir / name).write_text(text)
        self.path = server.socket_path(self.job_id, str(self.run_dir))

    def start(self, *words):
        argv = [sys.executable, str(self.run_dir / "holder"), "serve", "--run-dir", str(self.run_dir), *words]
        env = {key: value for key, value in os.environ.items() if not key.startswith("SLURM_")}
        self.started.append(subprocess.Popen(argv, env=dict(env, SLURM_JOB_ID=self.job_id)))
        return self.started[-1]

    def ask(self, op, **fields):
        """Return the answer to a request, None if nobody answers."""
        try:
            return json.loads(socket_dir.ask(self.path, json.dumps(dict({"v": 1, "op": op}, **fields)), 20))
        except (OSError, ValueError):
            return None

    def begun(self):
        """Return how many holders wrote that they begin."""
        text = (self.run_dir / "steps.jsonl").read_text() if (self.run_dir / "steps.jsonl").exists() else ""
        return text.count('"reason": "begin"')


@pytest.fixture
def guests(tmp_path, program):
    """Holders whose Slurm has steps that run for ever."""
    program("srun", f"echo $$ > {tmp_path}/srun; exec sleep 600\n")
    for name in ("squeue", "scancel", "scontrol"):
        program(name, "")
    made = Guests(tmp_path)
    yield made
    for process in made.started:
        process.kill()
        process.wait()
    if (tmp_path / "srun").exists():
        os.kill(int((tmp_path / "srun").read_text()), signal.SIGKILL)
    for path in (made.path, server.socket_path(made.job_id, f"/{TIME}")):
        socket_dir.shutil.rmtree(os.path.dirname(path), ignore_errors=True)


def test_a_second_guest_leaves_everything_to_the_first(guests):
    first = guests.start("--guest", TIME)
    until(lambda: guests.ask("status"))
    second = guests.start("--guest", TIME, "--lease", "0.1")
    assert second.wait(timeout=20) == 0
    assert guests.begun() == 1
    assert guests.ask("status")["ok"]
    assert (guests.run_dir / ".secrets").exists()
    guests.ask("end")
    assert first.wait(timeout=20) == 0
    assert not os.path.exists(os.path.dirname(guests.path))
    assert not (guests.run_dir / ".secrets").exists()


def test_of_guests_that_begin_together_one_serves(guests):
    for _turn in range(4):
        guests.start("--guest", TIME)
    until(lambda: sum(one.poll() is not None for one in guests.started) == 3)
    until(lambda: guests.ask("status"))
    assert sorted(str(one.poll()) for one in guests.started) == ["0", "0", "0", "None"]
    assert guests.begun() == 1


def test_a_guest_of_another_run_directory_leaves_the_job_alone(guests, tmp_path):
    first = guests.start("--guest", TIME)
    until(lambda: guests.ask("status"))
    other = Guests(tmp_path / "other")
    guests.started.append(other.start("--guest", TIME))
    assert guests.started[-1].wait(timeout=20) == socket_dir.GAVE_WAY
    assert other.begun() == 0
    assert not os.path.exists(os.path.dirname(other.path))
    assert guests.ask("end")["ok"]
    assert first.wait(timeout=20) == 0
    guests.started.append(other.start("--guest", TIME))
    until(lambda: other.ask("status"))
    other.ask("end")
    assert guests.started[-1].wait(timeout=20) == 0
    assert not os.path.exists(os.path.dirname(server.socket_path(guests.job_id, f"/{TIME}")))


def test_a_guest_follows_one_that_was_killed_though_its_steps_live(guests, tmp_path):
    first = guests.start("--guest", TIME)
    until(lambda: guests.ask("status"))
    guests.ask("start", steps=[STEP])
    until((tmp_path / "srun").exists)
    first.kill()
    first.wait()
    assert os.path.exists(guests.path)
    guests.start("--guest", TIME)
    until(lambda: guests.ask("status"))
    assert guests.begun() == 2


def test_the_batch_script_of_a_job_that_begins_again_takes_the_place(guests):
    first = guests.start()
    until(lambda: guests.ask("status"))
    second = guests.start()
    until(lambda: guests.begun() == 2)
    until(lambda: guests.ask("status"))
    first.send_signal(signal.SIGTERM)
    assert first.wait(timeout=20) == 1
    assert second.poll() is None
    assert guests.ask("status")["ok"]  # the first took only its own folder along


def test_a_folder_that_goes_while_it_is_taken_is_made_anew(tmp_path, monkeypatch):
    place, lock, turns = socket_dir.Place(str(tmp_path / "srt" / "socket")), fcntl.flock, []

    def flock(number, how):
        if not turns:
            (tmp_path / "srt").rmdir()  # its holder left between open and flock
        turns.append(number)
        lock(number, how)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert place.take(True)
    assert len(turns) == 2
    assert not socket_dir.Place(place.path).take(True)
    place.leave()
    assert list(tmp_path.iterdir()) == []
    os.close(place.lock)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "srt").symlink_to(tmp_path / "real")
    with pytest.raises(SystemExit, match="belongs to somebody else"):
        socket_dir.Place(str(tmp_path / "srt" / "socket")).take(True)
    assert (tmp_path / "real").exists()
