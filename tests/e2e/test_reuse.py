# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs again, and runs elsewhere: what is there is used, and only what changed starts anew."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal

import pytest
from cluster import ROOT, interrupt, wait_for

MOCKER = {"type": "mocker", "speedup_ratio": 1000}
BENCHMARK = {
    "type": "sa-bench", "isl": 64, "osl": 11, "concurrencies": [2], "num_prompts_mult": 5, "num_warmup_mult": 1,
}  # fmt: skip
FRONTEND = {"type": "dynamo", "num_additional_frontends": 1, "args": {"router-mode": "kv"}}


@pytest.fixture(scope="module")
def up(cluster):
    """A service that is up, without a measurement; yields its job id."""
    job = cluster.job_file("reused")
    played = cluster.playbook(job, "-e", "keep=600", "--skip-tags", "benchmark,rollup")
    assert played.rc == 0, played.text
    job_id = cluster.latest.name
    yield job_id
    cluster.end(cluster.job_file("reused"))


def service(steps):
    """Return *steps* without those of the benchmark."""
    return {name: step for name, step in steps.items() if not name.startswith("bench")}


def changed_by(cluster, job_id, *args, **changes):
    """Run the playbook on the job with *changes*; return the names of the steps that are new, and the run."""
    before = service(cluster.steps(job_id))
    played = cluster.playbook(cluster.job_file("reused", **changes), "-e", "keep=600", *args)
    assert played.rc == 0, played.text
    after = service(cluster.steps(job_id))
    assert set(after) == set(before)
    return {name for name in after if after[name] != before[name]}, played


def test_a_change_of_the_benchmark_restarts_nothing(cluster, up):
    new, played = changed_by(cluster, up, benchmark=dict(BENCHMARK, concurrencies=[2, 3]))
    assert new == set()
    assert "c=2 measured" in played.text
    assert "c=3 measured" in played.text


def test_points_with_the_same_digest_are_not_measured_again(cluster, up):
    new, played = changed_by(cluster, up, benchmark=dict(BENCHMARK, concurrencies=[2, 3, 4]))
    assert new == set()
    assert "c=2 kept" in played.text
    assert "c=3 kept" in played.text
    assert "c=4 measured" in played.text


def test_a_run_with_chosen_points_is_valid_by_them(cluster, up):
    two = dict(BENCHMARK, osl=9, concurrencies=[2, 3])
    new, played = changed_by(cluster, up, "-e", "concurrencies=2", benchmark=two)
    assert new == set()
    assert "The selected points are valid; left out: c=3." in played.text
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert (rollup["valid"], rollup["left_out"]) == (False, ["c=3"])
    played = cluster.playbook(
        cluster.job_file("reused", benchmark=two), "-e", "keep=600", "-e", "concurrencies=3", "--tags", "rollup"
    )
    assert played.rc != 0 and "The results are not valid: c=3: was not measured." in " ".join(played.text.split())
    _new, played = changed_by(cluster, up, benchmark=two)
    assert "c=2 kept" in played.text and "The results are valid." in played.text
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert (rollup["valid"], rollup["left_out"]) == (True, [])


def test_a_change_of_one_kind_of_worker_restarts_those_only(cluster, up):
    changed = dict(MOCKER, mocker_config={"decode": {"block-size": 32}})
    new, _played = changed_by(cluster, up, "--skip-tags", "benchmark,rollup", backend=changed)
    assert new == {"decode_0", "decode_1"}
    new, _played = changed_by(cluster, up, "--skip-tags", "benchmark,rollup")
    assert new == {"decode_0", "decode_1"}


def test_a_service_of_other_options_is_not_measured_for_the_plan(cluster, up):
    changed = cluster.job_file("reused", backend=dict(MOCKER, mocker_config={"decode": {"block-size": 64}}))
    before = cluster.steps(up)
    played = cluster.playbook(changed, "-e", "keep=600", "--tags", "benchmark,rollup")
    text = " ".join(played.text.split())
    assert played.rc != 0
    assert "The running service does not match the plan: decode_0 was started with other options" in text
    assert cluster.steps(up) == before


