# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""slurm_job over a queue that exists only here."""

from __future__ import annotations

import json
import os
import socket

import plays
import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import call, slurm_job, unfinished
from ansible_collections.srt.slurm.plugins.module_utils.entry import Context
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error, SlurmError
from ansible_collections.srt.slurm.plugins.module_utils.holder.job_ends import job_end
from ansible_collections.srt.slurm.plugins.module_utils.holder.slurm_calls import account
from ansible_collections.srt.slurm.plugins.module_utils.slurm import commands
from fake_queue import ALLOCATION


def test_submitted_once_with_its_directory_written_before_it_may_run(queue, do, tmp_path, monkeypatch):
    seen = {}
    release = queue.release

    def look(job_id):
        seen.update(dict.fromkeys(os.listdir(tmp_path / "out" / job_id), True))
        release(job_id)

    monkeypatch.setattr(commands, "release", look)
    result = do()
    assert result["changed"] and result["actions"] == ["submitted"]
    assert {
        "programs",
        "sbatch_script.sh",
        "8.json",
        "config.yaml",
        "logs",
        "results",
    } == set(seen)
    about = json.loads((tmp_path / "out" / "8" / "8.json").read_text())
    assert (about["tags"], about["job_id"], about["job_name"]) == (["x"], "8", "quick") and about[
        "generated_at"
    ].endswith("Z")
    assert os.readlink(tmp_path / "out" / "latest") == "8"
    assert result["job"] | {"nodes": None} == {
        "id": "8",
        "name": "quick",
        "state": "RUNNING",
        "reason": "None",
        "lost": [],
        "nodes": None,
        "submitted_at": "2026-01-01T00:00:01Z",
        "started_at": None,
        "ends_at": None,
        "run_dir": str(tmp_path / "out" / "8"),
    }
    again = do()
    assert not again["changed"] and again["actions"] == [] and again["job"]["id"] == "8"
    assert queue.calls == ["submit", "release 8"]


@pytest.mark.parametrize("umask", [0o000, 0o002])
def test_nobody_else_can_write_to_a_run_directory(queue, do, tmp_path, umask):
    before = os.umask(umask)
    try:
        do()
    finally:
        os.umask(before)
    run_dir = tmp_path / "out" / "8"
    assert not [path for path in (run_dir, *run_dir.rglob("*")) if path.stat().st_mode & 0o022]


@pytest.mark.skipif(os.getuid() != 0, reason="makes a directory of another user")
@pytest.mark.parametrize("below", ["", "programs", "programs/holder"])
def test_a_run_directory_that_another_user_made_is_not_used(queue, do, tmp_path, below):
    there = tmp_path / "out" / "8" / below
    there.mkdir(parents=True)
    os.chown(there, 65534, 65534)
    with pytest.raises(Error, match="out/8.* exists already and belongs to the user"):
        do()
    assert not [call for call in queue.calls if call.startswith("release")] and not list(there.iterdir())


def test_found_and_present(queue, do):
    assert do.look()["job"] is None and queue.calls == []
    queue.reason = "Priority"
    result = do("present")
    assert result["job"]["state"] == "PENDING" and result["job"]["nodes"] == []
    assert do.look()["job"]["id"] == "8"


def test_pending_too_long_tells_the_reason(queue, do):
    queue.reason = "Resources"
    with pytest.raises(Error, match="still PENDING after 0.2 s: Resources"):
        do(wait_timeout_s=0.2)
    assert list(queue.queue) == ["8"]


def test_another_digest_is_another_job(queue, do):
    queue.add(name="quick", comment="srt.slurm:other")
    queue.add(name="other", comment="srt.slurm:abc123")
    assert do.look()["job"] is None


def test_several_matches_are_an_error_with_their_ids(queue, do):
    ids = [queue.add(name="quick", comment="srt.slurm:abc123 mine", reason="Priority") for _turn in range(2)]
    with pytest.raises(Error, match="Jobs 8, 9 have the same name") as caught:
        do()
    assert caught.value.evidence["job_ids"] == ids


