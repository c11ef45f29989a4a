# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs that Slurm preempts, suspends, cancels or requeues, before or during their use. See docs/reliability.md."""

from __future__ import annotations

import json
import re
import sys
import time

import pytest
from cluster import wait_for
from faults import LONG, NODES, failed

TWO_POINTS = dict(LONG, concurrencies=[1, 3], num_prompts_mult=250)


@pytest.fixture
def heal(cluster):
    """Bring nodes back that the test let fail."""
    yield
    for job_id in cluster.jobs():
        cluster.run("scancel", job_id, check=False)
    wait_for(lambda: cluster.jobs() == [], "the queue to be empty", timeout_s=120)
    for node in {line.split()[0] for line in cluster.run("sinfo", "-hN", "-o%N %T").splitlines() if "idle" not in line}:
        cluster.run("scontrol", "update", f"nodename={node}", "state=resume", check=False)
    wait_for(lambda: set(cluster.run("sinfo", "-hN", "-o%T").split()) == {"idle"}, "all nodes to be back")


def begun(cluster, job_id):
    """Let a requeued job begin: Slurm would have it wait for two minutes, to be sure that all steps are over."""
    waits = "PENDING BeginTime"
    wait_for(lambda: waits in cluster.run("squeue", "-h", "-j", job_id, "-o%T %r"), "the job to be in the queue again")
    time.sleep(5)
    cluster.run("scontrol", "update", f"jobid={job_id}", "starttime=now")


def ended(cluster, job_id):
    """Wait for the end of the job; return Slurm's fields of it."""
    wait_for(lambda: job_id not in cluster.jobs(), f"the end of job {job_id}", timeout_s=120)
    return dict(re.findall(r"(\w+)=(\S+)", cluster.run("scontrol", "-o", "show", "job", job_id)))


@pytest.mark.parametrize(
    "partition", ["gpu", *(pytest.param(one, marks=pytest.mark.slow) for one in ("spot", "grace"))]
)
def test_a_preempted_job_is_named_and_followed_by_another(cluster, partition):
    """Whether the partition requeues or cancels what it preempts: our job is not one to be requeued."""
    job = cluster.job_file(f"preempted-{partition}", slurm={"partition": partition}, benchmark=TWO_POINTS)
    process = cluster.start_playbook(job, "-e", "job_retries=1")
    seen = cluster.until(process, "c=1 measured, valid")
    first = cluster.latest
    cluster.preempt()
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    # Whoever hears of it first says so: the holder while it ends, or Slurm once the job is gone.
    said = rf"Job {first.name} is (ending|over): .*preempted, Slurm gave its nodes to a job of higher"
    assert re.search(said, played.text), played.text
    assert "Job attempt 2 of 2, on any nodes" in played.text
    assert f"c=1 taken over from job {first.name}" in played.text
    assert "c=3 measured, valid" in played.text
    assert '"code": "preempted", "reason": "signal 15: preempted' in (first / "steps.jsonl").read_text()
    output = " ".join(cluster.rollup(first)["invalid_reasons"])
    assert "preempted" in output, output
    assert list(first.glob("evidence/*")) == []  # no step is to blame
    cluster.gone(job.stem)


@pytest.mark.slow
def test_a_point_in_which_the_job_was_suspended_is_measured_again(cluster):
    """For longer than the lease, which nobody can renew meanwhile."""
    job = cluster.job_file(
        "suspended",
        benchmark=dict(LONG, concurrencies=[1, 2], num_prompts_mult=400),
        # On a busy machine etcd may else end the leases of workers (10 s) before they renew them, and then they end.
        environment={"ETCD_LEASE_TTL": "60"},
    )
    process = cluster.start_playbook(job, "-e", "lease_s=15")
    seen = cluster.until(process, "c=1 measured, valid")
    job_id = cluster.latest.name
    wait_for(lambda: cluster.progress() > 0, "the second point to be measured")
    cluster.run("scontrol", "suspend", job_id)
    time.sleep(16)
    cluster.run("scontrol", "resume", job_id)
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    assert "c=2 will be measured again" in played.text
    assert "c=2 measured, valid" in played.text
    (first,) = cluster.latest.glob("results/*/*_concurrency_2_*.attempt1.verdict.json")
    assert re.search(r"the job was paused for \d\d", first.read_text())
    assert re.search(r'"reason": "paused for \d\d', (cluster.latest / "steps.jsonl").read_text())
    cluster.gone("suspended")


def test_a_job_whose_prolog_fails_is_followed_by_one_without_that_node(cluster, heal):
    (cluster.traps / "prolog.node001").write_text("exit 1\n")
    played = cluster.playbook(cluster.job_file("prologue"), "-e", "job_retries=1")
    assert played.rc == 0, played.text
    pattern = r"Job \d+ .*: CANCELLED .*node001: Prolog error.* Job attempt 2 of 2 without node001\."
    assert re.search(pattern, played.text), played.text
    assert "node001" not in [node["name"] for node in cluster.plan()["nodes"]]
    cluster.gone("prologue")


