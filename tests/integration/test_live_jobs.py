# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that live, though squeue shows them otherwise than most, on a real Slurm."""

from __future__ import annotations

import pathlib
import subprocess

import pytest


def slurm(*argv):
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    return done.stdout.strip()


def shown(job_id):
    """Return what squeue shows of a job: its state and reason."""
    return slurm("squeue", "-h", "-j", job_id, "-o", "%T %r")


def tasks(array):
    """Return {name: number} of the tasks of an array that run, such as ``{"4_1": "5", "4_2": "4"}``."""
    listed = slurm("squeue", "-h", "-t", "R", "-j", array, "-o", "%i %A").splitlines()
    return dict(line.split() for line in listed)


def test_a_users_settings_for_slurms_commands_hide_no_job_and_keep_none(allocation, monkeypatch, cluster):
    with monkeypatch.context() as patch:
        for name, value in {
            "SQUEUE_PARTITION": "other",
            "SQUEUE_STATES": "PENDING",
            "SCANCEL_STATE": "PENDING",
            "SCANCEL_INTERACTIVE": "true",
        }.items():
            patch.setenv(name, value)
        job = allocation()["job"]
        assert allocation.look()["job"]["id"] == job["id"]
        assert allocation(state="absent")["actions"] == ["ended"]
    assert job["id"] not in slurm("squeue", "-h", "-o", "%i").split()
    assert "ending: its end was requested" in pathlib.Path(job["run_dir"], f"slurm-{job['id']}.out").read_text()


@pytest.mark.parametrize("how", [(), ("--full",)], ids=["steps", "all"])
def test_a_job_that_is_stopped_by_a_signal_is_ended_in_order(allocation, cluster, how):
    job = allocation()["job"]
    slurm("scancel", *how, "--signal=STOP", job["id"])
    cluster(lambda: shown(job["id"]).startswith("STOPPED"))
    assert allocation.look()["job"]["id"] == job["id"]
    result = allocation(state="absent")
    assert (result["actions"], result["notes"]) == (["ended"], [])
    assert job["id"] not in slurm("squeue", "-h", "-o", "%i").split()
    assert "ending: its end was requested" in pathlib.Path(job["run_dir"], f"slurm-{job['id']}.out").read_text()


def test_a_service_in_an_adopted_allocation_that_is_stopped_is_ended(allocation, cluster, tmp_path):
    wrapped = ("--wrap", "exec sleep 600", f"--output={tmp_path}/theirs")
    job_id = slurm("sbatch", "--parsable", "--nodes=2", "--ntasks=2", "--exclusive", *wrapped)
    cluster(lambda: shown(job_id).startswith("RUNNING"))
    assert allocation(job_id=job_id)["actions"] == ["adopted"]
    slurm("scancel", "--signal=STOP", job_id)
    cluster(lambda: shown(job_id).startswith("STOPPED"))
    assert allocation(job_id=job_id, state="absent")["actions"] == ["ended"]
    assert "srt_holder" not in slurm("squeue", "-h", "--steps", "-j", job_id)
    assert shown(job_id).startswith("RUNNING")


def test_a_job_that_a_user_requeues_and_holds_is_left_alone_and_can_be_ended(allocation, cluster):
    job = allocation()["job"]
    slurm("scontrol", "update", f"JobId={job['id']}", "Requeue=1")
    slurm("scontrol", "requeuehold", "State=SpecialExit", job["id"])
    cluster(lambda: shown(job["id"]).startswith("SPECIAL_EXIT"))
    for state, again in (("SPECIAL_EXIT", False), ("PENDING JobHeldUser", True)):
        if again:
            slurm("scontrol", "release", job["id"])
            slurm("scontrol", "uhold", job["id"])
        assert shown(job["id"]).startswith(state)
        found = allocation(state="present")
        assert (found["changed"], found["job"]["id"]) == (False, job["id"])
        assert f"It is held; release it with scontrol release {job['id']}." in found["notes"][0]
    assert shown(job["id"]) == "PENDING JobHeldUser"
    assert not pathlib.Path(f"{job['run_dir']}.earlier1").exists()
    assert allocation(state="absent")["actions"] == ["cancelled"]
    assert job["id"] not in slurm("squeue", "-h", "-o", "%i").split()


def test_a_job_that_waits_and_is_held_stays_held(allocation):
    later = {"begin": "now+1hour"}
    job = allocation(state="present", directives=later)["job"]
    slurm("scontrol", "uhold", job["id"])
    found = allocation(state="present", directives=later)
    assert (found["changed"], found["actions"]) == (False, [])
    assert shown(job["id"]) == "PENDING JobHeldUser"


def test_a_task_of_an_array_is_used_by_its_own_number(allocation, cluster, tmp_path):
    script = ("--wrap", "sleep 600", f"--output={tmp_path}/task")
    array = slurm("sbatch", "--parsable", "--array=1-2", "--nodes=1", "--ntasks=1", "--exclusive", *script)
    try:
        cluster(lambda: len(tasks(array)) == 2)
        numbers = tasks(array)
        assert array in numbers.values()
        for number in numbers.values():
            used = allocation(nodes=1, job_id=number)
            assert used["actions"] == ["adopted"]
            assert (used["job"]["id"], used["job"]["run_dir"]) == (number, str(tmp_path / "out" / number))
            assert allocation(nodes=1, job_id=number)["actions"] == []
            ended = allocation(nodes=1, job_id=number, state="absent")
            assert ended["actions"] == ["ended"]
            assert "keeps running" in ended["notes"][-1]
        assert tasks(array) == numbers
    finally:
        slurm("scancel", array)
