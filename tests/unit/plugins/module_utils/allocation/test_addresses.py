# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Addresses of nodes: from Slurm, from the nodes, kept."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.allocation import addresses
from ansible_collections.srt.slurm.plugins.module_utils.failures import SlurmError

NODES = "echo 'NodeName=n1 Arch=x NodeAddr=10.0.0.1 NodeHostName=n1'; echo 'NodeName=n2 NodeAddr=n2.site'"


def say(*lines):
    """Return the shell of an srun that tells *lines*, "node address", of its nodes."""
    return "; ".join(f"echo 'srt-address {line}'" for line in lines)


def test_slurms_own_addresses_need_no_step(program):
    program("scontrol", "echo 'NodeName=n1 NodeAddr=10.0.0.1'; echo 'NodeName=n2 NodeAddr=10.0.0.2'")
    program("srun", "exit 1")
    assert addresses.node_addresses("5", ["n1", "n2"]) == [
        {"name": "n1", "address": "10.0.0.1"},
        {"name": "n2", "address": "10.0.0.2"},
    ]


def test_all_nodes_are_asked_in_one_step_and_only_once(program, tmp_path):
    program("scontrol", NODES)
    program(
        "srun",
        f'echo "$@" >> {tmp_path}/calls; '
        + say("n1 127.0.0.1", "n1 8.8.4.4", "n1 10.9.0.1")
        + "; echo garbage; "
        + say("n2 10.9.0.2", "n9 10.9.0.9"),
    )
    wanted = [{"name": "n1", "address": "10.9.0.1"}, {"name": "n2", "address": "10.9.0.2"}]
    for _again in range(2):
        assert addresses.node_addresses("5", ["n1", "n2"], "ib0", folder=str(tmp_path)) == wanted
    calls = (tmp_path / "calls").read_text()
    assert calls.count("--jobid=5") == 1
    assert "--nodes=2 --ntasks=2 --ntasks-per-node=1 --nodelist=n1,n2" in calls and calls.rstrip().endswith(" ib0")
    # Another interface is another question.
    addresses.node_addresses("5", ["n1", "n2"], "ib1", folder=str(tmp_path))
    assert (tmp_path / "calls").read_text().count("--jobid=5") == 2


def test_what_slurm_does_not_know_comes_from_the_nodes(program):
    program("scontrol", NODES)
    program("srun", say("n2 10.0.0.2"))
    found = addresses.node_addresses("5", ["n1", "n2"])
    assert [one["address"] for one in found] == ["10.0.0.1", "10.0.0.2"]


def test_each_part_of_a_heterogeneous_job_is_asked(program, tmp_path):
    program("srun", f'echo "$@" >> {tmp_path}/calls; ' + say("n1 10.0.0.1", "n2 10.0.0.2", "n3 10.0.0.3"))
    found = addresses.node_addresses("5", ["n1", "n2", "n3"], "eth0", groups=[2, 1])
    assert [one["address"] for one in found] == ["10.0.0.1", "10.0.0.2", "10.0.0.3"]
    calls = (tmp_path / "calls").read_text()
    assert "--nodelist=n1,n2" in calls and "--het-group=0" in calls
    assert "--nodelist=n3" in calls and "--het-group=1" in calls


def test_nodes_are_asked_again_when_srun_hangs_once(program, monkeypatch, tmp_path):
    monkeypatch.setattr(addresses, "ANSWER_S", 0.3)
    program("srun", f"mkdir {tmp_path}/once 2>/dev/null && exec sleep 60; " + say("n1 10.0.0.1"))
    assert addresses.node_addresses("5", ["n1"], "eth0") == [{"name": "n1", "address": "10.0.0.1"}]
    assert (tmp_path / "once").exists()


def test_nodes_without_an_address_are_named(program):
    program("srun", say("n1 10.0.0.1", "n2 fe80::1"))
    with pytest.raises(SlurmError, match="n2: no usable address on interface ib9. Correct network_interface"):
        addresses.node_addresses("5", ["n1", "n2"], "ib9")


def test_what_a_prolog_of_the_site_prints_is_no_address(program):
    """Not even a line of a node and an address; the last one may have no end of its line."""
    program("srun", f"echo 'Welcome to'; echo 'n1 10.9.9.9'; printf 'be nice\\000'; {say('n1 10.0.0.1')}")
    assert addresses.node_addresses("5", ["n1"], "eth0") == [{"name": "n1", "address": "10.0.0.1"}]


@pytest.mark.parametrize(
    "candidates, expected",
    [
        (["127.0.0.1", "169.254.1.1", "0.0.0.0"], None),
        (["8.8.4.4", "10.0.0.1"], "10.0.0.1"),
        (["2001:db8::1", "8.8.4.4"], "2001:db8::1"),
        (["nonsense"], None),
    ],
)
def test_best(candidates, expected):
    assert addresses.best(candidates) == expected


def test_the_script_is_a_script():
    for argument in ("", "lo", "no-such-interface"):
        done = subprocess.run(
            ["/bin/sh", "-c", addresses.SCRIPT, "x", argument], text=True, capture_output=True, check=False
        )
        assert done.returncode == 0 and not done.stderr
        assert len(addresses.LINE.findall(done.stdout)) == len(done.stdout.splitlines())