@pytest.mark.slow
def test_a_measurement_that_was_left_behind_is_not_taken_for_one_of_another_service(cluster, up):
    points = dict(BENCHMARK, osl=13, concurrencies=[2], num_prompts_mult=500)
    process = cluster.start_playbook(cluster.job_file("reused", benchmark=points), "-e", "keep=600")
    wait_for(lambda: "bench_c2" in cluster.steps(up), "the measurement")
    interrupt(process, signal.SIGKILL)
    process.communicate(timeout=60)
    wait_for(lambda: "bench_c2" not in cluster.steps(up), "the end of the measurement")
    other = dict(MOCKER, mocker_config={"decode": {"block-size": 32}})
    new, played = changed_by(cluster, up, benchmark=points, backend=other)
    assert new == {"decode_0", "decode_1"}
    assert "c=2 measured, valid" in played.text
    changed_by(cluster, up, "--skip-tags", "benchmark,rollup")  # as it was


@pytest.mark.slow
def test_two_runs_with_different_points_take_turns(cluster, up):
    points = dict(BENCHMARK, osl=14, num_prompts_mult=100)
    argv = ("-e", "keep=600", "--tags", "benchmark")
    first = cluster.start_playbook(cluster.job_file("reused", benchmark=dict(points, concurrencies=[2])), *argv)
    wait_for(lambda: cluster.freeze("/load_client"), "the first measurement")
    second = cluster.start_playbook(cluster.job_file("reused", benchmark=dict(points, concurrencies=[5])), *argv)
    seen = []
    for line in second.stdout:
        seen.append(line)
        if "c=5 waits for bench_c2, which is being measured" in line:
            break
    assert cluster.freeze("/load_client", signal.SIGCONT), "".join(seen)  # so it was not over
    texts = [one.communicate(timeout=180)[0] for one in (first, second)]
    seen = "".join(seen) + texts[1]
    assert (first.returncode, second.returncode) == (0, 0), texts[0] + seen
    assert "c=5 waits for bench_c2, which is being measured" in seen
    assert "c=2 measured, valid" in texts[0]
    assert "c=5 measured, valid" in seen


@pytest.mark.slow
def test_who_was_registered_in_a_lost_etcd_starts_anew_with_it(cluster, up):
    before = cluster.steps(up)
    cluster.run("scancel", "--signal=KILL", before["etcd"])
    wait_for(lambda: before["etcd"] not in cluster.steps(up).values(), "etcd to be gone")
    played = cluster.playbook(cluster.job_file("reused"), "-e", "keep=600", "--skip-tags", "benchmark,rollup")
    assert played.rc == 0, played.text
    after = service(cluster.steps(up))
    assert {name for name in after if after[name] == before.get(name)} == {"nats", "nginx"}


def test_a_change_of_a_frontend_leaves_workers_alone(cluster, up):
    changed = dict(FRONTEND, args={"router-mode": "round-robin"})
    new, _played = changed_by(cluster, up, "--skip-tags", "benchmark,rollup", frontend=changed)
    assert new == {"frontend_0", "frontend_1"}
    new, _played = changed_by(cluster, up, "--skip-tags", "benchmark,rollup")
    assert new == {"frontend_0", "frontend_1"}


@pytest.mark.slow
def test_a_setting_that_comes_back_finds_its_results_again(cluster, up):
    """A, B, A, B in one run; then A would be taken over into another allocation although B is the current one."""
    points = dict(BENCHMARK, osl=15)
    other = dict(FRONTEND, args={"router-mode": "round-robin"})
    settings = {"A": {"benchmark": points}, "B": {"benchmark": points, "frontend": other}}
    begun = {}

    def stands():
        (point,) = json.loads((cluster.latest / "rollup.json").read_text())["results"]
        assert point["valid"] is True
        return point["started_at"]

    for setting in "AB":
        _new, played = changed_by(cluster, up, **settings[setting])
        assert "c=2 measured, valid" in played.text
        begun[setting] = stands()
    checked = cluster.playbook(cluster.job_file("reused", benchmark=points), "-e", "keep=600", "--check")
    # Which attempt it is depends on whether a busy machine had one measured twice.
    assert checked.rc == 0 and re.search(r"c=2 would be kept \(attempt \d of this run\), valid", checked.text)
    for setting in "AB":
        _new, played = changed_by(cluster, up, **settings[setting])
        assert re.search(r"c=2 kept \(attempt \d of this run\), valid", played.text), played.text
        assert stands() == begun[setting]
    later = cluster.playbook(cluster.job_file("later", benchmark=points), "--check")
    assert later.rc == 0 and f"c=2 would be taken over from job {up}, measured " in later.text, later.text
    changed_by(cluster, up, "--skip-tags", "benchmark,rollup")  # as it was


