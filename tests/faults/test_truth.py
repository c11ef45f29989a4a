# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of the service that serve no longer although nobody reports it. See docs/reliability.md."""

from __future__ import annotations

import json
import os
import pathlib
import signal
import sys
import time

import pytest
from cluster import wait_for
from faults import LONG, failed

ROOT = pathlib.Path(__file__).resolve().parents[2]
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


@pytest.mark.parametrize("how", ["for a while", pytest.param("for good", marks=pytest.mark.slow)])
def test_a_point_whose_load_client_is_stopped_is_measured_once_more(cluster, how):
    """It goes on after two seconds, or is ended a while after the limit that it should keep itself."""
    job = cluster.job_file("halted", benchmark=dict(POINT, num_prompts_mult=300, stall_timeout_s=5))
    process, _job_id, seen = cluster.measuring(job)
    (client,) = cluster.pids("python", "/load_client\0")
    os.kill(client, signal.SIGSTOP)
    if how == "for a while":
        stopped = time.monotonic()
        wait_for(lambda: time.monotonic() > stopped + 2, "two seconds to pass")
        os.kill(client, signal.SIGCONT)
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    assert "c=2 will be measured again" in played.text
    (first,) = cluster.latest.glob("results/*/*.attempt1.verdict.json")
    verdict = json.loads(first.read_text())
    assert not verdict["valid"] and "load client did not run" in " ".join(verdict["reasons"])
    result = cluster.latest / cluster.plan()["benchmark"]["points"][0]["result"]
    assert json.loads(result.read_text())["attempt"] == 1  # with prompts that the service has not seen
    assert cluster.rollup()["valid"] is True
    cluster.gone("halted")


@pytest.mark.slow
@pytest.mark.parametrize("required", [False, True])
def test_a_scraper_that_is_killed_is_told_and_counts_only_where_its_readings_are_required(cluster, required):
    smi = cluster.folder / "smi" / "nvidia-smi"
    smi.parent.mkdir(exist_ok=True)
    smi.write_text('#!/bin/sh\nfor gpu in 0 1 2 3 4 5 6 7; do echo "$gpu, GPU-$gpu, 100.5, 1980, 2619, 41, 97"; done\n')
    smi.chmod(0o755)
    exporter = f"env PATH={smi.parent}:/usr/bin:/bin {sys.executable} {ROOT}/plugins/module_utils/scraper power --port"
    dcgm = {"container_image": "none", "port": 9405, "command": exporter + " {port}"}
    job = cluster.job_file(
        "unread", benchmark=dict(LONG, num_prompts_mult=300),
        telemetry={"enabled": True, "required": required, "default_frequency": 0.5, "dcgm_exporter": dcgm},
    )  # fmt: skip
    process, _job_id, seen = cluster.measuring(job)
    (scraper,) = cluster.pids("", "/scraper\0scrape\0", "\0bench_c2\0")
    os.kill(scraper, signal.SIGKILL)
    played = cluster.rest(process, seen)
    rollup = cluster.rollup()
    (record,) = rollup["results"]
    assert (played.rc == 0, rollup["valid"], record["valid"]) == (not required,) * 3, played.text
    assert "was not read every 3 s" in record["energy"]["note"] and record["energy"]["gpu_joules"] is None
    for purpose in ("metrics", "power"):
        assert any(f"{purpose} not complete" in note and "the scraper ended" in note for note in rollup["notes"])
    assert ("telemetry is required" in reasons(cluster)) is required
    cluster.gone("unread")


@pytest.mark.slow
def test_a_load_client_of_several_nodes_that_is_killed_makes_the_point_invalid_with_the_name_of_its_node(cluster):
    spread = {"client_nodes": 2, "clients": 2, "concurrencies": [2], "num_prompts_mult": 2000}
    job = cluster.job_file("spread", benchmark=dict(POINT, **spread))
    process, job_id, seen = cluster.measuring(job)
    first, second = cluster.plan()["benchmark"]["points"][0]["step"]["nodes"]

    def mains():
        """Return {node: process} of the load clients, without the processes that each of them starts."""
        pids = cluster.pids("python", "/load_client\0")
        parents = {pid: int(pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1]) for pid in pids}
        names = {pid: pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0") for pid in pids}
        return {
            next(one for one in names[pid] if one.startswith(b"SLURMD_NODENAME=")).partition(b"=")[2].decode(): pid
            for pid in pids
            if parents[pid] not in pids
        }

    wait_for(lambda: set(mains()) == {first, second}, "a load client on both nodes")
    os.kill(mains()[second], signal.SIGKILL)
    played = cluster.rest(process, seen)
    failed(played, rf"the load client on node {second} ended without a result")
    (point,) = cluster.rollup()["results"]
    assert not point["valid"] and second in " ".join(point["invalid_reasons"])
    assert not cluster.pids("python", "/load_client\0") and not list(cluster.latest.glob("results/*/.secrets"))
    cluster.gone("spread")


def test_a_clock_that_is_set_in_mid_run_decides_nothing(cluster):
    """That of the holder's node, an hour back and then two hours forward."""
    environment, set_clock = cluster.clock()
    job = cluster.job_file("clock", benchmark=dict(LONG, concurrencies=[2, 3], num_prompts_mult=200))
    process = cluster.start_playbook(job, env=environment)
    seen = cluster.until(process, "srt.slurm.benchmark :")
    (holder,) = cluster.pids("python3", "\0serve\0")
    assert "clock.so" in pathlib.Path(f"/proc/{holder}/maps").read_text()
    for step, seconds in (("bench_c2", -3600), ("bench_c3", 3600)):
        wait_for(lambda step=step: step in cluster.steps(cluster.latest.name), f"{step} to be measured")
        set_clock(seconds)
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    assert [one["valid"] for one in cluster.rollup()["results"]] == [True, True]
    events = [json.loads(line) for line in (cluster.latest / "steps.jsonl").read_text().splitlines()]
    assert [event["t"] for event in events] == sorted(event["t"] for event in events)
    cluster.gone("clock")


@pytest.mark.slow
def test_a_worker_that_is_stopped_is_not_measured(cluster):
    """Its port is open and the frontends still list it."""
    job = cluster.job_file("frozen", health_check={"max_attempts": 30, "interval_seconds": 1})
    played = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "benchmark,rollup")
    assert played.rc == 0, played.text
    assert cluster.freeze("--disaggregation-mode\0decode")
    try:
        played = cluster.playbook(job, "-e", "keep=600", "--tags", "benchmark,rollup")
    finally:
        cluster.freeze("--disaggregation-mode\0decode", signal.SIGCONT)
    failed(played, r"is not healthy after 30 s: .*waiting for decode_\d on node\d+: timed out")
    assert cluster.rollup()["valid"] is False
    cluster.end(job)
