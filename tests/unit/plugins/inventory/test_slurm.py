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
    def listed(changes=None, planned=True, jobs=("7",), **options):
        for job_id in jobs:
            run_dir = tmp_path / "outputs" / job_id
            run_dir.mkdir(parents=True, exist_ok=True)
            if planned:
                plan = {**PLAN, "job_id": job_id, "run_dir": str(run_dir), **(changes or {})}
                (run_dir / "plan.json").write_text(json.dumps(plan))
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


def plain(value):
    """Return *value* without the wrapping of texts that no template may touch."""
    if isinstance(value, dict):
        return value["__ansible_unsafe"] if "__ansible_unsafe" in value else {k: plain(v) for k, v in value.items()}
    return value


def variables(done):
    """Return ``{host: variables}``."""
    assert done.returncode == 0, done.stderr
    return plain(json.loads(done.stdout)["_meta"]["hostvars"])


def test_nodes_are_reached_through_slurm(listed):
    found = variables(listed(job_id="7"))["n2"]
    assert found["ansible_connection"] == "srt.slurm.srun"
    assert (found["ansible_host"], found["ansible_srun_node"]) == ("10.0.0.2", "n2")
    assert found["ansible_srun_job_id"] == "7"
    assert "ansible_srun_het_group" not in found


def test_another_connection_and_none(listed):
    assert variables(listed(job_id="7", connection="ansible.builtin.ssh"))["n1"]["ansible_connection"].endswith("ssh")
    assert "ansible_connection" not in variables(listed(job_id="7", connection=""))["n1"]


def test_the_components_of_a_heterogeneous_job(listed):
    found = variables(listed({"parts": [["n1"], ["n2"]]}, job_id="7"))
    assert [found[node]["ansible_srun_het_group"] for node in ("n1", "n2")] == ["0", "1"]


def test_several_runs_have_a_host_for_each_of_their_nodes(listed, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    done = listed(jobs=("7", "8"), runs=["7", str(tmp_path / "outputs" / "8")])
    found = variables(done)
    assert sorted(found) == ["n1_7", "n1_8", "n2_7", "n2_8"]
    assert (found["n1_8"]["ansible_srun_node"], found["n1_8"]["ansible_srun_job_id"]) == ("n1", "8")
    groups = json.loads(done.stdout)
    assert groups["srt_job_8"]["hosts"] == ["n1_8", "n2_8"]
    assert groups["srt_decode"]["hosts"] == ["n2_7", "n2_8"]


def test_runs_that_share_no_node_keep_the_names_of_their_nodes(listed):
    listed({"nodes": [{"name": "n3", "address": "10.0.0.3"}], "groups": {"srt_nodes": ["n3"]}}, jobs=("8",))
    assert sorted(variables(listed(runs=[7, 8]))) == ["n1", "n2", "n3"]


@pytest.mark.parametrize(
    ("options", "text"),
    [({"runs": ["9"]}, "9 has no plan.json"), ({"run_dir": "/no/such"}, "/no/such has no plan.json")],
)
def test_a_run_that_is_named_and_not_there_is_an_error(listed, options, text):
    done = listed(**options)
    assert done.returncode != 0 and text in done.stderr


def test_a_run_that_is_named_twice_is_an_error(listed):
    done = listed(runs=["7", "7"])
    assert done.returncode != 0 and "job 7 is there twice" in done.stderr


def test_groups_may_go_by_composed_variables(listed):
    done = listed(
        job_id="7",
        compose={"rack": "ansible_srun_node[-1]"},
        groups={"second": "rack == '2'"},
        keyed_groups=[{"key": "rack", "prefix": "rack"}],
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["second"]["hosts"] == found["rack_2"]["hosts"] == ["n2"]


def test_the_cache_is_read_only_if_it_is_wanted(listed, tmp_path):
    other = {"nodes": [{"name": "n9", "address": "10.0.0.9"}], "groups": {"srt_nodes": ["n9"]}}
    cache = {"cache": True, "cache_plugin": "jsonfile", "cache_connection": str(tmp_path / "cache")}
    assert sorted(variables(listed(job_id="7", **cache))) == ["n1", "n2"]
    assert sorted(variables(listed(other, job_id="7", **cache))) == ["n1", "n2"]
    assert sorted(variables(listed(other, job_id="7"))) == ["n9"]
    assert sorted(variables(listed(jobs=("8",), job_id="8", **cache))) == ["n1", "n2"]  # another run
