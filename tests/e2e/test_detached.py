# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fire and forget: the playbook inside the job, and looking at it, following it and ending it from outside."""

from __future__ import annotations

import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys

import pytest
from cluster import ROOT, interrupt, wait_for

BENCHMARK = {
    "type": "sa-bench", "isl": 64, "osl": 8, "concurrencies": [2], "num_prompts_mult": 5, "num_warmup_mult": 1,
}  # fmt: skip


def other(cluster, name, *args, node=None, rc=0):
    """Run another playbook than bench.yml; return its text."""
    argv = ["ansible-playbook", f"playbooks/{name}.yml", "-e", f"output_dir={cluster.output}", *args]
    text = cluster.run(*argv, node=node, check=rc == 0)
    assert rc or "failed=0" in text, text
    return text


def submit(cluster, job, *args):
    """Submit *job*; return (job id, run directory)."""
    text = other(cluster, "submit", "-e", f"@{job}", *args)
    job_id, log = re.search(r"Job (\d+) \(.*?\) was submitted.\s+Log: (\S+?)\"", text).groups()
    run_dir = pathlib.Path(log).parent
    assert run_dir == cluster.output / job_id
    assert pathlib.Path(log).exists()
    return job_id, run_dir


def exit_code(cluster, job_id):
    """Wait for the end of the job; return (state, exit code)."""
    wait_for(lambda: job_id not in cluster.jobs(), f"the end of job {job_id}", timeout_s=180)
    output = cluster.run("scontrol", "show", "job", job_id)
    return re.search(r"JobState=(\w+)", output).group(1), int(re.search(r"ExitCode=(\d+):", output).group(1))


def test_a_submitted_run_measures_what_it_was_given_and_ends(cluster):
    # Lengths of its own, or the points of an earlier test would be taken over.
    job = cluster.job_file("fired", benchmark=dict(BENCHMARK, isl=65))
    job_id, run_dir = submit(cluster, job, "-e", "job_tags=nightly,h100")
    cluster.job_file("fired", benchmark=dict(BENCHMARK, concurrencies=[7]))  # too late: the job is frozen
    followed = other(cluster, "logs", "-e", f"job_id={job_id}")
    assert "c=2 measured, valid" in followed
    assert "PLAY RECAP" in followed
    assert exit_code(cluster, job_id) == ("COMPLETED", 0)
    assert json.loads((run_dir / "rollup.json").read_text())["valid"] is True
    assert json.loads((run_dir / f"{job_id}.json").read_text())["tags"] == ["nightly", "h100"]
    text = other(cluster, "status", "-e", f"job_id={job_id}", node="node008")
    for words in ("COMPLETED (exit code 0:0), stage ended", "points: 1 of 1 done", "c=2 done", "results: valid"):
        assert words in text, text
    (log,) = run_dir.glob("logs/*_decode_0.out")
    worker = other(cluster, "logs", "-e", f"job_id={job_id}", "-e", "step=decode_0", "-e", "lines=2")
    assert "\n".join(log.read_text().splitlines()[-2:]) in worker
    wrong = other(cluster, "logs", "-e", f"job_id={job_id}", "-e", "step=decode_9", rc=2)
    assert "The run has no step decode_9. It has: playbook, job, bench_c2, decode_0" in wrong


@pytest.mark.slow
def test_the_exit_code_of_the_job_is_the_playbooks(cluster):
    broken = {"type": "mocker", "mocker_config": {"aggregated": {}, "prefill": {"no-such-flag": 1}}}
    job_id, run_dir = submit(cluster, cluster.job_file("fired-badly", backend=broken))
    assert exit_code(cluster, job_id) == ("FAILED", 2)
    assert "no-such-flag" in (run_dir / "playbook.log").read_text()
    assert json.loads((run_dir / "rollup.json").read_text())["valid"] is False
    status = other(cluster, "status", "-e", f"job_id={job_id}")
    assert "FAILED (NonZeroExitCode, exit code 2:0), stage ended" in status
    assert re.search(r"prefill_0 on node\d+: exited with code", status), status


