# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a sweep runs the playbooks of its jobs: which, in what order, with what, and what it says of them."""

from __future__ import annotations

import fcntl
import json
import os
import re
import threading

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.plugin_utils import sweep as module
from ansible_collections.srt.slurm.plugins.plugin_utils.sweep import Sweep

MEASURED = "  bench_run: c=4 measured, valid: out 812.1 tok/s, TTFT mean 16.0 ms, 40 completed"
FATAL = "fatal: [localhost]: FAILED! => decode_0 exited with code 1."


class Playbooks:
    """What jobs do: ``said[name]`` are the lines and the exit code of each run of a job, one after the other.

    :ivar runs: (job, extra vars) of each run.
    :ivar most: how many ran at once.
    """

    def __init__(self):
        self.said, self.runs, self.now, self.most, self.lock = {}, [], 0, 0, threading.Lock()
        self.barrier = None

    def play(self, _playbook, extra, show, _note):
        given = json.loads(extra[0])
        with open(given["srt_slurm_frozen"], encoding="utf-8") as stream:
            (job,) = json.load(stream)["jobs"]
        with self.lock:
            self.runs.append((job["name"], {**given, "allocation": job["allocation"]}))
            self.now += 1
            self.most = max(self.most, self.now)
        if self.barrier:
            self.barrier.wait(20)
        *lines, rc = self.said.get(job["name"], [[MEASURED, 0]]).pop(0)
        for line in lines:
            show(line)
        with self.lock:
            self.now -= 1
        return rc


class Slurm:
    """The job of a group: ``up`` says in turn whether it is there after a job; then it always is."""

    def __init__(self):
        self.up, self.ended = [], []

    def find(self, _request):
        return "7" if not self.up or self.up.pop(0) else None

    def end(self, job_id):
        self.ended.append(job_id)


