# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a holder that hang: one more try, deadlines that fit, and no socket where it is not wanted."""

from __future__ import annotations

import socket
import types

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import driver
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.holder import socket_dir
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

ANSWER = '{"ok": true}'


@pytest.fixture
def clock(monkeypatch):
    """A clock that only moves when something hangs or sleeps."""
    made = types.SimpleNamespace(now=0.0)
    monkeypatch.setattr(driver.time, "monotonic", lambda: made.now)
    monkeypatch.setattr(driver.time, "sleep", lambda seconds: setattr(made, "now", made.now + seconds))
    return made


@pytest.fixture
def srun(clock, monkeypatch):
    """What srun does, one word a call: hang or refuse; it answers when no word is left. ``deadlines`` of the calls."""
    made = types.SimpleNamespace(does=[], deadlines=[])

    def run(argv, timeout_s, **_options):
        made.deadlines.append(timeout_s)
        what = made.does.pop(0) if made.does else "answer"
        if what == "hang":
            clock.now += timeout_s
            raise commands.NoAnswer(f"srun did not answer in {timeout_s:g} s.")
        good = what == "answer"
        return types.SimpleNamespace(returncode=int(not good), stdout=ANSWER if good else "", stderr="no")

    monkeypatch.setattr(commands, "run", run)
    monkeypatch.setattr(commands, "jobs", lambda **options: [{"id": "42", "state": "RUNNING"}])
    return made


def talk(**options):
    """Return a driver that has no socket to use."""
    return driver.connect("42", "/run", "n1", direct=False, **options)


@pytest.mark.parametrize("patience_s", [3.0, 60.0])
@pytest.mark.parametrize("op", ["status", "start", "stop", "end"])
def test_a_request_that_hangs_once_is_made_again(srun, op, patience_s):
    srun.does = ["hang"]
    fields = {"steps": [{"stop_grace_s": 45}], "wait_s": 20} if op == "start" else {}
    assert talk(patience_s=patience_s).request(op, **fields)["ok"]
    assert len(srun.deadlines) == 2


def test_what_hangs_again_and_again_is_given_up(srun):
    srun.does = ["hang"] * 9
    with pytest.raises(commands.NoAnswer, match="srun did not answer in 40 s"):
        talk(patience_s=3.0).request("status")
    assert len(srun.deadlines) == 2


def test_without_patience_there_is_one_try(srun):
    srun.does = ["hang"]
    with pytest.raises(commands.NoAnswer):
        talk(patience_s=0.0).request("status", timeout_s=15.0)
    assert srun.deadlines == [25.0]


def test_a_start_waits_for_the_graces_of_its_steps_and_no_longer(srun):
    steps = [{"stop_grace_s": 45}, {"stop_grace_s": None}]
    talk().request("start", steps=steps, wait_s=20)
    talk().request("start", steps=[{}], wait_s=20)
    assert srun.deadlines == [20 + 45 + 10 + 30 + 10, 20 + 10 + 10 + 30 + 10]


def test_a_socket_that_is_silent_once_is_asked_again(srun, clock, monkeypatch, tmp_path):
    asked = []

    def exchange(path, text, timeout_s):
        asked.append(path)
        if len(asked) == 1:
            clock.now += timeout_s
            raise socket.timeout("timed out")
        return ANSWER

    monkeypatch.setattr(socket_dir, "socket_path", lambda job_id, run_dir: str(tmp_path))
    monkeypatch.setattr(socket_dir, "exchange", exchange)
    assert driver.connect("42", "/run", "n1", patience_s=3.0).request("status")["ok"]
    assert len(asked) == 2
    assert srun.deadlines == []
    monkeypatch.setenv("SRT_SLURM_TRANSPORT", "srun")
    assert driver.connect("42", "/run", "n1").request("status")["ok"]
    assert (len(asked), len(srun.deadlines)) == (2, 1)


def test_a_stage_names_at_once_what_helps_when_an_adopted_job_lost_its_holder(srun, clock, monkeypatch):
    found = {"id": "42", "state": "RUNNING", "comment": ""}
    monkeypatch.setattr(commands, "jobs", lambda **options: [found])
    steps = ["prefill_0"]
    monkeypatch.setattr(commands, "step_names", lambda job_id: steps)
    plan = {"job_id": "42", "run_dir": "/run", "nodes": [{"name": "n1"}]}
    stage, began = driver.connect_plan(plan, Context()), clock.now
    stage.direct = False
    srun.does = ["refuse"] * 999
    with pytest.raises(
        driver.HolderGone, match="no longer has a holder.*without --tags, or include its stage allocation"
    ):
        stage.request("status")
    assert clock.now == began
    ours = {"comment": "srt.slurm:abc"}
    for change in (lambda: steps.append(driver.HOLDER_STEP), lambda: found.update(ours), steps.clear):
        change()
        with pytest.raises(driver.HolderGone, match="cannot be reached: no"):
            stage.request("status")
    assert clock.now > began + 150