def test_status_and_stop_of_a_run_that_goes_on(cluster):
    long = dict(BENCHMARK, concurrencies=[1, 2], osl=200, num_prompts_mult=2000)
    slow = {"type": "mocker", "speedup_ratio": 10}
    job_id, run_dir = submit(cluster, cluster.job_file("fired-long", benchmark=long, backend=slow))
    assert "already exists (" in other(cluster, "submit", "-e", f"@{cluster.folder}/fired-long.yaml")

    def measuring():
        text = other(cluster, "status", "-e", f"job_id={job_id}", node="node007")
        return re.search(r"c=1 running [1-9]\d*/2000", text) and text

    text = wait_for(measuring, "the measurement to begin", timeout_s=180)
    assert re.search(rf"job {job_id} fired-long: RUNNING, stage benchmark, 0:1\d:\d\d left, lease \d+ s", text), text
    assert "workers: 3 of 3 running" in text
    assert "points: 0 of 2 done" in text
    other(cluster, "stop", "-e", f"job_id={job_id}")
    assert job_id not in cluster.jobs()
    assert processes_of(run_dir) == []
    again = other(cluster, "stop", "-e", f"job_id={job_id}")
    assert re.search(r"changed=0", again)
    text = other(cluster, "status", "-e", f"job_id={job_id}")
    assert "stage ended" in text


def measured(run_dir, text="c=1 measured, valid"):
    """Wait until the playbook of a submitted run has said *text*."""
    wait_for(lambda: text in (run_dir / "playbook.log").read_text(), text, timeout_s=180)


def words_of(run_dir):
    """Return the playbook's log, in one line."""
    return " ".join((run_dir / "playbook.log").read_text().split())


def test_a_run_that_is_stopped_in_the_middle_has_failed_and_says_what_it_has(cluster):
    long = dict(BENCHMARK, concurrencies=[1, 2], osl=64, num_prompts_mult=800)
    job_id, run_dir = submit(cluster, cluster.job_file("fired-half", benchmark=long))
    after = ["sbatch", "--parsable", f"--dependency=afterok:{job_id}", "--output=/dev/null", "--wrap=true"]
    follower = cluster.run(*after).strip()
    measured(run_dir)
    other(cluster, "stop", "-e", f"job_id={job_id}")
    assert exit_code(cluster, job_id) == ("FAILED", 2), words_of(run_dir)
    never = "PD DependencyNeverSatisfied"  # Slurm looks at its queue now and then
    wait_for(lambda: never in cluster.run("squeue", "-h", "-j", follower, "-o%t %r"), never, timeout_s=90)
    cluster.run("scancel", follower)
    output = words_of(run_dir)
    assert f"Job {job_id} is ending: stopped with stop.yml (" in output
    assert "PLAY RECAP" in output
    rollup = json.loads((run_dir / "rollup.json").read_text())
    assert rollup["valid"] is False
    assert {one["concurrency"]: one["valid"] for one in rollup["results"]} == {1: True, 2: False}
    assert "points: 1 of 2 done" in other(cluster, "status", "-e", f"job_id={job_id}")
    assert processes_of(run_dir) == []


@pytest.mark.slow
def test_a_run_whose_job_is_cancelled_with_scancel_says_what_it_has(cluster):
    """Slurm sends its TERM to the playbook too, which goes on to its rollup all the same."""
    long = dict(BENCHMARK, concurrencies=[1, 2], osl=64, num_prompts_mult=810)
    job_id, run_dir = submit(cluster, cluster.job_file("fired-cancelled", benchmark=long))
    measured(run_dir)
    cluster.run("scancel", job_id)
    wait_for(lambda: job_id not in cluster.jobs(), "the end of the job")
    output = words_of(run_dir)
    assert f"Job {job_id} is ending: signal 15: cancelled" in output
    assert "PLAY RECAP" in output
    rollup = json.loads((run_dir / "rollup.json").read_text())
    assert {one["concurrency"]: one["valid"] for one in rollup["results"]} == {1: True, 2: False}
    assert processes_of(run_dir) == []


@pytest.mark.slow
def test_a_run_that_comes_to_its_time_limit_says_what_it_has(cluster):
    long = dict(BENCHMARK, concurrencies=[1, 2, 3], osl=64, num_prompts_mult=8000)
    job = cluster.job_file("fired-long-limit", benchmark=long, slurm={"time_limit": "00:02:00"})
    job_id, run_dir = submit(cluster, job)
    wait_for(lambda: job_id not in cluster.jobs(), "the time limit", timeout_s=180)
    output = words_of(run_dir)
    assert exit_code(cluster, job_id) == ("FAILED", 2), output
    why = "signal 15: its time limit of 00:02:00 is reached"
    assert why in output
    status = other(cluster, "status", "-e", f"job_id={job_id}")
    assert f"ended: {why}" in status
    assert "c=3 not measured" in status
    assert "PLAY RECAP" in output
    assert json.loads((run_dir / "rollup.json").read_text())["valid"] is False
    assert '"phase": "ended"' in (run_dir / "steps.jsonl").read_text()


