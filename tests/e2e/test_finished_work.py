# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run whose points are all valid already takes no nodes; and what an inventory of the user's own may say."""

from __future__ import annotations

import json
import re

import pytest
from cluster import wait_for

BENCHMARK = {
    "type": "sa-bench", "isl": 64, "osl": 12, "concurrencies": [2, 3], "num_prompts_mult": 5, "num_warmup_mult": 1,
}  # fmt: skip
NOTHING = "all 2 points are valid already: nothing to measure; -e force=true measures again"


def last_job(cluster):
    """Return the id of the latest job that Slurm has ever had."""
    return max(map(int, re.findall(r"JobId=(\d+)", cluster.run("scontrol", "show", "job"))))


@pytest.fixture(scope="module")
def finished(cluster):
    """A job whose two points were measured by one run each; yields its file."""
    job = cluster.job_file("finished", benchmark=BENCHMARK)
    for number in (2, 3):
        played = cluster.playbook(job, "-e", f"concurrencies={number}")
        assert played.rc == 0, played.text
    return job


@pytest.fixture
def inventory(cluster):
    """An inventory of the user's own, with names that are run options as well."""
    folder = cluster.folder / "inventory"
    (folder / "group_vars").mkdir(parents=True, exist_ok=True)
    (folder / "hosts").write_text("localhost ansible_connection=local\n")
    said = {
        "keep": 30,
        "force": True,
        "job_id": 4711,
        "output_dir": "/no/such",
        "lines": [1],
        "teardown_timeout_s": "x",
    }
    (folder / "group_vars" / "all.yml").write_text(json.dumps(said))
    return folder


def test_a_run_with_nothing_to_measure_takes_no_nodes(cluster, finished, inventory):
    before = last_job(cluster)
    played = cluster.playbook(finished, "-i", str(inventory))
    assert played.rc == 0 and NOTHING in played.text, played.text
    assert "Only -e sets force, job_id, keep, teardown_timeout_s: the inventory" in " ".join(played.text.split())
    rollup = json.loads((cluster.latest / "rollup.json").read_text())
    assert rollup["valid"] is True
    assert [(one["origin"] or {}).get("job_id") for one in rollup["results"]] == [str(before - 1), None]
    nodes = cluster.folder / "finished.slurm.yml"  # an inventory with the nodes of the run that measured the points
    nodes.write_text("plugin: srt.slurm.slurm\n")
    again = cluster.playbook(finished, "-i", str(nodes), env={"SRT_SLURM_RUN_DIR": str(cluster.latest)})
    assert again.rc == 0 and again.changed == 0 and NOTHING in again.text, again.text
    for args in (["--tags", "benchmark"], ["--check", "--diff"], ["-e", "concurrencies=2"]):
        played = cluster.playbook(finished, *args)
        assert played.rc == 0 and "valid already: nothing to measure" in played.text, played.text
    argv = [*cluster.prefix(), "ansible-playbook"], ["-e", f"output_dir={cluster.output}"]
    submitted = cluster.play([*argv[0], "playbooks/submit.yml", "-e", f"@{finished}", *argv[1]])
    assert submitted.rc == 0 and NOTHING in submitted.text, submitted.text
    swept = cluster.play([*argv[0], "playbooks/sweep.yml", "-e", f"job_file={finished}", *argv[1]])
    assert swept.rc == 0 and "2 of 2 points are valid." in swept.text, swept.text
    assert "nothing to do for:\n    finished: c=2 (valid), c=3 (valid)" in swept.text, swept.text
    assert last_job(cluster) == before


@pytest.mark.slow
def test_a_service_that_was_kept_is_ended_by_a_run_with_nothing_to_measure(cluster, finished):
    before = last_job(cluster)
    # It is kept, so it gets its nodes.
    kept = cluster.playbook(finished, "-e", "srt_slurm_keep=600")
    assert kept.rc == 0 and NOTHING not in kept.text and len(cluster.jobs("finished")) == 1, kept.text
    alone = cluster.playbook(finished, "--tags", "benchmark")
    assert alone.rc == 0 and len(cluster.jobs("finished")) == 1, alone.text
    played = cluster.playbook(finished)
    assert played.rc == 0 and NOTHING in played.text, played.text
    wait_for(lambda: cluster.jobs("finished") == [], "the end of the job")
    assert last_job(cluster) == before + 1


@pytest.mark.slow
def test_an_inventory_sets_options_by_their_full_names(cluster, finished, inventory):
    said = {"output_dir": str(cluster.output), "force": True, "keep": 600, "wait_timeout_s": 60}
    (inventory / "group_vars" / "all.yml").write_text(json.dumps({f"srt_slurm_{key}": said[key] for key in said}))
    argv = [*cluster.prefix(), "ansible-playbook", "-i", str(inventory)]
    played = cluster.play([*argv, "bench.yml", "-e", f"@{finished}"])
    assert played.rc == 0 and "c=2 measured, valid" in played.text, played.text
    assert len(cluster.jobs("finished")) == 1
    (job_id,) = cluster.jobs("finished")
    stopped = cluster.play([*argv, "playbooks/stop.yml", "-e", f"job_id={job_id}"])
    assert stopped.rc == 0 and cluster.jobs("finished") == [], stopped.text
    (inventory / "group_vars" / "all.yml").write_text("srt_slurm_ouput_dir: /x\nsrt_slurm_lease_s: 3\n")
    wrong = " ".join(cluster.play([*argv, "bench.yml", "-e", f"@{finished}"]).text.split())
    assert "all.yml:1: srt_slurm_ouput_dir: is not a run option. Did you mean srt_slurm_output_dir?" in wrong, wrong
    assert "all.yml:2: srt_slurm_lease_s: is 3 seconds" in wrong, wrong
