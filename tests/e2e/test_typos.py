# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Typos on the command line: nothing is submitted for one, and no other run is ended for one."""

from __future__ import annotations

import pytest


def stop(cluster, *args):
    """Run stop.yml with *args* to its end."""
    output = ["-e", f"output_dir={cluster.output}"]
    return cluster.play([*cluster.prefix(), "ansible-playbook", "playbooks/stop.yml", *output, *args])


@pytest.fixture(scope="module")
def two(cluster):
    """Jobs that are kept: ``{name: (job file, job id)}`` of slip-aa and slip-bb, the newer one.

    The first was started with a strategy that knows no add_host.
    """
    made = {}
    for name, env in (("slip-aa", {"ANSIBLE_STRATEGY": "free"}), ("slip-bb", {})):
        job = cluster.job_file(name)
        played = cluster.playbook(job, "-e", "keep=900", "-e", "concurrencies=[2]", env=env)
        assert played.rc == 0, played.text
        made[name] = (job, cluster.latest.name)
    yield made
    for job, _job_id in made.values():
        cluster.end(job)


@pytest.mark.parametrize(
    ("args", "output"),
    [
        (
            ("-e", "concurrencies=5"),
            "concurrencies: has 5, which the job does not measure. Its benchmark.concurrencies",
        ),
        (("-e", "concurrencies=c2", "-e", "job_retries=-1"), "job_retries: is -1"),
        (("-e", "job_id="), "job_id: is empty"),
        (("-e", "job_id=3;reboot"), "job_id: is 3;reboot, which is not a valid job id"),
        (("-e", "output_dir=/tmp/a\\\\b"), "output_dir: is /tmp/a\\b, with a backslash"),
        (("-e", '{"output_dir": "/tmp/a\\nb"}'), "output_dir: is '/tmp/a\\nb', with a line break"),
    ],
)
@pytest.mark.parametrize("playbook", ["bench.yml", "playbooks/submit.yml"])
def test_nothing_is_submitted_for_a_typo(cluster, playbook, args, output):
    argv = cluster.playbook_argv(cluster.job_file("slipped"), *args)
    played = cluster.play([playbook if word == "bench.yml" else word for word in argv])
    assert played.rc != 0
    refused = playbook.endswith("submit.yml") and args[1].startswith("job_id=")  # it takes none at all
    assert ("gets a job of its own" if refused else output) in played.text, played.text
    assert cluster.jobs("slipped") == []


def test_submit_takes_no_allocation(cluster):
    argv = [*cluster.prefix(), "ansible-playbook", "playbooks/submit.yml", "-e", f"@{cluster.job_file('slipped')}"]
    played = cluster.play([*argv, "-e", f"output_dir={cluster.output}", "-e", "job_id=9"])
    assert played.rc != 0
    assert "always gets a job of its own, and job_id is given (9). Leave it out" in played.text
    assert cluster.jobs("slipped") == []


def test_a_shell_that_outlived_its_allocation_is_reported_so(cluster):
    played = cluster.playbook(cluster.job_file("slipped"), env={"SLURM_JOB_ID": "999999"})
    assert played.rc != 0
    assert "Job 999999 does not exist" in played.text
    assert "it comes from the variable SLURM_JOB_ID of this shell: unset it" in played.text
    single = cluster.playbook(cluster.job_file("slipped"), "--tags", "worker", env={"SLURM_JOB_ID": "999999"})
    assert single.rc != 0
    assert "The variable SLURM_JOB_ID of this shell names job 999999, which is over. Unset it" in single.text
    assert cluster.jobs("slipped") == []


def test_only_the_run_that_is_meant_is_ended(cluster, two):
    ids = {name: job_id for name, (_job, job_id) in two.items()}
    for args, output in (
        (["-e", f"jobid={ids['slip-aa']}"], "jobid: is not a variable of srt.slurm. Did you mean job_id?"),
        (["-e", "job_id="], "job_id: is empty"),
        (["-e", f"@{cluster.job_file('slipped')}"], "There is no run of slipped below"),
        (
            ["-e", f"@{two['slip-aa'][0]}", "-e", f"job_id={ids['slip-bb']}"],
            f"Job {ids['slip-bb']} is a run of slip-bb, not of slip-aa",
        ),
    ):
        played = stop(cluster, *args)
        assert played.rc != 0
        assert output in played.text, played.text
    assert set(ids.values()) <= set(cluster.jobs())
    played = stop(cluster, "-e", f"@{two['slip-aa'][0]}")
    assert played.rc == 0, played.text
    assert ids["slip-aa"] not in cluster.jobs()
    assert ids["slip-bb"] in cluster.jobs()