@pytest.mark.slow
def test_a_playbook_that_does_not_end_with_its_job_is_ended(cluster):
    """It hangs in a stage that asks nobody, so it cannot notice that the job ends."""
    job_id, run_dir = submit(cluster, cluster.job_file("fired-deaf"))
    wait_for(lambda: "TASK [" in (run_dir / "playbook.log").read_text(), "the playbook")
    argv = [pid for pid in pathlib.Path("/proc").glob("[0-9]*") if b"/frozen/vars.json" in cmdline(pid)]
    for pid in argv:
        os.kill(int(pid.name), signal.SIGSTOP)
    assert argv
    other(cluster, "stop", "-e", f"job_id={job_id}")
    state, code = exit_code(cluster, job_id)
    assert state in ("FAILED", "CANCELLED"), (state, code)
    assert f"Job {job_id} ended: stopped with stop.yml (" in words_of(run_dir)
    assert processes_of(run_dir) == []


def cmdline(process):
    """Return the command line of a process, b"" if it has ended."""
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def processes_of(run_dir):
    """Return the command lines of all processes that name *run_dir*."""
    found = []
    for process in pathlib.Path("/proc").iterdir():
        try:
            argv = (process / "cmdline").read_bytes().decode(errors="replace").replace("\0", " ")
        except OSError:
            continue
        if f"{run_dir}/" in argv:
            found.append(argv)
    return found


def test_a_kept_service_stays_after_its_playbook(cluster):
    job_id, run_dir = submit(cluster, cluster.job_file("fired-kept"), "-e", "keep=600")
    measured(run_dir, "PLAY RECAP")
    assert "prefill_0" in cluster.steps(job_id)
    text, played = other(cluster, "status", "-e", f"job_id={job_id}"), (run_dir / "playbook.log").read_text()
    assert "stage kept" in text
    (url,) = re.findall(r"service: (\S+)", text)
    assert f"The service of job {job_id} stays up at {url}, for 0:" in played
    assert played.count(f"To end it now: ansible-playbook playbooks/stop.yml -e run_dir={run_dir}") == 1
    other(cluster, "stop")
    assert job_id not in cluster.jobs()


def test_a_run_that_waits_for_its_nodes_shows_why_and_can_be_stopped(cluster):
    job = cluster.job_file("fired-later", sbatch_directives={"begin": "now+1hour"}, environment={"HF_TOKEN": "x-y-z"})
    job_id, run_dir = submit(cluster, job)
    assert (run_dir / ".secrets" / "env.json").exists()
    text = other(cluster, "status")
    assert f"job {job_id} fired-later: PENDING (BeginTime), stage allocation, waiting for 0:00:" in text
    assert not re.search("left|workers:|points:", text.partition("run directory:")[0]), text
    other(cluster, "stop")
    assert job_id not in cluster.jobs()
    assert not (run_dir / ".secrets").exists()


def test_a_job_of_bench_is_not_a_place_for_a_submitted_playbook(cluster):
    """Its bench.yml was interrupted while it waited: nobody would ever measure in it."""
    job = cluster.job_file("fired-taken", sbatch_directives={"begin": "now+1hour"})
    process = cluster.start_playbook(job)
    wait_for(lambda: "BeginTime" in cluster.run("squeue", "-h", "--name=fired-taken", "-o%r"), "the job to wait")
    interrupt(process)
    rest = process.communicate(timeout=60)[0]
    (job_id,) = cluster.jobs("fired-taken")
    assert rest.count(f"Job {job_id} stays in the queue, and once it has begun up for its lease of 0:02:00.") == 1, rest
    text = " ".join(other(cluster, "submit", "-e", f"@{job}", rc=2).split())
    assert f"Job {job_id} (fired-taken) already exists (PENDING) but does not run a playbook" in text, text
    assert f"playbooks/stop.yml -e job_id={job_id}" in text
    assert cluster.jobs("fired-taken") == [job_id]
    other(cluster, "stop", "-e", f"job_id={job_id}")
    assert cluster.jobs("fired-taken") == []


