# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several jobs in one file: shown, written, refused where one is wanted, and run in as few allocations as possible."""

from __future__ import annotations

import csv
import json
import re
import signal
import subprocess

import pytest
import yaml
from cluster import ROOT, interrupt, wait_for


@pytest.fixture
def sweep(cluster):
    """The example of four jobs, with the model of this test."""
    job = yaml.safe_load((ROOT / "examples" / "sweep.yaml").read_text())
    job["job"]["model"]["path"] = str(cluster.model)
    path = cluster.folder / "sweep.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


@pytest.fixture
def grid(cluster, sweep):
    """Two services, two loads and three concurrencies: four jobs with twelve points."""
    base = yaml.safe_load(sweep.read_text())["job"]
    base.update(name="grid", sweep={"seqs": [64, 256]})
    base["resources"]["decode_workers"] = 1
    base["benchmark"].update(concurrencies=[2, 3, 4], num_prompts_mult=20)
    path = cluster.folder / "grid.yaml"
    path.write_text(yaml.safe_dump({"base": base, "override_short": {}, "override_long": {"benchmark": {"osl": 24}}}))
    return path


@pytest.fixture
def repeated(cluster, grid):
    """The grid with a second repeat of each point by a deployment of its own, beside a load of one point: 14 points."""
    job = yaml.safe_load(grid.read_text())
    job["base"]["name"] = "twice"
    job["base"]["benchmark"].update(repeats=2, repeat_redeploy=True)
    job["override_long"]["benchmark"].update(concurrencies=[2], repeats=1, repeat_redeploy=False)
    path = cluster.folder / "twice.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


def play(cluster, *argv, inside=False):
    """Run ansible-playbook in the sandbox or, as on a laptop, outside of it."""
    argv = ["ansible-playbook", *map(str, argv), "-e", f"output_dir={cluster.output}"]
    argv = [*cluster.prefix(), *argv] if inside else argv
    return subprocess.run(
        argv, cwd=ROOT, env=cluster.environment, text=True, capture_output=True, timeout=600, check=False
    )


