# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two jobs in turns on a real Slurm, what compare.yml and runs.yml say of them, and that no invalid repeat counts."""

from __future__ import annotations

import json
import subprocess

import pytest
from cluster import ROOT, Played, interrupt, wait_for

SERVICE = {
    "resources": {"gpu_type": "h100", "gpus_per_node": 8, "agg_nodes": 1, "agg_workers": 1},
    "frontend": {"type": "dynamo", "num_additional_frontends": 0},
    "benchmark": {"type": "sa-bench", "isl": 64, "osl": 16, "concurrencies": [2], "num_prompts_mult": 4,
                  "num_warmup_mult": 1},
}  # fmt: skip
REPEATS = 4


def play(cluster, playbook, /, **given):
    return cluster.play(argv(cluster, playbook, **given))


def argv(cluster, playbook, /, **given):
    given.setdefault("output_dir", cluster.output)
    return [*cluster.prefix(), "ansible-playbook", f"playbooks/{playbook}.yml",
            *(word for key, value in given.items() for word in ("-e", f"{key}={value}"))]  # fmt: skip


def repeats_of(folder, word):
    return ",".join(str(folder / "variants" / f"{word}_{number:02d}") for number in range(1, REPEATS + 1))


@pytest.mark.slow
def test_a_slower_job_is_found_in_turns_on_the_same_nodes(cluster):
    fast = cluster.job_file("ab_fast", backend={"type": "mocker", "speedup_ratio": 1.0}, **SERVICE)
    slow = cluster.job_file("ab_slow", backend={"type": "mocker", "speedup_ratio": 0.4}, **SERVICE)
    done = play(
        cluster, "ab", baseline=fast, candidate=slow, most_repeats=REPEATS, primary_metrics="median_tpot_ms",
        job_tags="ab_test",
    )  # fmt: skip
    folder = cluster.output / "sweeps" / "ab_fast-vs-ab_slow"
    assert done.rc != 0 and "TPOT median ms worse" in done.text, done.text
    found = json.loads((folder / "compare.json").read_text())
    (point,) = found["points"]
    assert point["method"] == "paired" and point["metrics"][0]["n"] == [REPEATS, REPEATS] and not found["invalid"]
    runs = [run for side in found["sides"] for run in side["runs"]]
    assert len({(run["job_id"], *run["nodes"]) for run in runs}) == 1
    began = {
        path.parent.name: json.loads(path.read_text())["started_at"] for path in folder.glob("variants/*/rollup.json")
    }
    assert "".join(name[0] for name in sorted(began, key=began.get)) == "bccbbccb"
    assert cluster.jobs() == []

    listed = play(cluster, "runs", tags="ab_test", name="ab_*", valid="true")
    assert listed.rc == 0 and listed.text.count("ab_fast-vs-ab_slow/") == 2 * REPEATS, listed.text
    shown = play(cluster, "status", tags="ab_test")
    assert shown.rc == 0 and f"run directory: {cluster.output}/{runs[0]['job_id']}" in shown.text, shown.text
    (damaged,) = (folder / "variants" / "candidate_02" / "results").glob("*/results_*[0-9].json")
    damaged.write_text(damaged.read_text().replace('"completed"', '"completed" '))
    again = play(
        cluster, "compare", baseline=repeats_of(folder, "baseline"), candidate=repeats_of(folder, "candidate"),
        compare_dir=folder / "again", fail_on="invalid",
    )  # fmt: skip
    assert again.rc != 0 and "INVALID candidate" in again.text and "candidate_02" in again.text, again.text
    (point,) = json.loads((folder / "again" / "compare.json").read_text())["points"]
    assert point["candidate"] == {"planned": REPEATS, "measured": REPEATS, "valid": REPEATS - 1}
    assert "NOT valid" in (folder / "again" / "compare.html").read_text()


@pytest.mark.slow
def test_an_interrupted_comparison_goes_on_in_another_allocation(cluster):
    fast = cluster.job_file("cut_fast", backend={"type": "mocker", "speedup_ratio": 1.0}, **SERVICE)
    slow = cluster.job_file("cut_slow", backend={"type": "mocker", "speedup_ratio": 0.4}, **SERVICE)
    given = {
        "baseline": fast, "candidate": slow, "most_repeats": REPEATS, "primary_metrics": "median_tpot_ms",
        "fail_on": "invalid",
    }  # fmt: skip
    process = subprocess.Popen(
        argv(cluster, "ab", **given), cwd=ROOT, env=cluster.environment, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "baseline_02: " in line:  # its other side is measured, it is not
            break
    interrupt(process)
    cut = Played(process.wait(timeout=180), "".join([*seen, process.stdout.read()]))
    assert cut.rc != 0 and "The same command continues it. To end it now: ansible-playbook" in cut.text, cut.text
    cluster.run("scancel", *cluster.jobs())  # as at the end of its lease
    wait_for(lambda: cluster.jobs() == [], "the first allocation to end")
    folder = cluster.output / "sweeps" / "cut_fast-vs-cut_slow"
    record = json.loads((folder / "ab.json").read_text())
    assert record["ended_by"] is None and {"baseline_01", "candidate_01"} <= set(record["turns"]), cut.text

    again = play(cluster, "ab", **given)
    assert again.rc == 0 and "goes on after 1 repeats of each side" in again.text, again.text
    assert "baseline_01: " not in again.text and "candidate_02: " in again.text, again.text
    found = json.loads((folder / "compare.json").read_text())
    (point,) = found["points"]
    jobs = [run["job_id"] for side in found["sides"] for run in side["runs"]]
    assert point["method"] == "paired" and point["metrics"][0]["n"] == [REPEATS, REPEATS] and len(set(jobs)) == 2
    assert point["metrics"][0]["verdict"] == "worse" and cluster.jobs() == []