def test_the_younger_of_two_submissions_withdraws(queue, do, monkeypatch):
    submit = queue.submit_held

    def both(script):
        queue.add(name="quick", comment="srt.slurm:abc123", reason="Priority", nodelist="n[1-2]")
        queue.queue["8"]["state"] = "RUNNING"
        return submit(script)

    monkeypatch.setattr(commands, "submit_held", both)
    result = do()
    assert result["job"]["id"] == "8" and "cancel 9" in queue.calls and not result["changed"]
    assert "job 9 was withdrawn" in result["notes"][0]


def test_a_submission_whose_submitter_died_is_completed(queue, do, tmp_path):
    queue.add(name="quick", comment="srt.slurm:abc123", reason="JobHeldUser")
    result = do()
    assert (
        result["actions"] == ["released"]
        and result["changed"]
        and (tmp_path / "out" / "8" / "programs" / "holder").exists()
    )


def test_the_directory_of_an_earlier_job_with_this_id_is_kept_aside(queue, do, tmp_path):
    first = do(state="present")
    path = tmp_path / "out" / first["job"]["id"]
    (path / "steps.jsonl").write_text("{}\n")
    (path / "rollup.txt").write_text(f"rollup: {path}/rollup.json\n")
    queue.queue.clear()
    queue.next -= 1
    again = do(state="present")
    assert again["job"]["id"] == first["job"]["id"]
    # The paths in it would be those of the other job.
    report = (tmp_path / "out" / f"{path.name}.earlier1" / "rollup.txt").read_text()
    assert report == f"rollup: {path}.earlier1/rollup.json\n"
    assert (tmp_path / "out" / f"{path.name}.earlier1" / "steps.jsonl").exists()
    assert not (path / "steps.jsonl").exists()
    assert "earlier1" in again["notes"][-1]


def test_nothing_stays_in_the_queue_when_the_directory_cannot_be_written(queue, do, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "8").write_text("in the way")
    with pytest.raises(Error, match="run directory of job 8 cannot be written.*was cancelled before its start"):
        do()
    assert queue.calls == ["submit", "cancel 8"] and not queue.queue


def test_a_job_that_ends_before_it_is_used(queue, do, tmp_path, monkeypatch):
    def release(job_id):
        queue.queue.clear()
        (tmp_path / "out" / job_id / f"slurm-{job_id}.out").write_text("No python3 on n1\n")

    monkeypatch.setattr(commands, "release", release)
    with pytest.raises(Error, match="Job 8 ended before it could be used: NODE_FAIL"):
        do()


@pytest.mark.parametrize(
    ("code", "why"), [("lease_expired", "no controller for 5 s"), ("requested", "the run has finished (me@login)")]
)
def test_a_job_that_is_ending_is_waited_for_and_followed_by_another(queue, do, tmp_path, monkeypatch, code, why):
    first, told = do(), []
    events = [
        {"event": "holder", "phase": "begin"},
        {"event": "holder", "phase": "ending", "code": code, "reason": why},
    ]
    path = tmp_path / "out" / first["job"]["id"] / "steps.jsonl"
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    monkeypatch.setattr(unfinished.time, "sleep", lambda seconds: (told.append(seconds), queue.queue.clear()))
    again = do()
    assert again["actions"] == ["submitted"] and len(told) == 1
    assert again["job"]["id"] != first["job"]["id"]
    assert f"Job {first['job']['id']} was ending: {why}." in again["notes"]


def test_a_job_that_slurm_takes_away_is_not_left_for_another(queue, do, tmp_path):
    first = do()
    path = tmp_path / "out" / first["job"]["id"] / "steps.jsonl"
    path.write_text(json.dumps({"event": "holder", "phase": "ending", **job_end("preempted", signal=15)}) + "\n")
    assert do()["job"]["id"] == first["job"]["id"]


def test_absent_asks_the_holder(queue, do, fake):
    do()
    result = do("absent", reason="stopped\nby  hand")
    assert result["changed"] and result["actions"] == ["ended"] and result["job"] is None
    assert fake.holder.ending["reason"] == f"stopped by hand ({account()}@{socket.gethostname()})"
    assert "cancel 8" not in queue.calls
    assert do("absent") | {"duration_s": 0} == {
        "changed": False,
        "actions": [],
        "notes": [],
        "unshown_notes": [],
        "script": result["script"],
        "log": None,
        "job": None,
        "duration_s": 0,
        "retried": 0,
        "excluded": [],
    }