@pytest.mark.slow
def test_a_submission_that_was_killed_is_withdrawn_by_the_other_playbook(cluster, monkeypatch):
    """Killed where the job would be released: it is held, and has no playbook, or one that was never written."""
    deadly = cluster.folder / "deadly"
    deadly.mkdir()
    (deadly / "scontrol").write_text(f"""#!/bin/sh
[ "$1" = release ] && kill -KILL 0
PATH="${{PATH#{deadly}:}}" exec scontrol "$@"
""")
    (deadly / "scontrol").chmod(0o755)
    job = cluster.job_file("fired-dead", benchmark=dict(BENCHMARK, isl=67))

    def killed(*argv):
        with monkeypatch.context() as patch:
            patch.setitem(cluster.environment, "PATH", f"{deadly}:{cluster.environment['PATH']}")
            process = cluster.start_playbook(job) if not argv else subprocess.Popen(
                [*cluster.prefix(), *argv], cwd=ROOT, env=cluster.environment, start_new_session=True
            )  # fmt: skip
            process.communicate(timeout=60)
        assert process.returncode != 0
        (job_id,) = cluster.jobs("fired-dead")
        assert cluster.run("squeue", "-h", "-j", job_id, "-o%r").startswith("JobHeldUser")
        return job_id

    first = killed()
    job_id, run_dir = submit(cluster, job)
    assert first not in cluster.jobs()
    assert exit_code(cluster, job_id) == ("COMPLETED", 0), words_of(run_dir)
    second = killed("ansible-playbook", "playbooks/submit.yml", "-e", f"output_dir={cluster.output}", "-e", f"@{job}")
    (cluster.output / second / "play.json").unlink()
    played = cluster.playbook(job)
    assert played.rc == 0, played.text
    assert cluster.jobs("fired-dead") == []


def test_secrets_reach_the_workers_of_a_submitted_run(cluster):
    job = cluster.job_file("fired-secret", environment={"HF_TOKEN": "Marker-detached-33aa"})
    job_id, run_dir = submit(cluster, job)
    assert exit_code(cluster, job_id) == ("COMPLETED", 0), (run_dir / "playbook.log").read_text()
    files = [path for path in run_dir.rglob("*") if path.is_file() and b"Marker-detached" in path.read_bytes()]
    assert files == []


