# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A job that Slurm takes away begins again or is followed by another, and the last job attempt is not requeued."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import job_end as allocation_end
from ansible_collections.srt.slurm.plugins.module_utils.allocation import requeue
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.holder import job_watch


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    """Take a job that is completing as it is, without waiting for its final state."""
    monkeypatch.setattr(allocation_end, "SETTLED_S", 0.0)


def test_the_last_job_attempt_is_not_requeued_and_an_earlier_one_is(program, tmp_path, monkeypatch):
    program("scontrol", f'echo "$*" >> {tmp_path}/calls; echo "JobState=RUNNING Restarts=1 ExcNodeList=n7"\n')
    monkeypatch.setattr(job_watch.signal, "signal", lambda *args: None)
    job = job_watch.Job("42", str(tmp_path), retries=1)
    job.forbid_last_requeue()
    assert job.may_requeue() and job.is_requeued() and not (tmp_path / "calls").read_text().count("update")
    assert job._requeue(["n9"]) == ""
    monkeypatch.setenv("SLURM_RESTART_COUNT", "1")
    last = job_watch.Job("42", str(tmp_path), retries=1)
    last.forbid_last_requeue()
    assert not last.may_requeue() and not last.is_requeued()
    calls = (tmp_path / "calls").read_text().splitlines()
    assert calls[-2] == "update JobId=42 Requeue=0"
    assert "requeue 42" in calls and any(call.startswith("update JobId=42 ExcNodeList=") for call in calls)


def test_what_cannot_be_requeued_is_said(program, tmp_path, monkeypatch):
    monkeypatch.setattr(job_watch.signal, "signal", lambda *args: None)
    program("scontrol", "case $1 in requeue) echo 'Requested operation is presently disabled' >&2; exit 1;; esac\n")
    job = job_watch.Job("42", str(tmp_path), retries=1)
    assert "presently disabled" in job.requeue([])
    assert not job.unsure


def test_a_requeue_that_was_received_though_its_command_failed(program, tmp_path, monkeypatch):
    monkeypatch.setattr(job_watch.signal, "signal", lambda *args: None)
    program("scontrol", f"case $1 in requeue) touch {tmp_path}/heard; exit 1;; esac; "
            f"[ -e {tmp_path}/heard ] && echo JobState=COMPLETING Restarts=1\n")  # fmt: skip
    assert job_watch.Job("42", str(tmp_path), retries=1).requeue([]) == ""


def test_a_slurm_that_does_not_answer_may_have_heard(program, tmp_path, monkeypatch):
    monkeypatch.setattr(job_watch.signal, "signal", lambda *args: None)
    monkeypatch.setattr(job_watch, "CALL_S", 0.2)
    program("scontrol", "exec sleep 20\n")
    job = job_watch.Job("42", str(tmp_path), retries=1)
    assert job.requeue([]) == "Slurm did not answer"
    assert job.unsure


def test_a_job_is_requeued_though_a_node_cannot_be_left_out(program, tmp_path, monkeypatch):
    monkeypatch.setattr(job_watch.signal, "signal", lambda *args: None)
    program("scontrol", "case $1 in update) exit 1;; esac\n")
    job = job_watch.Job("42", str(tmp_path), retries=1)
    assert job.requeue(["n9"]) == ""
    assert job.not_excluded == ["n9"]


def tries(errors, **params):
    """Return (result or Error, requests) of persist over an attempt that fails with *errors* first."""
    asked, errors = [], list(errors)

    def attempt(wanted):
        asked.append(wanted)
        if errors:
            raise errors.pop(0)
        return {"notes": ["a note"], "unshown_notes": ["a note"]}

    base = {"allocation": {"name": "x", "exclude": ["n0"]}, "state": "running", "job_id": "", "retries": 2}
    try:
        return requeue.with_retries(attempt, dict(base, **params), Context()), asked
    except Error as error:
        return error, asked


def test_a_job_that_slurm_takes_away_is_followed_by_one_without_the_nodes_that_failed():
    lost = [
        Error("Job 7 is lost.", retryable=True, bad_nodes=["n2"]),
        Error("So is 8.", retryable=True, bad_nodes=["n1"]),
    ]
    result, asked = tries(lost)
    assert (result["retried"], result["excluded"]) == (2, ["n1", "n2"])
    assert result["notes"] == result["unshown_notes"] == ["Job 7 is lost.", "So is 8.", "a note"]
    assert [one["allocation"]["exclude"] for one in asked] == [["n0"], ["n0", "n2"], ["n0", "n1", "n2"]]


@pytest.mark.parametrize(
    ("error", "params"),
    [
        (Error("cancelled", retryable=False), {}),
        (Error("no word of it"), {}),
        (Error("lost", retryable=True), {"retries": 0}),
        (Error("lost", retryable=True), {"job_id": "7"}),
        (Error("lost", retryable=True), {"state": "present"}),
        (Error("lost", retryable=True), {"state": "queried"}),
    ],
)
def test_what_is_not_tried_again(error, params):
    found, asked = tries([error], **params)
    assert found is error and len(asked) == 1
    assert found.evidence["retried"] == 0
