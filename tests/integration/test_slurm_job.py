# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""slurm_job on a real Slurm."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import threading

import pytest


def squeue(*argv):
    return subprocess.run(
        ["squeue", "-h", *argv], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()


def test_submitted_found_again_and_ended(allocation):
    first = allocation()
    job = first["job"]
    assert first["actions"] == ["submitted"] and job["state"] == "RUNNING"
    assert len(job["nodes"]) == 2 and all(node["address"].count(".") == 3 for node in job["nodes"])
    again = allocation()
    assert not again["changed"] and again["job"] == job and again["duration_s"] < 5
    folder = pathlib.Path(job["run_dir"])
    assert json.loads((folder / f"{job['id']}.json").read_text())["job_id"] == job["id"]
    assert os.readlink(folder.parent / "latest") == job["id"]
    ended = allocation(state="absent")
    assert ended["actions"] == ["ended"] and ended["job"] is None
    assert job["id"] not in squeue("-o", "%i")
    assert "ending: its end was requested (" in (folder / f"slurm-{job['id']}.out").read_text()
    assert not allocation(state="absent")["changed"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (
            {"directives": {"partition": "nowhere"}},
            r"^job.yaml:3: sbatch_directives.partition: .* There are: \w+ \(\d+ ",
        ),
        ({"nodes": 5000}, "^job: resources.agg_nodes: asks for 5000 nodes; the partition has fewer: "),
        ({"gpus_per_node": 1000}, "^job: resources.gpus_per_node: asks for "),
    ],
)
def test_what_the_site_does_not_have_is_told_before_submission(allocation, asked, words):
    from ansible_collections.srt.slurm.plugins.module_utils.failures import SpecError

    before = squeue("-o", "%i")
    with pytest.raises(SpecError, match=words):
        allocation(origins={"sbatch_directives.partition": "job.yaml:3"}, **asked)
    assert squeue("-o", "%i") == before


def test_any_name_arrives_whole(allocation):
    name = "a 'b' \"c\" $(touch pwned) `id` \\ #é ; | & -x %j"
    result = allocation(name=name, state="present")
    shown = subprocess.run(
        ["squeue", "-h", "-j", result["job"]["id"], "-o", "%j"], capture_output=True, text=True, check=True
    )
    assert shown.stdout.rstrip("\n") == name
    assert allocation.look(name=name)["job"]["id"] == result["job"]["id"]


def test_a_name_that_ends_in_a_blank_is_found_again(allocation):
    result = allocation(name="blank ", state="present")
    again = allocation(name="blank ", state="present")
    assert (again["changed"], again["job"]["id"]) == (False, result["job"]["id"])


def test_the_end_of_a_job_that_is_completing_is_waited_for(allocation, cluster, tmp_path):
    job = allocation(secrets={"srt-secret:A": "a"})["job"]
    stubborn = f"trap '' TERM; touch {tmp_path}/stubborn; exec sleep 3"
    argv = ["srun", f"--jobid={job['id']}", "--overlap", "--nodes=1", "--ntasks=1", "sh", "-c", stubborn]
    client = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    cluster((tmp_path / "stubborn").exists)
    subprocess.run(["scancel", job["id"]], check=True, timeout=30)
    assert squeue("-j", job["id"], "-o", "%T") == ["COMPLETING"]
    assert not allocation(state="absent", job_id=job["id"])["changed"]
    assert job["id"] not in squeue("-o", "%i")
    assert not pathlib.Path(job["run_dir"], ".secrets").exists()
    client.wait(timeout=60)


def test_a_job_that_waits_shows_why_and_is_cancelled(allocation):
    from ansible_collections.srt.slurm.plugins.module_utils.failures import Error

    later = {"begin": "now+1hour"}
    with pytest.raises(Error, match="still PENDING after 0.5 s: "):
        allocation(directives=later, wait_timeout_s=0.5)
    assert allocation.look(directives=later)["job"]["state"] == "PENDING"
    assert allocation(directives=later, state="absent")["actions"] == ["cancelled"]


@pytest.fixture
def unchecked(monkeypatch):
    """A site that does not say what it has, so that only Slurm judges a request."""
    from ansible_collections.srt.slurm.plugins.module_utils.allocation import site_check

    monkeypatch.setattr(site_check, "check", lambda call: None)


@pytest.mark.usefixtures("unchecked")
def test_a_job_that_can_never_start_is_cancelled_at_once(allocation):
    from ansible_collections.srt.slurm.plugins.module_utils.failures import Error

    with pytest.raises(Error, match=r"will not start job \d+: PartitionNodeLimit. It requests 99 nodes .* cancelled"):
        allocation(nodes=99)
    assert allocation.look(nodes=99)["job"] is None


@pytest.mark.usefixtures("unchecked")
def test_a_request_that_slurm_refuses(allocation):
    from ansible_collections.srt.slurm.plugins.module_utils.failures import Error

    with pytest.raises(Error, match="invalid partition specified: nowhere"):
        allocation(directives={"partition": "nowhere"})


def test_two_submitters_get_one_job(allocation):
    results, threads = [], []
    for _turn in range(3):
        threads.append(threading.Thread(target=lambda: results.append(allocation())))
        threads[-1].start()
    for thread in threads:
        thread.join()
    assert len({result["job"]["id"] for result in results}) == 1
    assert sum(result["changed"] for result in results) == 1
    assert len(squeue("-n", "test", "-o", "%i")) == 1


def test_the_time_before_the_first_request_counts_for_the_lease(allocation, cluster):
    job = allocation(lease_s=4)["job"]
    cluster(lambda: job["id"] not in squeue("-o", "%i"))
    assert "no controller for 4 s" in pathlib.Path(job["run_dir"], f"slurm-{job['id']}.out").read_text()


def test_a_job_that_was_changed_stays_ours(allocation, cluster):
    def change(job_id, *argv):
        subprocess.run(["scontrol", *argv], check=True, timeout=30)
        cluster(lambda: squeue("-j", job_id, "-o", "%T") != ["COMPLETING"])
        again = allocation(state="present")
        assert (again["changed"], again["job"]["id"]) == (False, job_id), argv

    job_id = allocation()["job"]["id"]
    change(job_id, "update", f"JobId={job_id}", "Comment=theirs")
    change(job_id, "update", f"JobId={job_id}", "JobName=theirs")
    change(job_id, "update", f"JobId={job_id}", "Requeue=1", "Priority=7")
    change(job_id, "requeue", job_id)
    ended = allocation(state="absent", job_id=job_id)
    assert ended["actions"] and not [note for note in ended["notes"] if "keeps running" in note]
    assert job_id not in squeue("-o", "%i")
