# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory groups of a plan: bench.yml and the inventory plugin offer the same ones."""

from __future__ import annotations

import jobs
import pytest
import yaml
from ansible_collections.srt.slurm.plugins.plugin_utils.limit import inventory
from jinja2.nativetypes import NativeEnvironment


def added_groups():
    """Return the template by which bench.yml chooses the groups of a node, with its name as item."""
    plays = yaml.safe_load((jobs.ROOT / "playbooks" / "bench.yml").read_text(encoding="utf-8"))
    tasks = [task for play in plays for task in play["tasks"] if "ansible.builtin.add_host" in task and "loop" in task]
    (task,) = tasks
    return NativeEnvironment().from_string(task["ansible.builtin.add_host"]["groups"])


@pytest.mark.parametrize("path", jobs.EXAMPLES, ids=lambda path: path.stem)
def test_bench_adds_the_groups_of_the_plan(path):
    plan = jobs.plan_of(jobs.spec_of_example(path))
    template, added = added_groups(), {group: [] for group in plan["groups"]}
    known = {"inventory": inventory(plan["nodes"], None)}
    for node in plan["nodes"]:
        for group in template.render(item=node["name"], srt_slurm_plan=known):
            added[group].append(node["name"])
    assert added == plan["groups"]


@pytest.mark.parametrize("path", jobs.EXAMPLES, ids=lambda path: path.stem)
def test_a_node_with_the_public_side_is_a_frontend(path):
    plan = jobs.plan_of(jobs.spec_of_example(path))
    public = {node for step in plan["steps"] if step["tier"] == "frontend" for node in step["nodes"]}
    assert set(plan["groups"]["srt_frontend"]) == public | set(plan["groups"]["srt_head"])
    addresses = [node["address"] for node in plan["nodes"] if "srt_frontend" in node["groups"]]
    assert any(f"//{address}:" in plan["frontend_url"] for address in addresses)
