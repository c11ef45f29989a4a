# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requested ends of runs whose holder was killed, or whose job is suspended. See docs/reliability.md."""

from __future__ import annotations

import hashlib
import json

import pytest
from cluster import wait_for

UP = ("-e", "keep=600", "--skip-tags", "benchmark,rollup")


def stop_yml(cluster, *args):
    """Run stop.yml for the newest run."""
    return cluster.play([*cluster.prefix(), "ansible-playbook", "playbooks/stop.yml", "-e",
                         f"output_dir={cluster.output}", *args])  # fmt: skip


def ended_in_tiers(run_dir):
    """Return whether the service's steps ended in order: what needs NATS and etcd first."""
    events = [json.loads(line) for line in (run_dir / "steps.jsonl").read_text().splitlines()]
    tiers = [event["tier"] for event in events if event.get("event") == "end" and event["tier"] != "preflight"]
    assert all(event["expected"] for event in events if event.get("event") == "end" and event["tier"] != "preflight")
    first = tiers.index("head_infra")
    return set(tiers[:first]) == {"frontend", "worker"} and set(tiers[first:]) == {"head_infra"}


def test_an_adopted_allocation_whose_holder_was_killed_is_ended_by_stop(cluster):
    cluster.run("salloc", "--no-shell", "--job-name=mine", "--nodes=3", "--ntasks=3", "--exclusive", "--time=10")
    (job_id,) = cluster.jobs("mine")
    played = cluster.playbook(cluster.job_file("adopted"), "-e", f"job_id={job_id}", *UP)
    assert played.rc == 0, played.text
    holder = cluster.steps(job_id)["srt_holder"]
    cluster.kill_holder()
    wait_for(lambda: holder not in cluster.steps(job_id).values(), "the holder to be gone")
    left = cluster.steps(job_id)
    assert {"nats", "etcd", "prefill_0", "decode_0", "frontend_0"} <= set(left), left
    alone = cluster.playbook(
        cluster.job_file("adopted"), "-e", f"job_id={job_id}", "-e", "keep=600", "--tags", "health"
    )
    assert f"Job {job_id} no longer has a holder" in alone.text, alone.text
    assert set(cluster.steps(job_id)) == set(left)
    played = stop_yml(cluster)
    assert played.rc == 0, played.text
    assert f"note: Job {job_id} was not submitted by srt.slurm and keeps running." in played.text
    assert played.changed == 1, played.text
    assert cluster.steps(job_id) == {}
    assert cluster.jobs("mine") == [job_id]
    assert ended_in_tiers(cluster.latest)
    cluster.alone()
    again = stop_yml(cluster)
    assert (again.rc, again.changed) == (0, 0), again.text


@pytest.mark.slow
def test_a_suspended_job_is_ended_in_order(cluster):
    played = cluster.playbook(cluster.job_file("paused"), *UP)
    assert played.rc == 0, played.text
    job_id, nodes = cluster.latest.name, [node["name"] for node in cluster.plan()["nodes"]]
    mark = f"-{job_id}-{hashlib.sha256(str(cluster.latest).encode()).hexdigest()[:8]}"
    assert mark in cluster.run("ls", "/tmp", node=nodes[0])
    cluster.run("scontrol", "suspend", job_id)
    output = cluster.run("ansible-playbook", "playbooks/status.yml", "-e", f"output_dir={cluster.output}")
    assert "SUSPENDED, in its stage health" in output, output
    played = stop_yml(cluster)
    assert (played.rc, played.changed) == (0, 1), played.text
    cluster.gone("paused")
    output = cluster.run("ansible-playbook", "playbooks/status.yml", "-e", f"output_dir={cluster.output}")
    assert "ended: stopped with stop.yml (" in output, output
    assert ended_in_tiers(cluster.latest)
    for node in nodes:
        assert [name for name in cluster.run("ls", "/tmp", node=node).split() if mark in name] == []
