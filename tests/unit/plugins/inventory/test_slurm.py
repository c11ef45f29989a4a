# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin over a plan on disk, as ansible-inventory runs it."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[4]
PLAN = {
    "schema_version": 1,
    "job_id": "7",
    "nodes": [{"name": "n1", "address": "10.0.0.1"}, {"name": "n2", "address": "10.0.0.2"}],
    **dict.fromkeys(("parts", "endpoints", "processes", "steps", "files", "checks", "notes"), []),
    **dict.fromkeys(("spec", "digests"), {}),
    "benchmark": {"type": "manual", "points": []},
    "name": "x",
    "health_timeout_s": 5.0,
    "holder_node": "n1",
    "frontend_url": "http://n1:8000",
    "groups": {"srt_nodes": ["n1", "n2"], "srt_head": ["n1"], "srt_decode": ["n2"], "srt_agg": []},
}


@pytest.fixture
def listed(tmp_path):
    def listed(changes=None, planned=True, **options):
        run_dir = tmp_path / "outputs" / "7"
        run_dir.mkdir(parents=True, exist_ok=True)
        if planned:
            (run_dir / "plan.json").write_text(json.dumps({**PLAN, "run_dir": str(run_dir), **(changes or {})}))
        source = tmp_path / "job.slurm.yml"
        source.write_text(json.dumps({"plugin": "srt.slurm.slurm", "output_dir": str(tmp_path / "outputs"), **options}))
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("SLURM_", "SRT_"))}
        environment.update(
            ANSIBLE_COLLECTIONS_PATH=str(ROOT / "collections"),
            ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="1",
            ANSIBLE_INVENTORY_ENABLED="srt.slurm.slurm",
        )
        program = pathlib.Path(sys.executable).with_name("ansible-inventory")
        return subprocess.run(
            [program, "-i", source, "--list"],
            env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    return listed


def test_nodes_groups_and_where_the_plan_is(listed, tmp_path):
    done = listed(job_id="7", groups={"first": "srt_slurm_address == '10.0.0.1'"})
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["srt_nodes"]["hosts"] == ["n1", "n2"]
    assert found["srt_head"]["hosts"] == found["first"]["hosts"] == ["n1"]
    assert found["srt_decode"]["hosts"] == ["n2"]
    # ansible-inventory wraps texts that no template may touch.
    run = {key: text["__ansible_unsafe"] for key, text in found["_meta"]["hostvars"]["n2"]["srt_slurm_run"].items()}
    assert run["job_id"] == "7"
    assert run["plan_path"] == str(tmp_path / "outputs" / "7" / "plan.json")


def test_no_plan_is_an_empty_inventory(listed):
    done = listed(planned=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["_meta"]["hostvars"] == {}


def test_a_plan_of_another_version_is_an_error(listed):
    done = listed({"schema_version": 99}, job_id="7")
    assert done.returncode != 0
    assert "schema version 99" in done.stderr