def start(cluster, path, *args):
    """Start the sweep over the jobs of *path* in a session of its own."""
    argv = [*cluster.prefix(), "ansible-playbook", "playbooks/sweep.yml", "-e", f"job_file={path}", *args]
    return subprocess.Popen(
        [*argv, "-e", f"output_dir={cluster.output}"], cwd=ROOT, env=cluster.environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip


def until(process, words):
    """Read the output of a sweep up to the line with *words*."""
    seen = []
    for line in process.stdout:
        seen.append(line)
        if words in line:
            return
    raise AssertionError(f"{words} was not said: {''.join(seen)}")


def record(cluster, name):
    """Return what sweep.json says."""
    return json.loads((cluster.output / "sweeps" / name / "sweep.json").read_text())


def starts(run_dir):
    """Return {step: how often it was started} in a run directory."""
    found = {}
    for line in (run_dir / "steps.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["event"] == "start":
            found[event["name"]] = found.get(event["name"], 0) + 1
    return found


def test_bench_refuses_several_jobs_and_names_the_playbook_for_them(cluster, sweep):
    done = play(cluster, "bench.yml", "-e", f"job_file={sweep}", inside=True)
    assert done.returncode != 0 and "There are 4 jobs" in done.stdout and "playbooks/sweep.yml" in done.stdout
    assert cluster.jobs() == []


def test_check_shows_every_job_without_slurm(cluster, sweep):
    done = play(cluster, "bench.yml", "-e", f"job_file={sweep}", "--check", "--diff")
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("sweep_decode1_seqs64", "sweep_decode1_seqs256", "sweep_decode2_seqs64", "sweep_decode2_seqs256"):
        assert f"#SBATCH --job-name={name}" in done.stdout
    assert done.stdout.count("GPU hours") >= 4 and done.stdout.count("dynamo.mocker") == 10


def test_plan_writes_a_directory_for_each_job(cluster, sweep):
    folder = cluster.folder / "rehearsed"
    done = play(cluster, "playbooks/plan.yml", "-e", f"job_file={sweep}", "-e", f"dry_run_dir={folder}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(folder.iterdir())) == 4
    for one in folder.iterdir():
        plan = json.loads((one / "plan.json").read_text())
        assert one.name.startswith(plan["name"] + "_")
        spec = {key: value for key, value in plan["spec"].items() if key not in ("inputs", "chat_template")}
        assert yaml.safe_load((one / "config.yaml").read_text()) == spec
    assert cluster.jobs() == []


def test_a_sweep_that_is_killed_goes_on_and_measures_nothing_twice(cluster, repeated):
    """Killed in the second deployment of the first service, which has measured two of its three points then."""
    checked = play(cluster, "playbooks/sweep.yml", "-e", f"job_file={repeated}", "--check")
    assert checked.returncode == 0 and "1 allocation instead of 4, 8 starts of workers instead of 12" in checked.stdout
    assert not (cluster.output / "sweeps" / "twice").exists()
    process = start(cluster, repeated)
    until(process, "[5/14]")
    interrupt(process, signal.SIGKILL)
    process.stdout.read()
    process.wait(timeout=60)
    (job_id,) = cluster.jobs("twice.sweep")
    done = play(cluster, "playbooks/sweep.yml", "-e", f"job_file={repeated}", inside=True)
    assert done.returncode == 0 and "14 of 14 points are valid." in done.stdout, done.stdout + done.stderr
    assert cluster.jobs() == [] and cluster.latest.name == job_id  # no other one was submitted
    assert "[5/14]" not in done.stdout and "[14/14]" in done.stdout
    # Two services with two deployments each; each point once.
    counts = {"prefill_0": 4, "decode_0": 4, "etcd": 1, "bench_c2": 4, "bench_c2_r2": 2, "bench_c4_r2": 2}
    began = starts(cluster.latest)
    assert {name: began.get(name) for name in counts} == counts
    made = record(cluster, "twice")
    assert (made["state"], made["points"]["valid"], made["left"]) == ("finished", 14, [])
    for job in made["jobs"]:
        run_dir = cluster.output / "sweeps" / "twice" / "variants" / job["name"]
        rollup = json.loads((run_dir / "rollup.json").read_text())
        assert (rollup["valid"], rollup["job_name"], rollup["job_id"]) == (True, job["name"], job_id)
        assert (run_dir / "report.html").is_file()
        config = yaml.safe_load((run_dir / "config.yaml").read_text())
        assert config["benchmark"]["osl"] == job["parameters"]["benchmark.osl"] == rollup["osl"]
        assert [one["deployments"] for one in rollup["repeats"]] == ([2, 2, 2] if rollup["osl"] == 16 else [])
        for point in rollup["results"]:
            result = json.loads((run_dir / point["path"]).read_text())
            assert result["max_concurrency"] == point["concurrency"]
        by_repeat = {(one.get("repeat"), one["deployment"]["since"]) for one in rollup["results"]}
        assert len(by_repeat) == (2 if rollup["osl"] == 16 else 1)
    assert "✓ 14 of 14 points count" in (cluster.output / "sweeps" / "twice" / "report.html").read_text()
    with open(cluster.output / "sweeps" / "twice" / "sweep.csv", newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["seqs"], row["benchmark.osl"], row["concurrency"], row["repeat"]) for row in rows} == {
        *((seqs, "16", number, repeat) for seqs in ("64", "256") for number in "234" for repeat in "12"),
        *((seqs, "24", "2", "") for seqs in ("64", "256")),
    }
    assert {row["valid"] for row in rows} == {"true"}
    again = play(cluster, "playbooks/sweep.yml", "-e", f"job_file={repeated}", inside=True)
    assert again.returncode == 0 and "changed=0" in again.stdout and cluster.latest.name == job_id, again.stdout
    alone = play(cluster, "bench.yml", "-e", f"job_file={repeated}:override_long[1]", inside=True)
    assert alone.returncode == 0 and "nothing to measure" in alone.stdout, alone.stdout + alone.stderr
    assert cluster.latest.name == job_id


@pytest.mark.slow
def test_a_job_that_fails_does_not_take_the_sweep(cluster, sweep):
    """Its service does not start; the one after it gets what it needs in the same allocation."""
    base = dict(yaml.safe_load(sweep.read_text())["job"], name="faulty", sweep=None)
    base["resources"]["decode_workers"], base["backend"]["max_num_seqs"] = 1, 64
    bad = {"backend": {"mocker_config": {"decode": {"no-such-option": 1}}}}
    sweep.write_text(yaml.safe_dump({"base": base, "override_bad": bad, "override_good": {}}))
    done = play(cluster, "playbooks/sweep.yml", "-e", f"job_file={sweep}", inside=True)
    assert done.returncode != 0 and "1 of 2 jobs failed or were not run: faulty_bad" in done.stdout, done.stdout
    assert "faulty_bad: FAILED: " in done.stdout and "1 of 2 points are valid, 1 are not measured." in done.stdout
    made = {one["name"]: one for one in record(cluster, "faulty")["jobs"]}
    assert made["faulty_good"]["valid"] is True and "decode_0" in made["faulty_bad"]["failure"]
    assert made["faulty_good"]["job_id"] == made["faulty_bad"]["job_id"] == cluster.latest.name
    assert cluster.jobs() == []


@pytest.mark.slow
def test_a_submitted_sweep_is_shown_stopped_and_continued_as_one(cluster, grid):
    """In two allocations, side by side; stopped in the middle, and submitted again."""

    def other(name):
        done = play(cluster, f"playbooks/{name}.yml", "-e", f"job_file={grid}", inside=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def submit():
        done = play(cluster, "playbooks/submit.yml", "-e", f"job_file={grid}", "-e", "max_parallel=2", inside=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return re.findall(r"Job (\d+) \((\S+)\) was submitted", done.stdout)

    job = yaml.safe_load(grid.read_text())
    job["base"].update(name="night", sweep={"seqs": [32, 128]})
    grid.write_text(yaml.safe_dump(job))
    first = submit()
    assert [name for _id, name in first] == ["night.sweep", "night.sweep2"]
    log = cluster.output / first[0][0] / "playbook.log"
    wait_for(lambda: "[2/6]" in log.read_text(), "two points", timeout_s=200)
    text = other("status")
    assert "sweep night: running" in text, text
    assert all(f"job {job_id} {name}: RUNNING" in text for job_id, name in first), text
    other("stop")
    assert cluster.jobs() == []
    text = other("status")
    assert "sweep night: stopped" in text and "Show what the sweep does now" in text, text
    second = submit()
    wait_for(lambda: cluster.jobs() == [], "the end of the sweep", timeout_s=300)
    assert "sweep night: finished, 12 of 12 points valid" in other("status")
    runs = [cluster.output / job_id for job_id, _name in [*first, *second]]
    results = [path for run in runs for path in run.glob("results/**/*.verdict.json")]
    verdicts = [json.loads(path.read_text()) for path in results]
    measured = [one["digest"] for one in verdicts if one["valid"] and not one["origin"]]
    assert len(measured) == len(set(measured)) == 12


@pytest.mark.slow
def test_ctrl_c_in_a_sweep_says_which_job_stays_up(cluster, sweep):
    process = start(cluster, sweep, "-e", "force=true")
    until(process, "allocation sweep.sweep")
    wait_for(lambda: cluster.jobs() and "prefill_0" in cluster.steps(cluster.jobs()[0]), "the first worker")
    interrupt(process)
    rest = process.communicate(timeout=60)[0]
    (job_id,) = cluster.jobs()
    assert re.findall(r"Job (\d+) stays up for its lease of 0:02:00", rest) == [job_id], rest
    (command,) = re.findall("To end it now: (.*)", rest)
    cluster.run("sh", "-c", command)
    assert cluster.jobs() == []
