# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A watched run: a line for each change, until all jobs have ended, also those of the pairs that go on."""

from __future__ import annotations

import os

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.rl import look
from ansible_collections.srt.slurm.plugins.module_utils.stages import rl_launch


class Shown:
    """What a person sees."""

    def __init__(self):
        self.lines = []
        self.show = self.lines.append

    def controller_alive(self):
        return True


def state(folder, runtime, training, following="", progress=""):
    jobs = {}
    for side, (slurm, said) in {"runtime": runtime, "training": training}.items():
        jobs[side] = {"job_id": "1", "slurm": slurm, "detail": "", "state": said, "reason": "", "remedies": [],
                      "tail": {"out": [progress]} if side == "training" else {}}  # fmt: skip
    return {"name": "x", "dir": folder, "jobs": jobs, "runtime_url": "http://n:1", "ready": True, "next": following}


@pytest.fixture
def watch(monkeypatch):
    """Watch a run whose states are given."""
    monkeypatch.setattr(rl_launch, "WATCH_S", 0)

    def watched(*states):
        looks, asked = iter(states), []
        monkeypatch.setattr(rl_launch.look, "look", lambda folder, lines: asked.append(folder) or next(looks))
        shown = Shown()
        return rl_launch._watch("/a", shown), shown.lines, asked

    return watched


RUNS, DONE = ("RUNNING", "running"), ("COMPLETED", "completed")


def test_each_change_of_either_job_and_the_progress_are_shown_once(watch):
    found, lines, _asked = watch(
        state("/a", ("RUNNING", "ready"), ("PENDING", "")),
        state("/a", ("RUNNING", "ready"), RUNS, progress="step 1/2"),
        state("/a", ("RUNNING", "ready"), RUNS, progress="step 1/2"),
        state("/a", ("RUNNING", "ready"), DONE, progress="step 2/2"),
        state("/a", DONE, DONE, progress="step 2/2"),
    )
    assert lines == [
        "runtime: job 1 is RUNNING, ready", "training: job 1 is PENDING", "address: http://n:1",
        "training: job 1 is RUNNING, running", "step 1/2", "training: job 1 is COMPLETED, completed", "step 2/2",
        "runtime: job 1 is COMPLETED, completed",
    ]  # fmt: skip
    assert found["jobs"]["training"]["slurm"] == "COMPLETED"


def test_a_chain_is_followed_to_its_last_pair(watch):
    ended = ("FAILED", "timeout")
    found, lines, asked = watch(
        state("/a", RUNS, ended, following="/a_r1"),
        state("/a", DONE, ended, following="/a_r1"),
        state("/a_r1", ("PENDING", ""), ("PENDING", "")),
        state("/a_r1", DONE, DONE),
    )
    assert asked == ["/a", "/a", "/a_r1", "/a_r1"] and found["dir"] == "/a_r1"
    assert "next: training goes on in /a_r1" in lines


def test_slurm_that_does_not_answer_ends_no_watch_and_a_job_that_it_forgot_counts_by_its_own_word(watch):
    watch(
        state("/a", ("unknown", "ready"), ("unknown", "running")),
        state("/a", ("", "completed"), ("", "completed")),
    )
    with pytest.raises(Error, match="training: job 1 is gone, failed"):
        watch(state("/a", DONE, ("", "failed")))


def test_recent_runs_come_newest_first_and_a_pair_that_goes_on_is_newer_than_its_name(tmp_path):
    names = ["20260101_100000_a", "20260101_110000_b", "20260101_100000_a_r1", "20260101_090000_c"]
    for number, name in enumerate(names):
        (tmp_path / name).mkdir()
        (tmp_path / name / look.CONFIG).write_text("{}")
        os.utime(tmp_path / name / look.CONFIG, (number if name[-1] != "c" else -1,) * 2)
    (tmp_path / "20260101_120000_no_run").mkdir()
    newest = ["20260101_100000_a_r1", "20260101_110000_b", "20260101_100000_a", "20260101_090000_c"]
    assert look.recent(str(tmp_path)) == [str(tmp_path / name) for name in newest]
    assert look.recent(str(tmp_path / "nowhere")) == []
    with pytest.raises(Error, match="no coordination directory of a run called x"):
        look.chosen(str(tmp_path), "x", "")