@pytest.mark.slow
def test_other_weights_under_the_same_path_are_another_service(cluster, up):
    """Old weights, new ones, old ones again under one path; prompts have the chat template of the model."""
    folder = cluster.folder / "weights"
    shutil.copytree(cluster.model, folder)
    job = {"model": {"path": str(folder)}, "benchmark": dict(BENCHMARK, osl=17)}
    readers = {"prefill_0", "decode_0", "decode_1", "frontend_0", "frontend_1"}
    for weights, said in (("old", "measured"), ("new", "measured"), ("old", "kept (attempt 1 of this run)")):
        (folder / "model.safetensors").write_text(weights)
        new, played = changed_by(cluster, up, **job)
        assert new == readers and f"c=2 {said}, valid" in played.text
    new, played = changed_by(cluster, up, **job)
    assert new == set() and played.changed == 0, played.text
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert rollup["inputs"]["model.path"]["path"] == str(folder) and rollup["inputs"]["model.path"]["fingerprint"]
    result = json.loads((cluster.latest / rollup["results"][0]["path"]).read_text())
    assert result["chat_template"] is True and result["server_input_tokens"] == result["total_input_tokens"]
    changed_by(cluster, up, "--skip-tags", "benchmark,rollup")  # as it was


def test_stages_alone_in_another_order(cluster, up):
    before = cluster.steps(up)
    job = cluster.job_file("reused")
    cluster.run("scancel", "--signal=KILL", before["decode_1"])
    wait_for(lambda: "decode_1" not in cluster.steps(up), "the worker to be gone")
    for tags, steps in (("rollup", 0), ("frontend", 0), ("worker", 1), ("health", 1), ("head_infra,worker", 1)):
        played = cluster.playbook(job, "-e", "keep=600", "--tags", tags)
        assert played.rc == 0 or tags == "rollup", played.text  # which tells whether all points are there
        assert len(service(cluster.steps(up))) == len(before) - 1 + steps, tags
    after = cluster.steps(up)
    assert {name for name in before if before[name] != after[name]} == {"decode_1"}


def test_from_another_host_and_another_directory(cluster, up):
    """A node of the cluster stands for a second submit host: it shares nothing but the files."""
    job = cluster.job_file("reused")
    before = cluster.steps(up)
    node = cluster.run("squeue", "--noheader", "--job", up, "--format=%N").strip()
    last = cluster.run("scontrol", "show", "hostnames", node).split()[-1]
    argv = ["env", "-C", str(cluster.folder), f"ANSIBLE_COLLECTIONS_PATH={ROOT}/collections", "ansible-playbook",
            "srt.slurm.bench", "-e", f"@{job}", "-e", f"output_dir={cluster.output}", "-e", "keep=600",
            "--skip-tags", "benchmark,rollup"]  # fmt: skip
    text = cluster.run(*argv, node=last)
    assert re.search(r"^localhost .* changed=0 ", text, re.M), text
    assert cluster.steps(up) == before


def test_a_job_id_that_is_not_there_is_an_error(cluster):
    played = cluster.playbook(cluster.job_file("nowhere"), "-e", "job_id=999999")
    assert played.rc != 0
    assert "Job 999999 does not exist" in played.text
    assert cluster.jobs("nowhere") == []


@pytest.fixture
def allocation(cluster):
    """An allocation that somebody made with salloc; yields its job id."""
    cluster.run("salloc", "--no-shell", "--job-name=mine", "--nodes=3", "--ntasks=3", "--exclusive", "--time=10")
    (job_id,) = cluster.jobs("mine")
    yield job_id
    cluster.run("scancel", job_id)
    wait_for(lambda: cluster.jobs("mine") == [], "the allocation to be gone")


