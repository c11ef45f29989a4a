# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is proposed for srtslurm.yaml on clusters of many kinds."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.failures import Error
from ansible_collections.srt.slurm.plugins.module_utils.slurm import site
from ansible_collections.srt.slurm.plugins.module_utils.survey import proposals
from ansible_collections.srt.slurm.plugins.module_utils.survey.proposals import Seen

NODE = {
    "node": "n1",
    "arch": "aarch64",
    "addresses": [["lo", "127.0.0.1"], ["eno1", "192.168.0.7"], ["enP6p9s0np0", "10.1.0.7"]],
    "resolved": "10.1.0.7",
}
TAKES = {"gpus-per-node": "", "segment": "", "exclusive": ""}


def seen(sinfo="batch*|4|gpu:h100:8|infinite|up|1-infinite\n", **changed):
    given = {
        "config": {"ClusterName": "alps", "SLURM_VERSION": "23.11.4"}, "partitions": site.partitions_of(sinfo),
        "states": {}, "limits": [], "nodes": [], "accounts": [], "default_account": None, "refused": TAKES, "mpi": [],
        "pyxis": False, "apptainer": False, "node": NODE,
    }  # fmt: skip
    return Seen(**{**given, **changed})


def value(one, key, wanted=None):
    (found,) = [row for row in proposals.proposals(one, wanted) if row.key == key]
    assert found.why
    return found.value


CPU_AND_GPU = (
    "cpu*|40|(null)|1-00:00:00|up|1-infinite\ngpu|4|gpu:8|2:00:00|up|1-infinite\nbig|9|gpu:8|12:00:00|up|1-4\n"
)


@pytest.mark.parametrize(
    ("sinfo", "states", "found"),
    [
        ("batch*|4|gpu:8|infinite|up|1-2\nbig|99|gpu:8|infinite|up|1-2\n", {}, "batch"),
        (CPU_AND_GPU, {}, "big"),
        (CPU_AND_GPU, {"big": {"down": 9}, "gpu": {"idle": 4}, "cpu": {"idle": 40}}, "gpu"),
        ("a|1|(null)|infinite|up|1-2\nb|2|(null)|infinite|up|1-2\n", {}, "a"),
        ("a*|1|(null)|infinite|up|1-2\n", {"a": {"down": 1}}, "a"),
        ("", {}, None),
    ],
)
def test_the_partition(sinfo, states, found):
    assert value(seen(sinfo, states=states), "default_partition") == found


def test_a_partition_that_is_given_counts_and_must_exist():
    assert value(seen(CPU_AND_GPU), "default_partition", "gpu") == "gpu"
    assert value(seen(CPU_AND_GPU), "default_time_limit", "gpu") == "2:00:00"
    assert value(seen(""), "default_partition", "what-i-know") == "what-i-know"
    with pytest.raises(Error, match=r"default_partition: there is no partition gpus. There are: cpu \(40 nodes"):
        proposals.proposals(seen(CPU_AND_GPU), "gpus")


@pytest.mark.parametrize(
    ("gres", "found"),
    [
        ("b*|4|gpu:h100:8(S:0-1)|infinite|up|1-2\n", 8),
        ("b*|4|gpu:h100:8|infinite|up|1-2\nb*|6|gpu:a100:4|infinite|up|1-2\n", 4),
        ("b*|4|gpu:8|infinite|up|1-2\nb*|4|gpu:4|infinite|up|1-2\n", 4),
        ("b*|9|(null)|infinite|up|1-2\nb*|4|gpu:4|infinite|up|1-2\n", 4),
        ("b*|4|(null)|infinite|up|1-2\n", None),
        ("", None),
    ],
)
def test_the_gpus_of_a_node(gres, found):
    assert value(seen(gres), "gpus_per_node") == found


@pytest.mark.parametrize(
    ("limit", "default", "found"),
    [
        ("infinite", "NONE", "04:00:00"),
        ("infinite", "02:30:00", "02:30:00"),
        ("30:00", "NONE", "30:00"),
        ("1-00:00:00", "", "04:00:00"),
        ("4:00:00", "NONE", "04:00:00"),
    ],
)
def test_the_time_limit(limit, default, found):
    records = [{"PartitionName": "b", "DefaultTime": default}]
    assert value(seen(f"b*|4|gpu:8|{limit}|up|1-2\n", limits=records), "default_time_limit") == found


@pytest.mark.parametrize(
    ("accounts", "default", "found"),
    [([], None, None), (["a"], None, "a"), (["a", "b"], None, None), (["a", "b"], "b", "b")],
)
def test_the_account(accounts, default, found):
    assert value(seen(accounts=accounts, default_account=default), "default_account") == found


@pytest.mark.parametrize(
    ("node", "address", "found"),
    [
        (NODE, "10.1.0.7", "enP6p9s0np0"),
        (NODE, "192.168.0.7", "eno1"),
        (NODE, "n1", "enP6p9s0np0"),
        ({**NODE, "resolved": "127.0.0.1"}, "n1", None),
        ({**NODE, "resolved": None, "addresses": [["lo", "127.0.0.1"], ["eth0", "10.0.0.1"]]}, "n1", "eth0"),
        ({**NODE, "resolved": None, "addresses": []}, "n1", None),
        (None, "n1", None),
    ],
)
def test_the_network_interface(node, address, found):
    one = seen(node=node, nodes=[{"NodeName": "n1", "NodeAddr": address}])
    assert value(one, "network_interface") == found


def test_what_sbatch_takes_sets_the_switches():
    assert value(seen(), "use_segment_sbatch_directive") is True
    old = seen(refused={**TAKES, "segment": "unrecognized option '--segment=1'"})
    assert value(old, "use_segment_sbatch_directive") is False
    assert value(old, "use_gpus_per_node_directive") is True and value(old, "use_exclusive_sbatch_directive") is False
    unknown = seen(refused={})
    assert value(unknown, "use_segment_sbatch_directive") is None
    assert value(unknown, "use_exclusive_sbatch_directive") is False


@pytest.mark.parametrize(
    ("refused", "whole", "found"),
    [
        ({**TAKES, "gpus-per-node": "Invalid generic resource"}, "NO", True),
        ({**TAKES, "gpus-per-node": "Invalid generic resource"}, "EXCLUSIVE", False),
        ({**TAKES, "gpus-per-node": "Invalid generic resource", "exclusive": "no"}, "NO", False),
        (TAKES, "NO", False),
    ],
)
def test_whole_nodes_where_slurm_does_not_manage_the_gpus(refused, whole, found):
    limits = [{"PartitionName": "batch", "OverSubscribe": whole}]
    assert value(seen(refused=refused, limits=limits), "use_exclusive_sbatch_directive") is found


def test_containers_are_proposed_only_where_something_runs_them():
    def runtime(**changed):
        return [one.value for one in proposals.proposals(seen(**changed)) if one.key == "container_runtime"]

    assert runtime(pyxis=True, apptainer=True) == ["pyxis"]
    assert runtime(apptainer=True) == ["apptainer"] and runtime() == []


def test_facts_for_the_report():
    one = seen(mpi=["none", "pmix", "pmix_v4"], states={"batch": {"idle": 3, "down": 1}})
    facts = proposals.facts(one, one.partitions["batch"])
    assert (facts["architecture"], facts["pmix"], facts["usable_nodes"]) == ("aarch64", "pmix_v4", 3)
    assert facts["accounting"] is None
    none = proposals.facts(seen("", config={}, node=None), None)
    assert none["architecture"] is None and none["partition"] is None and none["usable_nodes"] == 0
