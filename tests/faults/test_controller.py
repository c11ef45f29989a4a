# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Controllers that are killed, interrupted, or two at once; results and disks that break. See docs/reliability.md."""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import re
import signal

import pytest
from cluster import ROOT, Played, interrupt, wait_for
from faults import BENCHMARK, LONG, NODES, failed

STAGES = ["allocation", "preflight", "head_infra", "worker", "frontend", "health", "benchmark", "rollup", "teardown"]
QUICK = [(signal.SIGKILL, "allocation"), (signal.SIGKILL, "benchmark"), (signal.SIGINT, "preflight")]
ALL = [(number, stage) for number in (signal.SIGKILL, signal.SIGINT) for stage in STAGES]


# A step of a stage that waits until all its steps run.
STEPS = {"preflight": "preflight", "head_infra": "nats", "worker": "decode_1", "frontend": "nginx"}
INFRA = {"nats", "etcd"}
WORKERS = INFRA | {"prefill_0", "decode_0", "decode_1"}
ALL_STEPS = WORKERS | {"frontend_0", "frontend_1", "nginx"}
# What runs at least when a stage waits for what it is kept from, see hold().
UP = {
    "allocation": set(), "preflight": set(), "head_infra": {"etcd"}, "worker": WORKERS - {"decode_1"},
    "frontend": ALL_STEPS - {"nginx"}, "health": ALL_STEPS, "benchmark": ALL_STEPS, "rollup": ALL_STEPS,
}  # fmt: skip


def hold(cluster, stage):
    """Let *stage* of the next run last until the traps are cleared; return the environment for it."""
    (cluster.traps / "held").touch()
    wait = f"touch {cluster.traps}/reached; while [ -e {cluster.traps}/held ]; do sleep 0.1; done"
    if stage == "allocation":
        for number in range(1, NODES + 1):
            (cluster.traps / f"prolog.node00{number}").write_text(wait + "\n")
    elif stage == "health":
        cluster.trap("frontend", wait)
    elif stage == "teardown":
        return cluster.commands(scancel=wait)
    elif stage in STEPS:
        return cluster.commands(srun=f'case "$*" in *--job-name={STEPS[stage]}*) {wait} ;; esac')
    return None


@contextlib.contextmanager
def held(cluster, process, stage):
    """Have a run, begun with what hold() gave, that is in the middle of *stage* until the end of the context."""
    if stage == "rollup":  # reads the one that is there: here it waits for its writer
        cluster.until(process, "srt.slurm.preflight :")
        path = cluster.latest / "rollup.json"
        os.mkfifo(path)
    cluster.until(process, f"srt.slurm.{stage} :")
    if stage == "rollup":
        with open(wait_for(lambda: writer(path), "the rollup to be read"), "w"):
            path.unlink()
            yield
    else:
        there = cluster.progress if stage == "benchmark" else (cluster.traps / "reached").exists
        wait_for(there, f"{stage} to be in the middle of its work")
        yield
    cluster.clear()


def writer(path):
    """Return a descriptor that writes to the pipe *path*, None as long as nobody reads it."""
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    except OSError:
        return None


@pytest.mark.parametrize(
    ("number", "stage"),
    [pytest.param(*one, marks=[] if one in QUICK else [pytest.mark.slow]) for one in ALL],
    ids=lambda value: value.name if isinstance(value, signal.Signals) else value,
)
def test_a_controller_that_goes_away_at_any_stage_is_followed_by_the_next(cluster, number, stage):
    benchmark = dict(LONG, num_prompts_mult=400) if stage == "benchmark" else BENCHMARK
    job = cluster.job_file(f"{number.name}-{stage}".lower().replace("_", ""), benchmark=benchmark)
    process = cluster.start_playbook(job, env=hold(cluster, stage))
    with held(cluster, process, stage):
        interrupt(process, number)
        rest = process.communicate(timeout=60)[0]
        assert process.returncode != 0, rest
        jobs = cluster.jobs(job.stem)
        assert len(jobs) == 1, rest
        output = re.findall(r"Job (\d+) stays .* To end it now: ", rest)
        assert output == (jobs if number == signal.SIGINT and stage != "teardown" else []), rest
        before = {name: step for name, step in cluster.steps(jobs[0]).items() if name in ALL_STEPS}
        assert UP.get(stage, set()) <= set(before), rest
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    assert cluster.rollup()["valid"] is True
    (job_id,) = cluster.jobs(job.stem)
    assert (jobs == [job_id]) == (stage != "teardown"), played.text
    if stage != "teardown":
        assert before.items() <= cluster.steps(job_id).items()
    cluster.end(job)
    cluster.gone(job.stem)


