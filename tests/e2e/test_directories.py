# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run directories and the jobs that they belong to: other directories, numbers that come again, what is left behind."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal

import pytest
from cluster import ROOT, wait_for

LATER = {"begin": "now+1hour"}
SECRET = {"HF_TOKEN": "Marker-directory-19d4"}


def playbook(cluster, name, *args, check=True):
    """Run one of the playbooks; return its text in one line."""
    return " ".join(cluster.run("ansible-playbook", f"playbooks/{name}.yml", *args, check=check).split())


def submit(cluster, name, *args, **changes):
    """Submit a job; return (job id, run directory)."""
    job = cluster.job_file(name, **changes)
    text = playbook(cluster, "submit", "-e", f"@{job}", "-e", f"output_dir={cluster.output}", *args)
    job_id = re.search(r"Job (\d+) \(.*?\) was submitted", text).group(1)
    return job_id, cluster.output / job_id


@pytest.fixture
def old(cluster, tmp_path):
    """Return a function that makes the directory of an old run with a job's number."""

    def make(job_id):
        folder = tmp_path / "old" / job_id
        folder.mkdir(parents=True)
        about = {"job_id": job_id, "job_name": "long-ago", "submitted_at": "2020-01-01T00:00:00Z"}
        (folder / f"{job_id}.json").write_text(json.dumps(about))
        (folder / "programs" / "holder").mkdir(parents=True)
        (folder.parent / "latest").symlink_to(job_id)
        return folder

    return make


@pytest.mark.slow
def test_a_live_job_with_the_number_of_an_old_run_is_left_alone(cluster, old):
    job_id, run_dir = submit(cluster, "numbered", "-e", "keep=600")
    wait_for(lambda: "PLAY RECAP" in (run_dir / "playbook.log").read_text(), "the playbook", 180)
    folder = old(job_id)
    where = ("-e", f"output_dir={folder.parent}")
    status = playbook(cluster, "status", *where)
    assert f"job {job_id} long-ago: GONE" in status
    assert f"is a foreign job: it works in {run_dir}. It was left alone" in status
    for more in ((), ("-e", f"job_id={job_id}")):
        text = playbook(cluster, "stop", *where, *more)
        assert f"is a foreign job: it works in {run_dir}. It was left alone" in text
        assert "changed=0" in text
    # One of the same output directory that was set aside.
    aside = run_dir.with_name(f"{job_id}.earlier1")
    aside.mkdir()
    text = playbook(cluster, "stop", "-e", f"run_dir={aside}")
    assert f"The run of {aside} is over. Nothing was ended." in text
    assert "changed=0" in text
    assert "prefill_0" in cluster.steps(job_id)
    # Of that one, from somewhere else and by its number alone.
    assert "changed=1" in playbook(cluster, "stop", "-e", f"job_id={job_id}", "-e", f"output_dir={folder}")
    assert job_id not in cluster.jobs()


@pytest.mark.slow
def test_a_foreign_job_with_the_number_of_an_old_run_is_left_alone(cluster, old):
    argv = ["sbatch", "--parsable", "--hold", "--job-name=theirs", "--output=/dev/null", "--wrap=sleep 600"]
    job_id = cluster.run(*argv).strip()
    folder = old(job_id)
    text = playbook(cluster, "stop", "-e", f"output_dir={folder.parent}")
    assert "is a foreign job: it (theirs) was submitted at" in text
    assert job_id in cluster.jobs()
    cluster.run("scancel", job_id)


@pytest.mark.slow
def test_a_service_is_not_used_from_another_output_directory(cluster, tmp_path):
    job = cluster.job_file("elsewhere")
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    (job_id,) = cluster.jobs("elsewhere")
    for tags in ((), ("--tags", "benchmark"), ("--check",)):
        other = cluster.playbook(job, "-e", f"output_dir={tmp_path}/out2", *tags)
        assert other.rc != 0
        text = " ".join(other.text.split())
        assert f"Job {job_id} (elsewhere) already exists and works in {cluster.output}, not in" in text
        assert f"-e output_dir={cluster.output}" in text
    # As the message says; here from another working directory.
    argv = cluster.playbook_argv(job, "--tags", "benchmark")
    argv[argv.index("bench.yml")] = str(ROOT / "bench.yml")
    inside = len(cluster.prefix())
    moved = [*argv[:inside], "env", "-C", str(tmp_path), f"ANSIBLE_CONFIG={ROOT}/ansible.cfg", *argv[inside:]]
    again = cluster.play(moved)
    assert again.rc == 0, again.text
    assert again.changed == 0, again.text
    text = playbook(cluster, "submit", "-e", f"@{job}", "-e", f"output_dir={tmp_path}/out2", check=False)
    assert f"Job {job_id} (elsewhere) already exists (RUNNING) but does not run a playbook" in text
    assert "changed=0" in text
    assert "failed=1" in text
    assert not (tmp_path / "out2" / job_id).exists()
    cluster.end(job)


