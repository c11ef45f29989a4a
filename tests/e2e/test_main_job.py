# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The main job, as its issue says that it must be: a whole run, keep, rerun, a killed worker, a clean end."""

from __future__ import annotations

import json

import yaml
from cluster import ROOT, wait_for


def quickstart(cluster):
    """Return the quickstart job, with the model of this test."""
    job = yaml.safe_load((ROOT / "examples" / "quickstart.yaml").read_text())
    job.get("job", job)["model"]["path"] = str(cluster.model)
    path = cluster.folder / "quickstart.yaml"
    path.write_text(yaml.safe_dump(job))
    return path


def test_whole_run_then_keep_then_killed_worker_then_end(cluster):
    job = quickstart(cluster)

    played = cluster.playbook(job)
    assert played.rc == 0, played.text
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert rollup["valid"] is True
    assert [point["concurrency"] for point in rollup["results"]] == [4, 16]
    assert all(point["output_tps"] > 0 for point in rollup["results"])
    plan = json.loads((cluster.latest / "plan.json").read_text())
    names = [step["name"] for step in plan["steps"]]
    assert [name for name in names if name.startswith(("prefill", "decode"))] == [
        "prefill_0",
        "prefill_1",
        "decode_0",
        "decode_1",
    ]
    assert len([name for name in names if name.startswith("frontend_")]) > 1
    assert "nginx" in names
    job_id = cluster.latest.name
    for name in (
        "config.yaml", "plan.json", "sbatch_script.sh", f"{job_id}.json", f"slurm-{job_id}.out", "mocker_config.yaml",
        "steps.jsonl", "nginx.conf", "rollup.json", "rollup.csv", "report.html",
        "rollup.svg", "../index.html",
    ):  # fmt: skip
        assert (cluster.latest / name).stat().st_size > 0, name
    assert cluster.jobs() == []
    cluster.alone()

    first = cluster.playbook(job, "-e", "keep=true")
    assert first.rc == 0, first.text
    before = cluster.steps(cluster.latest.name)
    second = cluster.playbook(job, "-e", "keep=true")
    assert second.rc == 0, second.text
    assert second.changed == 0, second.text
    assert cluster.steps(cluster.latest.name) == before

    cluster.run("scancel", "--signal=KILL", before["decode_1"])
    wait_for(lambda: "decode_1" not in cluster.steps(cluster.latest.name), "the killed worker to be gone")
    third = cluster.playbook(job, "-e", "keep=true")
    assert third.rc == 0, third.text
    after = cluster.steps(cluster.latest.name)
    assert after.pop("decode_1") != before.pop("decode_1")
    assert after == before

    cluster.end(job)
    cluster.alone()