@pytest.mark.slow
def test_vaulted_variables_lie_in_no_file_of_a_submitted_run(cluster):
    """Names of ours: a playbook inside the job would get them if they were not secret."""
    password, whole, single = (cluster.folder / name for name in ("vault-pw", "vault-file.yaml", "vault-single.yaml"))
    password.write_text("open sesame\n")
    lines = ("srt_hf_value: Marker-whole-61c0", "worker_note: about Marker-whole-61c0", "benchmark_number: 6102961")
    whole.write_text("\n".join(lines) + "\n")
    vault = [str(pathlib.Path(sys.executable).parent / "ansible-vault")]
    file = ["--vault-password-file", str(password)]
    subprocess.run([*vault, "encrypt", str(whole), *file], check=True, capture_output=True)
    argv = [*vault, "encrypt_string", "--stdin-name", "health_value", *file]
    done = subprocess.run(argv, input="Marker-single-2f7e", text=True, check=True, capture_output=True)
    single.write_text(done.stdout + 'srt_twice: "again {{ health_value }}"\nworker_timeout_s: 90\n')
    names = {"HF_VALUE": "srt_hf_value", "NOTE": "worker_note", "HEALTH": "health_value", "TWICE": "srt_twice"}
    job = cluster.job_file("fired-vault", environment={key: "{{ " + name + " }}" for key, name in names.items()})
    given = ["-e", f"@{whole}", "-e", f"@{single}", *file]
    job_id, run_dir = submit(cluster, job, *given)
    frozen = run_dir / "programs" / "frozen" / "vars.json"
    assert json.loads(frozen.read_text()).keys() == {"worker_timeout_s", "srt_slurm_frozen", "job_id", "output_dir"}
    for path in (frozen, run_dir / "programs" / "frozen" / "job.json"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert exit_code(cluster, job_id) == ("COMPLETED", 0), words_of(run_dir)
    texts = (b"Marker-whole", b"Marker-single", b"6102961")
    files = [path for path in run_dir.rglob("*") if path.is_file() and any(t in path.read_bytes() for t in texts)]
    assert files == []
    single.write_text(done.stdout.replace("health_value:", "preflight_ignore:"))
    wrong = other(cluster, "submit", "-e", f"@{cluster.job_file('fired-vaulted-need')}", *given, rc=2)
    assert "preflight_ignore: is a secret or comes from a vault" in " ".join(wrong.split()), wrong
    assert cluster.jobs("fired-vaulted-need") == []


@pytest.mark.slow
def test_a_run_is_submitted_from_an_installed_collection(cluster):
    """It consists of four folders; the job runs a copy of them, and takes nothing from this checkout."""
    parent = cluster.folder / "installed"
    collection = parent / "ansible_collections" / "srt" / "slurm"
    for part in ("meta", "playbooks", "plugins", "roles"):
        shutil.copytree(ROOT / part, collection / part, ignore=shutil.ignore_patterns("__pycache__"))
    (cluster.folder / "empty.cfg").write_text("[defaults]\n")
    env = {"ANSIBLE_COLLECTIONS_PATH": parent, "ANSIBLE_CONFIG": cluster.folder / "empty.cfg"}
    job = cluster.job_file("fired-installed", benchmark=dict(BENCHMARK, isl=67))
    played = cluster.play(
        [*cluster.prefix(), "ansible-playbook", "srt.slurm.submit", "-e", f"output_dir={cluster.output}",
         "-e", f"@{job}"], env,
    )  # fmt: skip
    assert played.rc == 0, played.text
    (job_id,) = re.findall(r"Job (\d+) \(fired-installed\) was submitted", played.text)
    run_dir = cluster.output / job_id
    shutil.rmtree(parent)
    assert exit_code(cluster, job_id) == ("COMPLETED", 0), words_of(run_dir)
    assert "c=2 measured, valid" in words_of(run_dir) and "WARNING" not in words_of(run_dir)
    assert str(ROOT) not in (run_dir / "play.json").read_text().replace(sys.executable, "")


@pytest.mark.slow
def test_a_runtime_environment_of_its_own(cluster):
    """One without ansible-core is refused; the job and the rest are in the test below."""
    empty, folder = cluster.folder / "requirements.txt", cluster.folder / "runtime"
    empty.write_text("")
    options = [word for key, value in (
        ("runtime_dir", folder), ("setup_requirements", empty), ("setup_python", sys.executable),
    ) for word in ("-e", f"{key}={value}")]  # fmt: skip
    other(cluster, "setup", "--tags", "runtime", *options)
    assert (folder / "bin" / "python").exists()
    assert "changed=0" in other(cluster, "setup", "--tags", "runtime", *options)
    wishes = {folder: "bin/python has no ansible-core", "/no/such": "/no/such/bin/python is not executable"}
    for runtime, why in wishes.items():
        job = cluster.job_file("fired-nowhere")
        assert why in other(cluster, "submit", "-e", f"@{job}", "-e", f"runtime_dir={runtime}", rc=2)
    assert cluster.jobs("fired-nowhere") == []


@pytest.mark.slow
def test_setup_makes_what_a_submitted_run_needs(cluster):
    """From PyPI and from Debian, as a new user does it. Outside the sandbox: no network leads out of it."""
    runtime, configs = cluster.folder / "real-runtime", cluster.folder / "real-configs"
    argv = ["ansible-playbook", "playbooks/setup.yml", "--tags", "runtime,programs", "-e", f"runtime_dir={runtime}",
            "-e", f"configs_dir={configs}", "-e", "setup_debian=true"]  # fmt: skip
    for changed in ("changed=2", "changed=0"):
        done = subprocess.run(
            argv, cwd=ROOT, env=cluster.environment, text=True, capture_output=True, timeout=600, check=False
        )
        if "Temporary failure" in done.stdout and done.returncode:
            pytest.skip("no package index can be reached from here")
        assert done.returncode == 0 and changed in done.stdout, done.stdout + done.stderr
    for program in ("nats-server", "etcd"):
        subprocess.run([configs / program, "--version"], check=True, env={"PATH": "/nowhere"})
    subprocess.run([runtime / "bin" / "python", "-c", "import aiohttp, tokenizers, pandas"], check=True)
    site = cluster.folder / "site-real.yaml"
    site.write_text(f"use_segment_sbatch_directive: false\nconfigs_dir: {configs}\n")
    job = cluster.job_file("fired-real", benchmark=dict(BENCHMARK, isl=66))
    job_id, run_dir = submit(cluster, job, "-e", f"runtime_dir={runtime}", "-e", f"cluster_file={site}")
    assert exit_code(cluster, job_id) == ("COMPLETED", 0), (run_dir / "playbook.log").read_text()
    assert json.loads((run_dir / "play.json").read_text())["argv"][0] == f"{runtime}/bin/python"
    plan = json.loads((run_dir / "plan.json").read_text())
    (nats,) = [step for step in plan["steps"] if step["name"] == "nats"]
    assert f"PATH={configs}:" in nats["preamble"]