@pytest.mark.slow
def test_an_allocation_of_another_user_is_adopted_and_left(cluster, allocation):
    job = cluster.job_file("adopted")
    checked = cluster.playbook(job, "-e", f"job_id={allocation}", "--check")
    assert checked.rc == 0, checked.text
    played = cluster.playbook(job, "-e", f"job_id={allocation}", "-e", "keep=600")
    assert played.rc == 0, played.text
    assert cluster.latest.name == allocation
    assert f"note: Job {allocation} was not submitted by srt.slurm. Its holder is a step" in played.text
    assert cluster.jobs("adopted") == []
    before = cluster.steps(allocation)
    assert {"prefill_0", "srt_holder"} <= set(before)
    again = cluster.playbook(job, "-e", "keep=600", env={"SLURM_JOB_ID": allocation})
    assert again.rc == 0, again.text
    assert again.changed == 0, again.text
    assert cluster.steps(allocation) == before
    other = cluster.playbook(job, "-e", f"job_id={allocation}", "-e", f"output_dir={cluster.folder}/elsewhere")
    assert other.rc != 0
    assert f"Job {allocation} has a service whose run directory is not" in other.text
    assert cluster.steps(allocation) == before
    ended = cluster.playbook(job, "--tags", "teardown", env={"SLURM_JOB_ID": allocation})
    assert ended.rc == 0, ended.text
    wait_for(lambda: cluster.steps(allocation) == {}, "Slurm to have counted out all steps", timeout_s=10)
    assert cluster.jobs("mine") == [allocation]


def test_an_allocation_with_the_number_of_an_old_run_gets_a_directory_of_its_own(cluster, allocation):
    old = cluster.output / allocation
    (old / "results").mkdir(parents=True)
    (old / "steps.jsonl").write_text('{"event": "holder", "phase": "begin"}\n')
    (old / f"{allocation}.json").write_text('{"submitted_at": "2020-01-01T00:00:00Z"}')
    job, here = cluster.job_file("second"), ("-e", f"job_id={allocation}", "-e", "keep=600")
    alone = cluster.playbook(job, *here, "--tags", "worker")
    assert alone.rc != 0
    assert f"belongs to an earlier job with the id {allocation}" in alone.text
    assert not (old / "plan.json").exists()
    played = cluster.playbook(job, *here, "--skip-tags", "benchmark,rollup")
    assert played.rc == 0, played.text
    aside = cluster.output / f"{allocation}.earlier1"
    assert f"note: {old} was of an earlier job with this id; it is {aside} now." in played.text
    assert not (aside / "plan.json").exists()
    assert (old / "plan.json").exists()
    ended = cluster.playbook(job, *here, "--tags", "teardown")
    assert ended.rc == 0, ended.text
    assert "ending: ended with --tags teardown (" in (old / f"slurm-{allocation}.out").read_text()


def test_an_allocation_that_is_too_small_is_refused(cluster, allocation):
    resources = {"gpus_per_node": 8, "prefill_nodes": 2, "prefill_workers": 2, "decode_nodes": 2, "decode_workers": 2}
    played = cluster.playbook(cluster.job_file("big", resources=resources), "-e", f"job_id={allocation}")
    assert played.rc != 0
    assert f"Job {allocation} has 3 nodes, but 4 are needed" in played.text
    assert cluster.steps(allocation) == {}


def test_an_interrupted_measurement_goes_on_in_a_new_allocation(cluster):
    job = cluster.job_file("resumed", benchmark=dict(BENCHMARK, concurrencies=[2, 3], num_prompts_mult=20))
    process = cluster.start_playbook(job)
    for line in process.stdout:
        if "c=2 measured" in line:
            break
    interrupt(process, signal.SIGKILL)
    process.stdout.read()
    process.wait(timeout=60)
    first = cluster.latest.name
    cluster.run("scancel", first)
    wait_for(lambda: cluster.jobs("resumed") == [], "the allocation to be gone")
    played = cluster.playbook(job)
    assert played.rc == 0, played.text
    second = cluster.latest
    assert second.name != first
    assert f"c=2 taken over from job {first}" in played.text
    assert json.loads((second / "rollup.json").read_text())["valid"] is True
    assert "ending: the run has finished (" in (second / f"slurm-{second.name}.out").read_text()
    assert not os.path.exists(second / ".secrets")
