# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the service that serve no longer although nobody reports it. See docs/reliability.md."""

from __future__ import annotations

import os
import signal
import sys

import pytest
from cluster import wait_for
from faults import LONG, failed

POINT = dict(LONG, num_prompts_mult=500)
# A launcher that outlives its engine, and one that starts it again.
LAUNCHER = f'"{sys.executable}" "$@"; exec sleep 600'
TENACIOUS = f'while :; do "{sys.executable}" "$@"; done'


def reasons(cluster, place=0):
    """Return why a point of the newest run is not valid."""
    return " ".join(cluster.rollup()["results"][place]["invalid_reasons"])


@pytest.mark.parametrize(
    "step", ["decode_0", *(pytest.param(one, marks=pytest.mark.slow) for one in ("prefill_0", "frontend_1", "etcd"))]
)
def test_a_part_that_is_killed_while_its_srun_client_is_stopped_makes_the_point_invalid(cluster, step):
    process, job_id, seen = cluster.measuring(cluster.job_file("mute", benchmark=POINT))
    assert cluster.stop_client(step)
    cluster.kill(job_id, step)
    failed(cluster.rest(process, seen), "c=2 measured, NOT valid")
    assert step in reasons(cluster)
    cluster.gone("mute")


def engine(cluster):
    """Return the first engine of a decode worker, once it is there."""
    return min(wait_for(lambda: cluster.engines("decode"), "the engine of a decode worker"))


def test_an_engine_that_dies_below_its_launcher_makes_the_point_invalid(cluster):
    cluster.trap("mocker", LAUNCHER)
    process, _job_id, seen = cluster.measuring(cluster.job_file("below", benchmark=POINT))
    os.kill(engine(cluster), signal.SIGKILL)
    failed(cluster.rest(process, seen), "c=2 measured, NOT valid")
    assert "decode_" in reasons(cluster)
    cluster.gone("below")


def test_an_engine_that_its_launcher_starts_again_makes_the_point_invalid(cluster):
    cluster.trap("mocker", TENACIOUS)
    process, _job_id, seen = cluster.measuring(cluster.job_file("again", benchmark=POINT))
    os.kill(engine(cluster), signal.SIGKILL)
    failed(cluster.rest(process, seen), "c=2 measured, NOT valid")
    assert "decode_" in reasons(cluster)
    cluster.gone("again")


@pytest.mark.slow
def test_a_job_that_goes_on_without_a_node_is_used_by_later_runs(cluster):
    """It is planned with the nodes that it began with: the others keep their parts, and nothing is started again."""
    job = cluster.job_file(
        "fewer",
        faults={"decode": {"critical": False}},
        frontend={"type": "dynamo", "enable_multiple_frontends": False},
        environment={"ETCD_LEASE_TTL": "10"},
    )
    first = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "benchmark,rollup")
    assert first.rc == 0, first.text
    job_id, node = cluster.latest.name, cluster.node_of("decode_1")
    before = cluster.steps(job_id)
    try:
        cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=test")
        wait_for(lambda: "decode_1" not in cluster.steps(job_id), "the worker of that node to be gone")
        for _time in range(2):
            played = cluster.playbook(job, "-e", "keep=600", "-e", "force=true")
            assert played.rc == 0, played.text
            (point,) = cluster.rollup()["results"]
            assert point["valid"] and "decode_1 was not running" in " ".join(point["service_gaps"])
        assert cluster.latest.name == job_id
        left = {name: step for name, step in cluster.steps(job_id).items() if name in before}
        assert left == {name: step for name, step in before.items() if name != "decode_1"}
        cluster.end(job)
    finally:
        cluster.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