def start_on(cluster, job, node, *args):
    """Start the playbook from *node*, which stands for a second submit host."""
    import subprocess

    argv = [*cluster.prefix(node), *cluster.playbook_argv(job, *args)[len(cluster.prefix()) :]]
    return subprocess.Popen(
        argv, cwd=ROOT, env=cluster.environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


@pytest.mark.parametrize(
    "node", [None, pytest.param("node006", marks=pytest.mark.slow)], ids=["same host", "two hosts"]
)
def test_two_controllers_at_once_share_one_job(cluster, node):
    job = cluster.job_file("twice")
    processes = [cluster.start_playbook(job, "-e", "keep=600"), start_on(cluster, job, node, "-e", "keep=600")]
    played = [Played(process.wait(timeout=180), process.stdout.read()) for process in processes]
    assert [one.rc for one in played] == [0, 0], played[0].text + played[1].text
    (job_id,) = cluster.jobs("twice")
    starts = [line for line in (cluster.latest / "steps.jsonl").read_text().splitlines() if '"event": "start"' in line]
    for name in ("prefill_0", "decode_0", "decode_1", "nginx", "nats", "etcd", "bench_c2"):
        assert sum(f'"name": "{name}"' in line for line in starts) == 1, name
    assert [path.name for path in cluster.latest.glob("results/*/*.attempt*")] == []
    cluster.end(job)


# Each waits with the start of its holder until the other one has come as far.
TOGETHER = """case "$*" in *--job-name=srt_holder*)
    mkdir -p {folder}; touch {folder}/$$; until [ "$(ls {folder} | wc -l)" -ge 2 ]; do sleep 0.05; done ;;
esac"""


@pytest.mark.slow
def test_two_controllers_that_adopt_one_allocation_at_once_share_its_holder(cluster):
    cluster.run("salloc", "--no-shell", "--job-name=mine", "--nodes=3", "--ntasks=3", "--exclusive", "--time=10")
    (job_id,) = cluster.jobs("mine")
    job, slow = cluster.job_file("adopted"), cluster.commands(srun=TOGETHER.format(folder=cluster.folder / "together"))
    argv = cluster.playbook_argv(job, "-e", f"job_id={job_id}", "-e", "keep=600")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        played = list(pool.map(lambda _turn: cluster.play(argv, slow), range(2)))
    assert [one.rc for one in played] == [0, 0], played[0].text + played[1].text
    events = [json.loads(line) for line in (cluster.latest / "steps.jsonl").read_text().splitlines()]
    assert [event["phase"] for event in events if event["event"] == "holder"] == ["begin"]
    starts = [event["name"] for event in events if event["event"] == "start"]
    for name in ("prefill_0", "decode_0", "decode_1", "nginx", "nats", "etcd"):
        assert starts.count(name) == 1, name
    names = cluster.run("squeue", "--steps", "--noheader", "--job", job_id, "--format=%j").split()
    assert names.count("srt_holder") == 1
    assert cluster.rollup()["valid"] is True
    stop = ["ansible-playbook", "playbooks/stop.yml", "-e", f"output_dir={cluster.output}"]
    ended = cluster.play([*cluster.prefix(), *stop])
    assert ended.rc == 0, ended.text
    wait_for(lambda: cluster.steps(job_id) == {}, "Slurm to have counted out all steps", timeout_s=10)
    assert cluster.jobs("mine") == [job_id]
    cluster.alone()


@pytest.mark.slow
def test_of_two_controllers_with_two_output_directories_one_gets_the_adopted_allocation(cluster):
    cluster.run("salloc", "--no-shell", "--job-name=lent", "--nodes=3", "--ntasks=3", "--exclusive", "--time=10")
    (job_id,) = cluster.jobs("lent")
    job, slow = cluster.job_file("rivals"), cluster.commands(srun=TOGETHER.format(folder=cluster.folder / "rivals"))
    argv = cluster.playbook_argv(job, "-e", f"job_id={job_id}")
    homes = [cluster.output, cluster.folder / "other"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        played = list(pool.map(lambda home: cluster.play([*argv, "-e", f"output_dir={home}"], slow), homes))
    good, bad = sorted(played, key=lambda one: one.rc)
    assert good.rc == 0, good.text
    failed(bad, f"Job {job_id} has a service whose run directory is not .*/{job_id}")
    begun = [(home / job_id / "steps.jsonl").exists() for home in homes]
    assert sorted(begun) == [False, True]
    cluster.run("scancel", job_id)
    cluster.gone("lent")


def test_a_result_that_was_cut_is_measured_again(cluster):
    job = cluster.job_file("cut")
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    (path,) = [p for p in cluster.latest.glob("results/*/*.json") if p.name.count(".") == 1]
    path.write_text(path.read_text()[:100])
    again = cluster.playbook(job, "-e", "keep=600", "--tags", "benchmark,rollup")
    assert again.rc == 0, again.text
    assert "c=2 measured, valid" in again.text
    assert path.with_name(path.name.replace(".json", ".attempt1.json")).stat().st_size == 100
    cluster.end(job)


def test_an_output_directory_that_cannot_be_written_fails_before_anything_is_submitted(cluster):
    played = failed(cluster.playbook(cluster.job_file("readonly"), "-e", "output_dir=/proc/nowhere"), "cannot be made")
    assert "/proc/nowhere" in played.text
    assert cluster.jobs("readonly") == []


def test_a_disk_with_too_little_space_is_found_before_models_load(cluster):
    played = failed(
        cluster.playbook(cluster.job_file("full"), "-e", "preflight_min_free_mib=100000000"),
        r"node\d+: /.* has \d+ MiB left, but 100000000 are needed",
    )
    assert "srt.slurm.worker :" not in played.text
    cluster.gone("full")


def test_a_disk_that_fills_up_while_measuring_fails_and_ends_clean(cluster):
    job = cluster.job_file("fills", benchmark=dict(LONG, num_prompts_mult=600))
    process = cluster.start_playbook(job, "-e", f"output_dir={cluster.disk}", "--skip-tags", "preflight")
    seen = cluster.until(process, "srt.slurm.benchmark :")
    cluster.run("sh", "-c", f"cat /dev/zero > {cluster.disk}/filler", check=False)
    played = cluster.rest(process, seen)
    assert played.rc != 0, played.text
    cluster.run("rm", f"{cluster.disk}/filler")
    assert "No space left on device" in played.text
    assert cluster.jobs("fills") == []


@pytest.mark.slow
def test_a_job_that_ends_on_a_full_disk_leaves_no_secrets(cluster):
    """Its holder cannot say that it ends before it has removed them; then there is room for the line."""
    job = cluster.job_file("ends-full", environment={"HF_TOKEN": "Marker-full-disk-5c1e"})
    played = cluster.playbook(job, "-e", f"output_dir={cluster.disk}", "--tags", "allocation")
    assert played.rc == 0, played.text
    (job_id,) = cluster.jobs("ends-full")
    folder = f"{cluster.disk}/{job_id}"
    cluster.run("test", "-e", f"{folder}/.secrets/env.json")
    try:
        cluster.run("sh", "-c", f"cat /dev/zero > {cluster.disk}/filler", check=False)
        assert cluster.run("sh", "-c", f"df --output=avail {cluster.disk} | tail -n 1").strip() == "0"
        cluster.run("scancel", job_id)
        cluster.gone("ends-full")
        (line,) = cluster.run("cat", f"{folder}/slurm-{job_id}.out").splitlines()
        assert line.endswith(" ending: signal 15: cancelled")
        assert ".secrets" not in cluster.run("ls", "-A", folder)
    finally:
        cluster.run("rm", f"{cluster.disk}/filler")


def test_ctrl_c_while_measuring_keeps_what_was_finished(cluster):
    job = cluster.job_file("stopped", benchmark=dict(BENCHMARK, osl=64, num_prompts_mult=400, concurrencies=[2, 3]))
    process = cluster.start_playbook(job)
    cluster.until(process, "c=2 measured, valid")
    wait_for(lambda: cluster.progress() > 0, "the second point to be measured")
    interrupt(process, signal.SIGINT)
    process.stdout.read()
    process.wait(timeout=60)
    played = cluster.playbook(job)
    assert played.rc == 0, played.text
    assert "c=2 kept" in played.text


@pytest.mark.slow
def test_a_worker_that_died_in_a_point_without_a_controller_makes_it_invalid(cluster):
    """The next run has started it again when it judges the point."""
    job = cluster.job_file("unwatched", benchmark=dict(LONG, num_prompts_mult=1000))
    process, job_id, _seen = cluster.measuring(job, "-e", "keep=600")
    interrupt(process, signal.SIGKILL)
    process.wait(timeout=60)
    cluster.kill(job_id, "decode_1")
    wait_for(lambda: "bench_c2" not in cluster.steps(job_id), "the point to end")
    (result,) = [path for path in cluster.latest.glob("results/*/*.json") if path.name.count(".") == 1]
    how = f"decode_1 ended during the measurement: killed by signal 9 on {cluster.node_of('decode_1')}"
    played = cluster.playbook(job, "-e", "keep=600")
    assert played.rc == 0, played.text
    assert f"c=2 will be measured again when the service is complete ({how})" in played.text
    assert "c=2 measured, valid" in played.text
    first = json.loads(result.with_name(result.name.replace(".json", ".attempt1.verdict.json")).read_text())
    assert (first["valid"], first["reasons"]) == (False, [how])
    assert cluster.rollup()["valid"] is True
    cluster.end(job)
