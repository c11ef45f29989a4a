# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""The nodes that --limit leaves."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.plugin_utils.limit import inventory

NODES = [
    {"name": "node1", "groups": ["srt_nodes", "srt_head"]},
    {"name": "node2", "groups": ["srt_nodes", "srt_prefill"]},
    {"name": "node3", "groups": ["srt_nodes", "srt_decode"]},
]


@pytest.mark.parametrize(
    "limit, left",
    [
        ("node2", ["node2"]),
        ("node3,node2", ["node2", "node3"]),
        ("srt_nodes:!srt_head", ["node2", "node3"]),
        ("srt_nodes:&srt_decode", ["node3"]),
        ("node*", ["node1", "node2", "node3"]),
        ("~node[13]$", ["node1", "node3"]),
        ("elsewhere", []),
    ],
)
def test_a_limit_is_a_pattern_of_names_and_groups(limit, left):
    found = inventory(NODES, limit)
    assert found["limited_to"] == left
    assert found["first"] == (left[0] if left else None)


def test_a_limit_may_be_a_file(tmp_path):
    (tmp_path / "retry").write_text("node3\n")
    assert inventory(NODES, f"@{tmp_path}/retry")["limited_to"] == ["node3"]


def test_without_a_limit_the_first_node_stands_for_all():
    assert inventory(NODES, None) == {
        "groups": {node["name"]: node["groups"] for node in NODES},
        "first": "node1",
        "limited_to": [],
    }
