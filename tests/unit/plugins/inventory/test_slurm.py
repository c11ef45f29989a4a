# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The inventory plugin over a plan on disk."""

from __future__ import annotations

import json
import warnings

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader

PLAN = {
    "schema_version": 1,
    "job_id": "7",
    "nodes": [{"name": "n1", "address": "10.0.0.1"}, {"name": "n2", "address": "10.0.0.2"}],
    "groups": {"srt_nodes": ["n1", "n2"], "srt_head": ["n1"], "srt_decode": ["n2"], "srt_agg": []},
}


@pytest.fixture
def parse(tmp_path, monkeypatch):
    from ansible.plugins.loader import init_plugin_loader, inventory_loader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # another test may have done it already
        init_plugin_loader()
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    def parse(run_dir=None, plan=PLAN, **options):
        run_dir = run_dir or tmp_path / "outputs" / "7"
        run_dir.mkdir(parents=True, exist_ok=True)
        if plan is not None:
            (run_dir / "plan.json").write_text(json.dumps(dict(plan, run_dir=str(run_dir))))
        source = tmp_path / "job.slurm.yml"
        source.write_text(json.dumps(dict({"plugin": "srt.slurm.slurm"}, **options)))
        inventory = InventoryData()
        plugin = inventory_loader.get("srt.slurm.slurm")
        assert plugin.verify_file(str(source))
        plugin.parse(inventory, DataLoader(), str(source))
        return inventory

    return parse


def test_nodes_groups_and_where_the_plan_is(parse, tmp_path):
    inventory = parse(run_dir=tmp_path / "outputs" / "7", output_dir=str(tmp_path / "outputs"), job_id="7")
    groups = inventory.get_groups_dict()
    assert groups["srt_nodes"] == ["n1", "n2"]
    assert groups["srt_head"] == ["n1"]
    assert groups["srt_decode"] == ["n2"]
    run = inventory.get_host("n2").get_vars()["srt_slurm_run"]
    assert run["job_id"] == "7"
    assert run["plan_path"] == str(tmp_path / "outputs" / "7" / "plan.json")


def test_composed_groups(parse, tmp_path):
    inventory = parse(
        run_dir=tmp_path / "outputs" / "7", output_dir=str(tmp_path / "outputs"), job_id="7",
        groups={"first": "srt_slurm_address == '10.0.0.1'"},
    )  # fmt: skip
    assert inventory.get_groups_dict()["first"] == ["n1"]


def test_no_plan_is_an_empty_inventory(parse, tmp_path):
    inventory = parse(plan=None, output_dir=str(tmp_path / "outputs"))
    assert list(inventory.hosts) == []


def test_a_plan_of_another_version_is_an_error(parse, tmp_path):
    with pytest.raises(AnsibleParserError, match="schema version 99"):
        parse(plan=dict(PLAN, schema_version=99), output_dir=str(tmp_path / "outputs"), job_id="7")
