# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import ipaddress

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.sandbox import settings


def test_names_and_addresses():
    assert settings.node_plan(2) == [
        {"name": "node001", "address": "10.77.0.11"},
        {"name": "node002", "address": "10.77.0.12"},
    ]


@pytest.mark.parametrize("count", [1, 199, 200, 201, 512])
def test_addresses_are_different_and_in_the_network(count):
    plan = settings.node_plan(count)
    addresses = {ipaddress.ip_address(node["address"]) for node in plan} | {
        ipaddress.ip_address(settings.CONTROL["address"])
    }
    network = ipaddress.ip_network(f"10.77.0.0/{settings.PREFIX}")
    assert len(addresses) == count + 1
    assert all(address in network and address.packed[3] not in (0, 255) for address in addresses)


@pytest.mark.parametrize(("count", "text"), [(1, "node001"), (2, "node[001-002]"), (512, "node[001-512]")])
def test_range(count, text):
    assert settings.node_range(count) == text


def test_given_beats_base_beats_default():
    result = settings.settings_from({"nodes": 3, "gpu_type": None}, {"nodes": 2, "gpu_type": "b200"})
    assert (result["nodes"], result["gpu_type"], result["cpus_per_node"]) == (3, "b200", 64)


def test_settings_survive_json():
    import json

    result = settings.settings_from({"slurm_conf": ["JobRequeue=0"]})
    assert json.loads(json.dumps(result)) == result


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"nodes": 0}, "nodes must be 1 to 512, got 0"),
        ({"gpus_per_node": 65}, "gpus_per_node must be 0 to 64"),
        ({"small_disk_mb": -1}, "small_disk_mb must be 0 to"),
        ({"cpu_nodes": 4}, "cpu_nodes must be less than nodes"),
        ({"cpu_nodes": 1, "cpu_partition": "gpu"}, "cpu_partition must differ"),
        ({"gpu_type": "h 100"}, "gpu_type must be letters"),
        ({"slurm_conf": ["a=1\nb=2"]}, "one entry is one line"),
    ],
)
def test_wrong_settings(given, text):
    with pytest.raises(Error, match=text):
        settings.settings_from(given)
