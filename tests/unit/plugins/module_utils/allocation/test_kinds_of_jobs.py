# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""slurm_job: jobs with and without a playbook of their own, and submissions that were never finished."""

from __future__ import annotations

import json

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import detached, submission, unfinished
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands

PLAYBOOK = {
    "name": "bench", "job": {"spec": {"benchmark": {"isl": 64}}}, "extra_vars": {}, "keep": False, "python": None,
}  # fmt: skip


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(unfinished, "UNFINISHED_S", 0.05)
    monkeypatch.setattr(detached, "COPIED", ("galaxy.yml",))


@pytest.fixture
def submit(do):
    """Return a function that does what submit.yml does."""
    return lambda playbook=PLAYBOOK, **params: do("present", playbook=playbook, **params)


def die(*args):
    raise KeyboardInterrupt


@pytest.fixture
def die_at(monkeypatch, queue):
    """Return a function that runs *call* and kills it where *owner*.*name* would be done: nothing is cleaned up."""

    def die_at(call, owner, name):
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, die)
            patch.setattr(commands, "cancel", lambda *args, **options: None)
            with pytest.raises(KeyboardInterrupt):
                call()

    return die_at


def test_the_comment_tells_which_jobs_have_a_playbook(queue, do, submit):
    queue.reason = "Priority"
    assert queue.queue[submit()["job"]["id"]]["comment"] == "srt.slurm:abc123:play"
    queue.queue.clear()
    assert queue.queue[do("present")["job"]["id"]]["comment"] == "srt.slurm:abc123"


@pytest.mark.parametrize("reason", ["Priority", None])
def test_a_job_without_a_playbook_is_not_a_place_for_one(queue, do, submit, reason):
    """It waits, its bench.yml was interrupted; or it runs, its service was kept."""
    queue.reason = reason
    do("present")
    state = "PENDING" if reason else "RUNNING"
    for ctx in (None, Context(check_mode=True)):
        with pytest.raises(
            Error, match=rf"Job 8 \(quick\) already exists \({state}\) but does not run a playbook"
        ) as told:
            submit(ctx=ctx)
    assert "playbooks/stop.yml -e job_id=8" in told.value.msg
    assert "bench.yml" in told.value.msg
    assert queue.calls == ["submit", "release 8"]


def test_a_job_with_the_same_playbook_is_left_as_it_is(queue, submit, do):
    first = submit()
    again = submit()
    assert not again["changed"]
    assert again["log"] == first["log"]
    assert do.look()["job"]["id"] == do()["job"]["id"] == "8"
    assert queue.calls == ["submit", "release 8"]


@pytest.mark.parametrize(
    "news", [{"job": {"spec": {"benchmark": {"isl": 65}}}}, {"extra_vars": {"concurrencies": "8"}}]
)
def test_a_job_with_another_playbook_does_not_measure_what_is_new(queue, submit, news):
    submit()
    assert not submit(dict(PLAYBOOK, extra_vars={"wait_timeout_s": 5}))["changed"]
    with pytest.raises(Error, match="another job in its frozen copy .*would not be measured.*stop.yml -e job_id=8"):
        submit(dict(PLAYBOOK, **news))
    assert queue.calls == ["submit", "release 8"]


def test_a_held_job_without_a_playbook_is_followed_by_one_with_it(queue, do, submit, die_at, tmp_path):
    die_at(do, submission, "write_text_atomic")
    assert submit(ctx=Context(check_mode=True))["actions"] == ["submitted"]
    assert list(queue.queue) == ["8"]
    result = submit()
    assert result["actions"] == ["submitted"]
    assert queue.calls == ["submit", "cancel 8", "submit", "release 9"]
    assert (tmp_path / "out" / "9" / "play.json").exists()
    assert "submission of job 8 was not finished" in " ".join(result["notes"])


def test_a_held_job_whose_playbook_was_never_written_is_followed_by_one_without(queue, do, submit, die_at):
    die_at(submit, detached, "freeze")
    with pytest.raises(Error, match="Job 8 is held because its submission did not finish.*stop.yml -e job_id=8"):
        do(job_id="8")
    assert do()["job"]["id"] == "9"
    assert queue.calls == ["submit", "cancel 8", "submit", "release 9"]


def test_a_held_job_whose_playbook_was_never_written_gets_it_from_the_next_submit(queue, submit, die_at, tmp_path):
    die_at(submit, detached, "freeze")
    assert submit()["actions"] == ["released"]
    assert json.loads((tmp_path / "out" / "8" / "play.json").read_text())["env"]["SRT_SLURM_DETACHED"] == "8"


def test_a_held_job_that_has_its_playbook_is_released_by_any_controller(queue, do, submit, die_at):
    die_at(submit, commands, "release")
    assert do()["actions"] == ["released"]
    assert queue.calls == ["submit", "release 8"]


def test_a_submitter_that_is_at_work_is_waited_for(queue, do, submit, die_at, monkeypatch):
    monkeypatch.setattr(unfinished, "UNFINISHED_S", 5.0)
    die_at(submit, detached, "freeze")
    monkeypatch.setattr(unfinished.time, "sleep", lambda seconds: queue.queue["8"].update(reason="Priority"))
    assert do("present")["job"]["id"] == "8"
    assert queue.calls == ["submit"]


def test_of_two_submissions_at_once_the_one_without_a_playbook_may_win(queue, submit, monkeypatch):
    held = commands.submit_held

    def both(script):
        queue.add(name="quick", comment="srt.slurm:abc123", reason="Priority", work_dir="")
        return held(script)

    monkeypatch.setattr(commands, "submit_held", both)
    with pytest.raises(Error, match=r"Job 8 .* does not run a playbook"):
        submit()
    assert list(queue.queue) == ["8"]
