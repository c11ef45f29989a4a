# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""What Slurm's commands print, in the forms that versions and sites have."""

from __future__ import annotations

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.survey import answers

CONFIG = """\
Configuration data as of 2026-11-30T20:00:00
AccountingStorageType   = accounting_storage/slurmdbd
AccountingStorageBackupHost  = (null)
ClusterName             = alps
GresTypes               = gpu
SLURM_VERSION           = 23.11.4
TopologyPlugin          = topology/block

Slurmctld(primary) at login1 is UP
"""
NODES = """\
NodeName=gb01 Arch=aarch64 CoresPerSocket=72 CPUAlloc=0 CPUTot=144 AvailableFeatures=(null) Gres=gpu:gb200:4(S:0-1) \
NodeAddr=10.1.0.1 NodeHostName=gb01 Version=23.11.4 OS=Linux 6.8.0-1-64k #1 SMP Mon Jan 1 10:00:00 UTC 2026 \
RealMemory=900000 State=IDLE+DRAIN ThreadsPerCore=1 Partitions=batch,debug BootTime=2026-01-01T00:00:00 \
Reason=cable Arch=x86_64 State=IDLE [root@2026-01-01T00:00:00]
NodeName=gb02 CoresPerSocket=72 NodeAddr=gb02 State=DOWN Partitions=batch
NodeName=login Arch=x86_64 NodeAddr=login State=IDLE Partitions=cpu
"""


def test_the_configuration_is_read():
    read = answers.settings(CONFIG)
    assert read["AccountingStorageType"] == "accounting_storage/slurmdbd"
    assert (read["ClusterName"], read["SLURM_VERSION"], read["AccountingStorageBackupHost"]) == ("alps", "23.11.4", "")
    assert answers.settings("") == {} and answers.settings("slurm_load_ctl_conf error: no\n") == {}


def test_a_record_keeps_blanks_and_is_not_fooled_by_a_reason():
    first, second, login = answers.records(NODES)
    assert first["OS"].startswith("Linux 6.8.0-1-64k #1 SMP Mon Jan 1")
    assert (first["Arch"], first["State"], first["NodeAddr"]) == ("aarch64", "IDLE+DRAIN", "10.1.0.1")
    assert first["Reason"].startswith("cable")
    assert "Arch" not in second and login["NodeName"] == "login"
    assert answers.records("No nodes in the system\n") == []


@pytest.mark.parametrize(
    ("partition", "found"), [("batch", "aarch64"), ("cpu", "x86_64"), ("gone", None), ("deb", None)]
)
def test_the_architecture_is_that_of_the_nodes_of_the_partition(partition, found):
    assert answers.architecture(answers.in_partition(answers.records(NODES), partition)) == found


def test_states_without_their_flags():
    text = "batch*|idle|3\nbatch*|idle*|1\nbatch*|draining@|2\nbatch*|mixed+|4\nlong|down$|1\ngarbage\nx|y|z\n"
    assert answers.states(text) == {"batch": {"idle": 3, "down": 1, "draining": 2, "mixed": 4}, "long": {"down": 1}}
    assert answers.usable({"idle": 3, "down": 1, "draining": 2, "mixed": 4, "planned": 1}) == 8
    assert answers.states("") == {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("MPI plugin types are...\n\tcray_shasta\n\tnone\n\tpmi2\n\tpmix\nspecific pmix plugin versions available: "
         "pmix_v4\n", ["cray_shasta", "none", "pmi2", "pmix", "pmix_v4"]),
        ("srun: MPI types are...\nsrun: none\nsrun: pmi2\n", ["none", "pmi2"]),
        ("MPI plugin types are...\n\tnone\n\tpmi2\n", ["none", "pmi2"]),
        ("MPI plugin types are...\n\tpmix\nspecific pmix plugin versions available: pmix_v4,pmix_v5\n",
         ["pmix", "pmix_v4", "pmix_v5"]),
        ("srun: error: no\n", []),
        ("", []),
    ],
)  # fmt: skip
def test_types_of_mpi(text, found):
    assert answers.mpi_types(text) == found


@pytest.mark.parametrize(
    ("help_", "found"),
    [
        ("      --segment=segment_size    segment size\n", True),
        ("  [--segment] ", True),
        ("      --segments=x\n      --spread-segment\n", False),
        ("", False),
    ],
)
def test_an_option_in_a_help(help_, found):
    assert answers.has_option(help_, "--segment") is found


@pytest.mark.parametrize(
    ("text", "found"),
    [("slurm 22.05.8\n", (22, 5, 8)), ("slurm 23.11.4-1.el9", (23, 11, 4)), ("slurm-wlm 24.11", (24, 11)), ("no", ())],
)
def test_versions(text, found):
    assert answers.version(text) == found


@pytest.mark.parametrize(("text", "found"), [("research\n", "research"), ("\n", None), ("(null)\n", None), ("", None)])
def test_a_default_account(text, found):
    assert answers.first_word(text) == found