@pytest.mark.slow
def test_a_job_whose_first_node_is_lost_before_it_begins_is_cancelled(cluster, heal):
    (cluster.traps / "prolog.node001").write_text("sleep 4\n")
    process = cluster.start_playbook(cluster.job_file("nobody"), "-e", "job_retries=1")
    wait_for(lambda: cluster.jobs("nobody"), "the job")
    wait_for(lambda: "R node001" in cluster.run("squeue", "-h", "--name=nobody", "-o%t %B"), "its first node")
    cluster.run("scontrol", "update", "nodename=node001", "state=down", "reason=a test")
    (cluster.traps / "prolog.node001").unlink()
    played = cluster.rest(process)
    assert played.rc == 0, played.text
    assert re.search(r"Job attempt 2 of 2 without node001", played.text), played.text
    assert "node001" not in [node["name"] for node in cluster.plan()["nodes"]]
    cluster.gone("nobody")


@pytest.mark.slow
def test_the_first_node_set_down_while_measuring_is_named_and_left_out_by_the_retry(cluster, heal):
    job = cluster.job_file("headless", benchmark=TWO_POINTS)
    process, _job_id, seen = cluster.measuring(job, "-e", "job_retries=1")
    first = cluster.plan()["holder_node"]
    cluster.run("scontrol", "update", f"nodename={first}", "state=down", "reason=a test")
    played = cluster.rest(process, seen)
    assert played.rc == 0, played.text
    assert f"without {first}" in " ".join(played.text.split())
    assert first not in [node["name"] for node in cluster.plan()["nodes"]]
    cluster.gone("headless")


@pytest.mark.slow
def test_a_job_that_a_user_cancels_while_it_waits_is_not_followed_by_another(cluster):
    cluster.preempt(seconds=60)
    wait_for(lambda: cluster.run("squeue", "-h", "--name=urgent", "-o%t").strip() == "R", "the nodes to be taken")
    process = cluster.start_playbook(cluster.job_file("unwanted"), "-e", "job_retries=2")
    seen = cluster.until(process, "is PENDING (")
    cluster.run("scancel", "--name=unwanted")
    played = failed(cluster.rest(process, seen), "ended before it could be used: CANCELLED")
    assert "Job attempt 2" not in played.text
    assert cluster.jobs("unwanted") == []


@pytest.mark.slow
@pytest.mark.parametrize("partition", ["gpu", "spot", "grace"])
def test_a_submitted_job_that_is_preempted_is_requeued(cluster, partition):
    """By Slurm where the partition requeues what it preempts, else by its holder."""
    job = cluster.job_file(
        f"twice-{partition}", slurm={"partition": partition}, benchmark=TWO_POINTS,
        environment={"HF_TOKEN": "Marker-again-77b1"},
    )  # fmt: skip
    job_id, run_dir = cluster.submit(job, "-e", "job_retries=1")
    log = run_dir / "playbook.log"
    wait_for(lambda: "c=1 measured, valid" in log.read_text(), "the first point", timeout_s=180)
    cluster.preempt()
    begun(cluster, job_id)
    assert (run_dir / ".secrets" / "env.json").exists()
    assert ended(cluster, job_id)["JobState"] == "COMPLETED", log.read_text()
    text = log.read_text()
    assert f"Job {job_id} ends: signal 15: preempted, Slurm gave its nodes" in text
    assert "The job is requeued: attempt 2 of 2 starts when it gets nodes." in text
    assert "c=1 kept" in text
    assert "c=3 measured, valid" in text
    assert cluster.rollup(run_dir)["valid"] is True
    assert not (run_dir / ".secrets").exists()


@pytest.mark.slow
def test_a_submitted_job_with_a_gpu_fault_begins_again_without_that_node(cluster, heal):
    line = "NVRM: Xid (PCI:0000:0b:00): 79, GPU has fallen off the bus"
    cluster.trap("mocker", f'if [ "$SLURMD_NODENAME" = node002 ]; then echo "{line}"; sleep 1; exit 1; fi')
    job_id, run_dir = cluster.submit(cluster.job_file("sick-inside"), "-e", "job_retries=1", "-e", "keep=true")
    waits = "PENDING BeginTime"
    wait_for(lambda: waits in cluster.run("squeue", "-h", "-j", job_id, "-o%T %r"), "the job to be in the queue again")
    status = cluster.run("ansible-playbook", "playbooks/status.yml", "-e", f"run_dir={run_dir}")
    assert (
        "requeued: attempt 2 of 2 starts when it gets nodes; the previous job attempt ended: its playbook ended"
        in status
    )
    assert not re.search("is ending|results:|left|workers:", status.partition("run directory:")[0]), status
    begun(cluster, job_id)
    log = run_dir / "playbook.log"
    wait_for(lambda: "c=2 measured, valid" in log.read_text(), "the point", timeout_s=180)
    assert "The job is requeued: attempt 2 of 2 starts when it gets nodes." in log.read_text()
    (evidence,) = [json.loads(path.read_text()) for path in run_dir.glob("evidence/*.json")]
    assert (evidence["node"], evidence["kind"], evidence["attempt"]) == ("node002", "gpu", 1)
    plan = cluster.plan(run_dir)
    assert "node002" not in [node["name"] for node in plan["nodes"]]
    wait_for(lambda: cluster.steps(job_id), "the service to stay up")
    cluster.run("scancel", "--signal=TERM", "--batch", job_id)
    assert "Restarts=1 " in cluster.run("scontrol", "-o", "show", "job", job_id)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["first", "last"])