def test_secrets_of_a_job_that_was_cancelled_go_with_whoever_comes_next(cluster):
    for name in ("left-stop", "left-next"):
        job_id, run_dir = submit(cluster, name, environment=SECRET, sbatch_directives=LATER)
        cluster.run("scancel", job_id)
        wait_for(lambda one=job_id: one not in cluster.jobs(), "the job to be gone")
        assert (run_dir / ".secrets" / "env.json").exists()
        if name == "left-stop":
            assert "changed=0" in playbook(cluster, "stop", "-e", f"run_dir={run_dir}")
            assert not (run_dir / ".secrets").exists()
    waiting, its_dir = submit(cluster, "left-waits", environment=SECRET, sbatch_directives=LATER)
    assert not (run_dir / ".secrets").exists()
    assert (its_dir / ".secrets").exists()
    last, _last_dir = submit(cluster, "left-last", sbatch_directives=LATER)
    assert (its_dir / ".secrets").exists()  # that job still waits
    for job_id in (waiting, last):
        playbook(cluster, "stop", "-e", f"run_dir={cluster.output / job_id}")


@pytest.mark.slow
def test_secrets_of_a_job_whose_holder_was_killed_are_removed(cluster):
    job_id, run_dir = submit(cluster, "left-killed", "-e", "keep=600", environment=SECRET)
    wait_for((run_dir / "steps.jsonl").exists, "the holder")
    (holder,) = wait_for(lambda: holders(run_dir), "the holder's process")
    os.kill(holder, signal.SIGKILL)
    wait_for(lambda: job_id not in cluster.jobs(), "the end of the job")
    assert (run_dir / ".secrets" / "env.json").exists()
    playbook(cluster, "stop", "-e", f"job_id={job_id}", "-e", f"output_dir={cluster.output}")
    assert not (run_dir / ".secrets").exists()


def holders(run_dir):
    """Return the pids of the holders of a run directory."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue
        if "serve" in words and str(run_dir) in words and not words[0].endswith("srun"):
            found.append(int(process.name))
    return found


def test_an_output_directory_on_a_read_only_disk_is_found_before_anything_is_submitted(cluster, tmp_path):
    inside = f"mount -t tmpfs -o ro none '{tmp_path}' && exec \"$@\""
    argv = cluster.playbook_argv(cluster.job_file("sealed"), "-e", f"output_dir={tmp_path}")
    there = len(cluster.prefix())
    played = cluster.play([*argv[:there], "unshare", "--mount", "sh", "-c", inside, "sh", *argv[there:]])
    if "mount" in played.text and "denied" in played.text:
        pytest.skip("nothing can be mounted here")
    assert played.rc != 0
    text = " ".join(played.text.split())
    assert f"output_dir {tmp_path} cannot be written: Read-only file system" in text, text
    assert cluster.run("squeue", "--states=all", "--name=sealed", "-h") == ""


@pytest.mark.slow
def test_a_run_directory_that_is_removed_while_a_point_is_measured_is_the_reason_that_is_given(cluster):
    benchmark = {"type": "sa-bench", "isl": 64, "osl": 64, "num_prompts_mult": 400, "num_warmup_mult": 1}
    process = cluster.start_playbook(cluster.job_file("removed", benchmark={**benchmark, "concurrencies": [2, 3]}))
    for line in process.stdout:
        if re.search(r"bench_run: c=2 \d+/\d+ done", line):
            break
    run_dir = cluster.latest
    shutil.rmtree(run_dir, ignore_errors=True)
    text = " ".join(process.stdout.read().split())
    assert process.wait(timeout=120) != 0
    assert "c=2 measured, valid" not in text and "There is no plan" not in text, text
    assert f"The run directory {run_dir} was removed or moved, and its job cannot work without it" in text, text
    wait_for(lambda: cluster.jobs("removed") == [], "the end of the job")