@pytest.fixture
def world(tmp_path, monkeypatch):
    """Playbooks, Slurm, what was shown, and ``run(groups, **params)``, which returns how the jobs ended."""
    monkeypatch.setattr(module.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(module, "LOOK_S", 0.01)
    monkeypatch.setattr(module, "ENDING_S", 0.1)
    playbooks, slurm, shown = Playbooks(), Slurm(), []
    monkeypatch.setattr(module, "play", playbooks.play)
    folder = tmp_path / "sweeps" / "s"

    def record(groups, known=()):
        names = [name for group in groups for service in group for name in service]
        rest = {"labels": ["c=4"], "candidates": ["c=4", "c=9"], "rows": [{"label": "c=4", "state": "not_measured"}]}
        rest = json.dumps(rest)
        jobs = [
            {"name": name, "known": ["c=4"] if name in known else [], "run_dir": f"/v/{name}", **json.loads(rest)}
            for name in names
        ]
        made = [{"name": f"s.sweep{number}", "request": {"name": "r", "number": number}, "nodes": 2, "gpus": 16,
                 "services": group} for number, group in enumerate(groups)]  # fmt: skip
        return {"jobs": jobs, "groups": made, "folder": str(folder), "output_dir": str(tmp_path)}

    def run(*groups, known=(), shares=True, verbose=False, **params):
        first = record(groups, known)
        jobs = [{"name": job["name"], "allocation": {}} for job in first["jobs"]]
        given = {
            "jobs": jobs,
            "origins": [{}] * len(jobs),
            "playbook": "bench.yml",
            "secrets_path": None,
            "lease_s": 120.0,
        }
        given.update({"max_parallel": 1, "stop_on_failure": False, "keep": False, "job_id": None, "only": [], **params})
        sweep = Sweep(given, lambda runs: first, slurm, shown.append, True, shares, verbose)
        sweep.run(first)
        return {name: (one["rc"], one["failure"]) for name, one in sweep.runs.items()}

    world = type("World", (), {"run": staticmethod(run), "folder": folder})
    world.playbooks, world.slurm, world.shown = playbooks, slurm, shown
    return world


def order(world):
    return [name for name, _given in world.playbooks.runs]


def test_the_jobs_of_a_group_run_in_its_order_and_its_allocation_stays_up_until_all_are_done(world):
    assert world.run([["a", "c"], ["b"]]) == dict.fromkeys("acb", (0, None))
    assert order(world) == ["a", "c", "b"]
    for name, given in world.playbooks.runs:
        assert (given["keep"], given["lease_s"], given["srt_slurm_variant_dir"]) == (True, 120.0, f"/v/{name}")
        assert given["allocation"] == {"name": "r", "number": 0}
    assert world.slurm.ended == ["7"]


def test_a_job_alone_in_its_group_ends_its_allocation_itself(world):
    world.run([["a"]])
    assert "keep" not in world.playbooks.runs[0][1] and world.slurm.ended == []


@pytest.mark.parametrize("params", [{"keep": True}, {"shares": False}])
def test_a_service_that_is_to_stay_up_is_not_ended_nor_one_of_chosen_stages(world, params):
    world.run([["a", "b"]], **params)
    assert world.slurm.ended == []
    assert ("keep" in world.playbooks.runs[0][1]) == ("keep" in params)


def test_one_line_for_each_point_and_the_rest_in_the_log(world):
    world.playbooks.said = {"a": [["TASK [Workers]", "  slurm_job: job 7 is PENDING (Resources)", MEASURED, 0]]}
    world.run([["a", "b"]])
    assert "  s.sweep0: job 7 is PENDING (Resources)" in world.shown
    assert [line for line in world.shown if "c=4" in line][0].startswith("  [1/2] a c=4  out 812.1 tok/s  about ")
    assert not any("TASK" in line for line in world.shown)
    assert "TASK [Workers]\n" in (world.folder / "logs" / "a.log").read_text()


def test_verbose_shows_everything(world):
    world.playbooks.said = {"a": [["TASK [Workers]", MEASURED, 0]]}
    world.run([["a", "b"]], verbose=True)
    assert "TASK [Workers]" in world.shown


def test_a_point_that_was_valid_before_has_no_line_and_counts_as_done(world):
    kept = "  bench_run: c=4 taken over from job 3, measured 2026-11-21, valid: out 1.0 tok/s"
    world.playbooks.said = {"a": [[kept, 0]]}
    world.run([["a", "b"]], known=("a",))
    (line,) = [line for line in world.shown if "c=4" in line]
    assert line.startswith("  [2/2] b c=4  out 812.1 tok/s")


def test_a_point_of_a_search_that_was_not_foreseen_is_one_more(world):
    world.playbooks.said = {"a": [[MEASURED, MEASURED.replace("c=4", "c=9"), 0]]}
    world.run([["a"]])
    assert [line[:13] for line in world.shown if "tok/s" in line] == ["  [1/1] a c=4", "  [2/2] a c=9"]


def test_a_point_that_is_not_valid_says_why(world):
    wrong = "  bench_run: c=4 measured, NOT valid: 3 of 40 requests failed; HTTP 500"
    world.playbooks.said = {"a": [[wrong, 2]]}
    world.run([["a", "b"]])
    assert any(re.match(r"  \[1/2\] a c=4  NOT valid: 3 of 40 requests failed; HTTP 500", line) for line in world.shown)


def test_a_job_that_fails_says_why_and_the_next_one_runs(world):
    world.playbooks.said = {"a": [[FATAL, "fatal: [localhost]: FAILED! => a later one", 2]]}
    assert world.run([["a"], ["b"]]) == {"a": (2, "decode_0 exited with code 1."), "b": (0, None)}
    assert any("a: FAILED: decode_0 exited with code 1. The whole output: " in line for line in world.shown)


def test_a_job_that_lost_an_allocation_which_others_had_used_is_run_once_more(world):
    """The time limit is that of the allocation: who is there at its end may be as good as any other."""
    world.playbooks.said = {"b": [[FATAL, 2], [MEASURED, 0]]}
    world.slurm.up = [True, False, True, True]
    assert world.run([["a", "b", "c"]]) == dict.fromkeys("abc", (0, None))
    assert order(world) == ["a", "b", "b", "c"] and world.slurm.ended == ["7"]


def test_a_job_that_loses_every_allocation_is_run_twice_and_no_more(world):
    world.playbooks.said = {"b": [[FATAL, 2], [FATAL, 2]]}
    world.slurm.up = [True, False, False, True]
    assert world.run([["a", "b", "c"]])["b"][0] == 2
    assert order(world) == ["a", "b", "b", "c"]


@pytest.mark.parametrize(("up", "which"), [([False, True], "it is the first"), ([True, True], "it is still up")])
def test_a_job_that_fails_otherwise_is_not_run_again(world, up, which):
    name = "a" if which == "it is the first" else "b"
    world.playbooks.said = {name: [[FATAL, 2]]}
    world.slurm.up = up
    world.run([["a", "b"]])
    assert order(world) == ["a", "b"]


def test_the_rest_is_left_out_after_a_failure_on_demand(world):
    world.playbooks.said = {"a": [[FATAL, 2]]}
    ended = world.run([["a", "b"]], [["c"]], stop_on_failure=True)
    assert order(world) == ["a"] and ended["b"][0] is ended["c"][0] is None
    assert "stop_on_failure" in ended["c"][1] and world.slurm.ended == ["7"]


def test_a_sweep_that_is_stopped_starts_no_other_job(world):
    def stop(*args):
        (world.folder / "stop").write_text("")
        return Playbooks.play(world.playbooks, *args)

    module.play = stop  # the fixture has saved the real one
    ended = world.run([["a", "b"]], [["c"]])
    assert order(world) == ["a"] and ended["b"] == ended["c"] == (None, "was left out: the sweep was stopped")


def test_a_new_run_of_a_sweep_that_was_stopped_goes_on(world):
    world.folder.mkdir(parents=True)
    (world.folder / "stop").write_text("")
    assert world.run([["a"]]) == {"a": (0, None)}


@pytest.mark.parametrize(("most", "at_once"), [(1, 1), (2, 2)])
def test_groups_run_side_by_side_as_many_as_are_allowed(world, most, at_once):
    world.playbooks.barrier = threading.Barrier(2) if most == 2 else None  # one that came alone would fail
    assert world.run([["a"]], [["b"]], [["c"]], [["d"]], max_parallel=most) == dict.fromkeys("abcd", (0, None))
    assert world.playbooks.most == at_once


def test_another_run_of_the_sweep_keeps_out_of_an_allocation_that_is_used(world):
    world.folder.mkdir(parents=True)
    with open(world.folder / ".lock-s.sweep0", "w", encoding="utf-8") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(Error, match="Another run of this sweep works in its allocation s.sweep0"):
            world.run([["a", "b"]])
    assert order(world) == [] and os.path.exists(world.folder / ".lock-s.sweep0")