def test_a_submitted_job_whose_node_fails_begins_again(cluster, heal, which):
    job_id, run_dir = cluster.submit(cluster.job_file(f"lost-{which}", benchmark=TWO_POINTS), "-e", "job_retries=1")
    log = run_dir / "playbook.log"
    wait_for(lambda: "c=1 measured, valid" in log.read_text(), "the first point", timeout_s=180)
    node = [one["name"] for one in cluster.plan(run_dir)["nodes"]][0 if which == "first" else -1]
    cluster.run("scontrol", "update", f"nodename={node}", "state=down", "reason=a test")
    begun(cluster, job_id)
    assert ended(cluster, job_id)["JobState"] == "COMPLETED", log.read_text()
    assert "c=1 kept" in log.read_text()
    assert cluster.rollup(run_dir)["valid"] is True


@pytest.mark.slow
def test_a_submitted_job_that_a_user_cancels_is_not_requeued(cluster):
    job_id, run_dir = cluster.submit(cluster.job_file("unwanted-inside", benchmark=LONG), "-e", "job_retries=1")
    wait_for(lambda: "c=2 starting" in (run_dir / "playbook.log").read_text(), "the first point", timeout_s=180)
    cluster.run("scancel", job_id)
    assert ended(cluster, job_id)["JobState"] == "CANCELLED"
    wait_for(lambda: not (run_dir / ".secrets").exists() and cluster.processes() == [], "nothing to be left")


@pytest.fixture
def hidden(cluster):
    """Return a function that hides a directory from all nodes, as if it were on a disk of the submit host alone."""
    nodes, folders = [f"node00{number}" for number in range(1, NODES + 1)], []

    def hide(folder):
        for node in nodes:
            try:
                cluster.run("mount", "-t", "tmpfs", "none", str(folder), node=node)
            except AssertionError:
                pytest.skip("nothing can be mounted on the nodes here")
            folders.append((node, folder))

    yield hide
    for node, folder in folders:
        cluster.run("umount", "--lazy", str(folder), node=node)


def test_a_runtime_environment_that_the_nodes_do_not_see_is_named(cluster, hidden):
    runtime = cluster.folder / "runtime" / "bin"
    runtime.mkdir(parents=True)
    (runtime / "python").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (runtime / "python").chmod(0o755)
    hidden(runtime.parent)
    job_id, run_dir = cluster.submit(cluster.job_file("unseen"), "-e", f"runtime_dir={runtime.parent}")
    assert ended(cluster, job_id)["ExitCode"] == "127:0"
    why = f"node001 cannot run {runtime}/python: No such file or directory. The playbook needs a Python with"
    assert why in (run_dir / "playbook.log").read_text()
    status = cluster.run("ansible-playbook", "playbooks/status.yml", "-e", f"run_dir={run_dir}")
    assert f"ended: its playbook could not be started: {why}" in status, status


@pytest.mark.slow
def test_an_output_directory_that_the_nodes_do_not_see_is_named(cluster, hidden):
    folder = cluster.folder / "not shared"
    folder.mkdir()
    hidden(folder)
    where = json.dumps({"output_dir": str(folder)})
    why = "node001 could not open the job's output. The nodes must see output_dir under the same path"
    played = failed(cluster.playbook(cluster.job_file("unseen-output"), "-e", where, "-e", "job_retries=1"), why)
    assert "Job attempt 2 of 2" not in played.text  # it is for no other node to cure
    assert cluster.jobs("unseen-output") == []
    job = cluster.job_file("unseen-inside")
    cluster.run("ansible-playbook", "playbooks/submit.yml", "-e", f"@{job}", "-e", where)
    wait_for(lambda: cluster.jobs("unseen-inside") == [], "the end of the job")
    assert why in cluster.run("ansible-playbook", "playbooks/status.yml", "-e", where)


@pytest.mark.slow
def test_a_submitted_job_without_retries_left_ends(cluster, heal):
    cluster.trap("mocker", 'echo "NVRM: Xid 79, GPU has fallen off the bus"; sleep 1; exit 1')
    job_id, run_dir = cluster.submit(cluster.job_file("sick-twice"), "-e", "job_retries=1")
    begun(cluster, job_id)
    fields = ended(cluster, job_id)
    assert "The job is not requeued: job_retries is used up." not in (run_dir / "playbook.log").read_text()
    assert (fields["JobState"], fields["Restarts"]) == ("FAILED", "1"), (run_dir / "playbook.log").read_text()
    assert len(list(run_dir.glob("evidence/*.2.json"))) > 0
