# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""slurm_job: jobs that somebody holds are no submissions that were never finished."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached, unfinished
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

PLAYBOOK = {
    "name": "bench", "job": {"spec": {"benchmark": {"isl": 64}}}, "extra_vars": {}, "keep": False, "python": None,
}  # fmt: skip
NOTE = "Job 8 was left alone. It is held; release it with scontrol release 8."


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(unfinished, "UNFINISHED_S", 0.05)
    monkeypatch.setattr(detached, "COPIED", ("galaxy.yml",))


@pytest.fixture
def waiting(queue, do):
    """Return a function that submits a job that waits, and lets somebody hold it."""
    queue.reason = "Priority"

    def hold(**changes):
        do("present", **changes)
        queue.queue["8"].update(reason="JobHeldUser")
        queue.calls.clear()

    return hold


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize("playbook", [None, PLAYBOOK], ids=["bench.yml", "submit.yml"])
def test_a_job_that_waits_and_is_held_by_a_user_stays_held(waiting, queue, do, playbook, check_mode):
    waiting(playbook=playbook)
    result = do("present", playbook=playbook, ctx=Context(check_mode=check_mode))
    assert (result["changed"], result["actions"], result["notes"], queue.calls) == (False, [], [NOTE], [])


def test_a_job_that_was_requeued_and_is_held_keeps_its_directory(waiting, queue, do, tmp_path):
    waiting(playbook=PLAYBOOK)
    (tmp_path / "out" / "8" / "steps.jsonl").write_text("{}\n")
    queue.queue["8"]["submitted_at"] = "2026-01-01T02:00:00Z"  # as Slurm has it after a requeue
    queue.ended = {"JobState": "PENDING", "Restarts": "1"}
    result = do("present", playbook=PLAYBOOK)
    assert (result["changed"], result["notes"], queue.calls) == (False, [NOTE], [])
    assert (tmp_path / "out" / "8" / "steps.jsonl").exists()
    assert not (tmp_path / "out" / "8.earlier1").exists()


@pytest.mark.parametrize("there, asked", [(None, PLAYBOOK), (PLAYBOOK, None)])
def test_a_held_job_of_the_other_kind_is_not_taken_for_one_to_withdraw(waiting, queue, do, there, asked):
    waiting(playbook=there)
    if asked:
        with pytest.raises(Error, match="Job 8 .* already exists .* but does not run a playbook"):
            do("present", playbook=asked)
    else:
        assert do("present")["notes"] == [NOTE]
    assert queue.calls == []
    assert list(queue.queue) == ["8"]


def test_a_job_that_another_controller_lets_go_just_now_is_not_called_held(waiting, queue, do, monkeypatch):
    waiting()
    jobs, looks = queue.jobs, []

    def look(**options):
        looks.append(jobs(**options))
        queue.queue["8"]["reason"] = "Priority"
        return looks[-1]

    monkeypatch.setattr(commands, "jobs", look)
    result = do("present")
    assert (result["notes"], result["job"]["reason"], queue.calls) == ([], "Priority", [])


def test_a_submission_that_is_finished_while_it_is_looked_at_is_not_released_again(queue, do, monkeypatch, tmp_path):
    queue.add(name="quick", comment="srt.slurm:abc123", reason="JobHeldUser", submitted_at="2026-01-01T00:00:01Z")

    def show(job_id):
        (tmp_path / "out" / "8").mkdir(parents=True)
        about = {"submitted_at": "2026-01-01T00:00:01Z", "released_at": "2026-01-01T00:00:02Z"}
        (tmp_path / "out" / "8" / "8.json").write_text(json.dumps(about))
        return {"JobState": "PENDING", "Restarts": "0"}

    monkeypatch.setattr(commands, "show_job", show)
    assert do("present")["actions"] == []
    assert queue.calls == []


@pytest.mark.parametrize(
    "state, reason",
    [
        ("PENDING", "JobHeldUser"),
        ("PENDING", "JobHeldAdmin"),
        ("SPECIAL_EXIT", "job requeued in held state"),
        ("PENDING", "launch failed requeued held"),
    ],
)
def test_the_wait_for_a_held_job_says_how_to_release_it(waiting, queue, do, state, reason):
    waiting()
    queue.queue["8"].update(state=state, reason=reason)
    with pytest.raises(Error, match=rf"still {state} after 0.1 s: {reason}. It is held; release it with"):
        do(wait_timeout_s=0.1)
    assert queue.calls == []


def test_the_record_of_a_job_says_that_it_was_released(queue, do, tmp_path):
    do()
    about = json.loads((tmp_path / "out" / "8" / "8.json").read_text())
    assert about["released_at"].endswith("Z")
    assert about["job_name"] == "quick"
