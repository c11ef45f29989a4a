# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nodes and a Slurm that fail, are slow, or take the allocation away. See docs/reliability.md."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from functools import partial

import pytest
from cluster import wait_for
from faults import LONG, failed

SHORT = {"max_attempts": 8, "interval_seconds": 1}


@pytest.fixture
def heal(cluster):
    """A list of nodes to bring back after the test."""
    nodes = []
    yield nodes
    for job_id in cluster.jobs():
        cluster.run("scancel", job_id, check=False)
    wait_for(lambda: cluster.jobs() == [], "the queue to be empty", timeout_s=120)
    for node in nodes:
        cluster.sandbox("node", node, "start")
        cluster.sandbox("node", node, "heal")
        cluster.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
        # sinfo of this version goes on to call a node mixed that was drained while steps ran on it.
        wait_for(partial(idle, cluster, node), "the node to be back", timeout_s=90)


def idle(cluster, node):
    """Return whether a node is up and nothing runs on it."""
    return re.search(r"\bState=IDLE ", cluster.run("scontrol", "show", "node", node))


def look(cluster, job_id):
    """Return what status.yml says of a run."""
    wait_for(lambda: job_id not in cluster.jobs(), f"the end of job {job_id}")
    argv = ["ansible-playbook", "playbooks/status.yml", "-e", f"job_id={job_id}", "-e", f"output_dir={cluster.output}"]
    return cluster.run(*argv)


def state(cluster, node, what):
    """Let an administrator set the state of a node."""
    cluster.run("scontrol", "update", f"nodename={node}", f"state={what}", "reason=a test")


def test_a_node_set_down_is_named_and_left_out_by_the_retry(cluster, heal):
    job = cluster.job_file("down", benchmark=dict(LONG, num_prompts_mult=600))
    process, _job_id, seen = cluster.measuring(job, "-e", "job_retries=1")
    node = cluster.node_of("decode_1")
    heal.append(node)
    first = cluster.latest
    state(cluster, node, "down")
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    assert f"without {node}" in " ".join(played.text.split())
    assert cluster.evidence("decode_1", run_dir=first)["kind"] == "node"
    assert node not in [one["name"] for one in cluster.plan()["nodes"]]
    cluster.gone("down")


@pytest.mark.slow
def test_a_draining_node_is_not_a_fault(cluster, heal):
    job = cluster.job_file("drain", benchmark=dict(LONG, num_prompts_mult=300))
    process, _job_id, seen = cluster.measuring(job)
    node = cluster.node_of("decode_1")
    heal.append(node)
    state(cluster, node, "drain")
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    assert cluster.rollup()["valid"] is True


@pytest.mark.slow
def test_a_node_cut_from_the_network_while_measuring_is_named(cluster, heal):
    job = cluster.job_file("cutoff", benchmark=dict(LONG, stall_timeout_s=10))
    process, _job_id, seen = cluster.measuring(job)
    node = cluster.node_of("decode_1")
    heal.append(node)
    cluster.sandbox("node", node, "cut")
    failed(
        cluster.rest(process, seen),
        r"c=2 measured, NOT valid: .*no progress for 1\d s",
        rf"parts of the service did not answer afterwards: decode_1 on {node} \(timed out\)",
    )
    cluster.sandbox("node", node, "heal")
    (point,) = cluster.rollup()["results"]
    assert point["valid"] is False and f"decode_1 on {node}" in str(point["invalid_reasons"])
    cluster.gone("cutoff")


@pytest.mark.slow
def test_a_node_whose_slurmd_stops_is_not_a_fault_for_what_runs(cluster, heal):
    job = cluster.job_file("slurmd", benchmark=dict(LONG, num_prompts_mult=600))
    process, _job_id, seen = cluster.measuring(job)
    node = cluster.node_of("decode_1")
    heal.append(node)
    cluster.sandbox("node", node, "stop", check=False)  # a slurmd with steps takes its time to end
    threading.Timer(15, cluster.sandbox, ["node", node, "start"]).start()
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    cluster.gone("slurmd")


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["allocation", "worker", "benchmark", "teardown"])
def test_slurmctld_stopped_for_20_s_and_started_again_is_survived(cluster, stage):
    job = cluster.job_file(f"ctld-{stage}", benchmark=dict(LONG, num_prompts_mult=300))
    process = cluster.start_playbook(job)
    seen = cluster.until(process, f"srt.slurm.{stage} :")
    cluster.sandbox("slurmctld", "stop")
    try:
        time.sleep(20)
    finally:
        cluster.sandbox("slurmctld", "start")
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    cluster.gone(job.stem)


@pytest.mark.slow
def test_what_a_task_prolog_prints_is_not_taken_for_an_answer(cluster):
    """Neither for one of the holder nor for the address or the report of a node."""
    cluster.trap("task", "echo 'print Welcome to'; echo \"print $SLURMD_NODENAME 10.9.9.9\"; printf 'print {have fun'")
    site = cluster.folder / "site.yaml"
    site.write_text("use_segment_sbatch_directive: false\nnetwork_interface: eth0\n")
    words = ["-e", f"cluster_file={site}", "--tags", "allocation,preflight,teardown"]
    played = cluster.playbook(cluster.job_file("greeted"), *words)
    assert played.rc == 0, played.text
    log = (cluster.latest / "logs" / "node001_preflight.out").read_text()
    assert log.startswith("Welcome to\nnode001 10.9.9.9\n{have fun")
    assert "10.9.9.9" not in (cluster.latest / "addresses.json").read_text()
    cluster.gone("greeted")