@pytest.mark.parametrize(("timeout_s", "cancelled"), [(0.3, True), (60.0, False)])
def test_a_job_whose_holder_does_not_end_it_in_time_is_cancelled(queue, do, fake, monkeypatch, timeout_s, cancelled):
    do()
    looks = []

    def jobs(job_id=None, **options):
        looks.append(job_id)
        if len(looks) > 8:  # a second later it has left the queue
            queue.queue.clear()
        return list(queue.queue.values())

    monkeypatch.setattr(commands, "jobs", jobs)
    assert do("absent", end_timeout_s=timeout_s)["actions"] == ["ended"]
    assert fake.holder.ending["code"] == "requested"
    assert ("cancel 8" in queue.calls) is cancelled


def test_absent_of_a_job_that_waits_cancels_it(queue, do):
    queue.reason = "Priority"
    do("present")
    assert do("absent")["actions"] == ["cancelled"] and queue.calls[-1] == "cancel 8"


def test_a_foreign_job_is_never_cancelled(queue, do):
    foreign = queue.add(name="theirs", comment="")
    with pytest.raises(Error, match="left alone"):
        do("absent", allocation=None, job_id=foreign)
    assert foreign in queue.queue


def test_a_job_id_is_taken_or_missed(queue, do):
    do()
    assert do(allocation=None, job_id="8")["job"]["id"] == "8"
    with pytest.raises(Error, match="Job 99 does not exist: NODE_FAIL"):
        do(job_id="99")
    assert do.look(job_id="99")["job"] is None


def test_check_mode_says_what_it_would_do(queue, do, tmp_path):
    result = do(ctx=Context(check_mode=True, diff=True))
    assert result["changed"] and result["actions"] == ["submitted"] and queue.calls == []
    assert result["job"]["id"] == "JOBID" and result["job"]["run_dir"] == str(tmp_path / "out" / "JOBID")
    assert result["job"]["nodes"] == [
        {"name": "node0001", "address": "<addr:node0001>"},
        {"name": "node0002", "address": "<addr:node0002>"},
    ]
    assert result["diff"]["after"] == result["script"] and "#SBATCH --nodes=2" in result["script"]
    assert not (tmp_path / "out").exists()
    queue.broken = "squeue is not on this machine's PATH."
    assert do(ctx=Context(check_mode=True))["job"]["id"] == "JOBID"
    with pytest.raises(SlurmError):
        do()


def test_latest_never_removes_what_is_not_a_link(queue, do, tmp_path):
    (tmp_path / "out" / "latest").mkdir(parents=True)
    do()
    assert (tmp_path / "out" / "latest").is_dir() and not (tmp_path / "out" / "latest").is_symlink()


class ReadCall(call.Call):
    """A call that remembers which of what it keeps was read later."""

    names = None

    def __init__(self, params, ctx):
        super().__init__(params, ctx)
        self.names = set()

    def __getattribute__(self, name):
        names = super().__getattribute__("names")
        if names is not None:
            names.add(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize(
    ("role", "point", "elsewhere"),
    [
        # Read where a job is lost or the site lacks something, and by the action.
        ("allocation", "start", {"origins", "retries", "secrets_path"}),
        ("allocation", "stop", set()),
        ("teardown", "main", set()),
    ],
)
def test_what_a_role_passes_on_is_read_in_the_state_that_it_asks_for(
    queue, do, tmp_path, monkeypatch, role, point, elsewhere
):
    job_id = do()["job"]["id"] if point != "start" else ""
    given = {"output_dir": str(tmp_path / "out"), "request": ALLOCATION, "job_id": job_id, "config_text": "a: 1\n"}
    play = plays.Play({}, tmp_path).role(role, point, {f"{role}_{name}": value for name, value in given.items()})
    calls = []
    monkeypatch.setattr(slurm_job, "Call", lambda *args: calls.append(ReadCall(*args)) or calls[0])
    defaults = {key: option.get("default") for key, option in slurm_job.ARGUMENT_SPEC.items()}
    assert slurm_job.run({**defaults, **play[0][1]}, Context())["changed"]
    assert set(play[0][1]) - calls[0].names - elsewhere == set()