@pytest.mark.slow
def test_slow_slurm_commands_only_take_time(cluster):
    slow = cluster.commands(squeue="sleep 1", scontrol="sleep 1", scancel="sleep 1", sbatch="sleep 1")
    played = cluster.playbook(cluster.job_file("slow"), env=slow)
    assert played.rc == 0, played.text
    cluster.gone("slow")


@pytest.mark.slow
def test_slurm_commands_that_hang_run_into_their_own_deadlines(cluster):
    hang = cluster.commands(squeue="exec sleep 3600")
    began = time.monotonic()
    failed(cluster.playbook(cluster.job_file("hang"), env=hang), "squeue did not answer in 20 s")
    assert time.monotonic() - began < 150
    assert cluster.jobs("hang") == []


@pytest.mark.slow
def test_slurm_commands_that_hang_now_and_then_are_asked_again(cluster):
    flag = cluster.folder / "hung"
    hang = cluster.commands(squeue=f"mkdir {flag} 2>/dev/null && exec sleep 3600")
    played = cluster.playbook(cluster.job_file("hangs-once"), env=hang)
    assert played.rc == 0, played.text
    cluster.gone("hangs-once")


@pytest.mark.slow
def test_the_time_limit_ends_the_job_in_order_and_is_named(cluster):
    """Slurm tells the holder of it 60 to 90 s before: of a limit of one minute nothing may be left."""
    job = cluster.job_file("limit", slurm={"time_limit": "00:02:00"}, benchmark=dict(LONG, num_prompts_mult=200000))
    why = "signal 15: its time limit of 00:02:00 is reached"
    failed(cluster.playbook(job), rf"Job {cluster.latest.name} is ending: {why}\.")
    events = (cluster.latest / "steps.jsonl").read_text()
    assert f'"phase": "ending", "code": "time_limit", "reason": "{why}"' in events
    assert '"phase": "ended"' in events
    assert list(cluster.latest.glob("evidence/*")) == []  # no step is to blame
    assert why in " ".join(cluster.rollup()["invalid_reasons"])
    assert f"ended: {why}" in look(cluster, cluster.latest.name)
    cluster.gone("limit")


@pytest.mark.slow
def test_a_time_limit_that_is_over_before_the_holder_begins_is_named(cluster, heal):
    """Its signal comes before there is anybody to hear it; the job still ends in order."""
    (cluster.traps / "prolog.node001").write_text("sleep 35\n")
    job = cluster.job_file("limit-0", slurm={"time_limit": "00:01:00"}, benchmark=dict(LONG, num_prompts_mult=200000))
    # The holder also reports the limit, as long as it answers.
    failed(cluster.playbook(job), "its time limit( of 00:01:00)? is reached")
    cluster.gone("limit-0")


def test_an_allocation_that_is_cancelled_is_named_and_what_was_finished_is_kept(cluster):
    benchmark = dict(LONG, concurrencies=[2, 3], num_prompts_mult=300)
    process = cluster.start_playbook(cluster.job_file("lost", benchmark=benchmark))
    seen = cluster.until(process, "c=2 measured, valid")
    job_id = cluster.latest.name
    cluster.run("scancel", job_id)
    failed(cluster.rest(process, seen), f"[Jj]ob {job_id} (is over: .*(?i:cancelled)|is ending: signal 15|has expired)")
    results = {one["concurrency"]: one["valid"] for one in cluster.rollup()["results"]}
    assert results == {2: True, 3: False}
    cluster.gone("lost")


@pytest.mark.slow
def test_a_job_is_never_requeued_and_a_preemption_ends_it_in_order(cluster):
    """The job says --no-requeue, so Slurm refuses to begin it again in a used run directory."""
    job = cluster.job_file("requeued", benchmark=dict(LONG, num_prompts_mult=400))
    process, job_id, seen = cluster.measuring(job)
    done = subprocess.run(
        [*cluster.prefix(), "scontrol", "requeue", job_id], capture_output=True, text=True, timeout=60, check=False
    )
    played = cluster.rest(process, seen)
    assert done.returncode != 0
    assert played.rc == 0, played.text
    cluster.gone("requeued")


def test_a_job_that_waits_for_long_says_why_and_stays_in_the_queue(cluster):
    cluster.run("sbatch", "--nodes=6", "--exclusive", "--job-name=blocker", "--wrap=sleep 600", "--output=/dev/null")
    wait_for(lambda: cluster.run("squeue", "--noheader", "--name=blocker", "--format=%t").strip() == "R", "the blocker")
    job = cluster.job_file("queued")
    played = failed(
        cluster.playbook(job, "-e", "wait_timeout_s=4"),
        r"is still PENDING after 4 s: (Resources|Priority)",
    )
    assert "stays in the queue" in played.text
    assert len(cluster.jobs("queued")) == 1
    cluster.run("scancel", "--name=blocker")
    again = cluster.playbook(job)
    assert again.rc == 0, again.text
    cluster.gone("queued")
