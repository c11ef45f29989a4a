# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ansible's own modules on the nodes of a job, through Slurm: of a run, and of many nodes side by side."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys

import pytest
from cluster import ROOT, Cluster, interrupt, wait_for

MODULES = ROOT / "tests" / "data" / "nodes" / "modules.yml"


def use_modules(cluster, folder, *inventory, env=None):
    """Run the playbook of modules with files in *folder*; return what was played."""
    content = os.urandom(300_000)
    (folder / "source.bin").write_bytes(content)
    given = {"folder": str(folder), "checksum": hashlib.sha256(content).hexdigest(), "root": os.getuid() == 0}
    argv = ["ansible-playbook", "-f", "16", *inventory, str(MODULES), "-e", json.dumps(given)]
    played = cluster.play([*cluster.prefix(), *argv], env)
    assert played.rc == 0, played.text
    nodes = sorted(set(played.recap) - {"localhost"})
    for node in nodes:
        assert (folder / "fetched" / f"{node}.bin").read_bytes() == content
        assert (folder / node / "filled").read_text() == f"{node}: {node}\n"
    return nodes


def steps_left(cluster):
    return [name for name in cluster.run("squeue", "--steps", "-h", "-o%j").split() if name.startswith("ansible_")]


@pytest.mark.slow
def test_other_playbooks_and_single_commands_reach_the_nodes_of_a_run(cluster, tmp_path):
    job = cluster.job_file("reached")
    played = cluster.playbook(job, "-e", "keep=600", "--tags", "allocation")
    assert played.rc == 0, played.text
    inventory = ["-i", str(ROOT / "inventories" / "job")]
    env = {"SRT_SLURM_RUN_DIR": str(cluster.latest)}
    argv = [*cluster.prefix(), "ansible", *inventory, "srt_nodes", "-m", "ansible.builtin.setup", "-a", "filter=*name"]
    facts = cluster.play(argv, env)
    assert facts.rc == 0 and facts.text.count("SUCCESS") == 3, facts.text
    assert len(use_modules(cluster, tmp_path, *inventory, env=env)) == 3
    example = str(ROOT / "examples" / "own-site" / "nodes.yml")
    argv = ["ansible-playbook", *inventory, example, "-e", f"nodes_collect_to={tmp_path}/collected"]
    looked = cluster.play([*cluster.prefix(), *argv], env)
    assert looked.rc == 0, looked.text
    assert len((tmp_path / "collected" / "gpus.txt").read_text().splitlines()) == 3
    assert len(list((tmp_path / "collected").glob("*/etc/os-release"))) == 3
    assert steps_left(cluster) == []
    cluster.end(job)
    gone = cluster.play([*cluster.prefix(), "ansible", *inventory, "srt_nodes", "-a", "true"], env)
    assert gone.rc != 0 and gone.text.count("UNREACHABLE") == 3 and "The job is over" in gone.text, gone.text


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A Slurm of 16 nodes, with one job that has all of them; yields it and the inventory."""
    made = Cluster(tmp_path_factory.mktemp("wide"), 16)
    try:
        wrap = ["--wrap", "sleep 900", "--output=/dev/null"]
        job_id = made.run("sbatch", "--parsable", "--nodes=16", *wrap).strip()
        wait_for(lambda: made.run("squeue", "-h", "-o%T").split() == ["RUNNING"], "the job")
        inventory = made.folder / "nodes.yml"
        hosts = {f"node{number:03}": {} for number in range(1, 17)}
        variables = {"ansible_connection": "srt.slurm.srun", "ansible_srun_job_id": job_id}
        inventory.write_text(json.dumps({"srt_nodes": {"hosts": hosts, "vars": variables}}))
        yield made, ["-i", str(inventory)]
    finally:
        made.close()


@pytest.mark.slow
def test_16_nodes_side_by_side(wide, tmp_path):
    cluster, inventory = wide
    assert len(use_modules(cluster, tmp_path, *inventory)) == 16
    assert steps_left(cluster) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_playbook_that_is_interrupted_or_killed_leaves_no_step(wide, number):
    cluster, inventory = wide
    process = subprocess.Popen(
        [*cluster.prefix(), "ansible", *inventory, "srt_nodes", "-f", "16", "-a", "sleep 300"],
        cwd=ROOT, env=cluster.environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    wait_for(lambda: len(steps_left(cluster)) == 16, "a step on each node")
    interrupt(process, number)
    process.wait(timeout=60)
    wait_for(lambda: steps_left(cluster) == [], "no step to be left")


@pytest.mark.slow
def test_a_node_that_is_cut_off_is_unreachable_and_the_others_are_not(wide, tmp_path):
    cluster, inventory = wide
    control = [sys.executable, str(ROOT / "bin" / "sandbox"), "node", "--dir", cluster.dir]
    subprocess.run([*control, "node007", "cut"], check=True)
    try:
        argv = ["ansible", *inventory, "srt_nodes", "-f", "16", "-m", "ansible.builtin.ping"]
        argv += ["-e", "ansible_srun_begin_timeout=15"]
        played = cluster.play([*cluster.prefix(), *argv])
        assert played.text.count("SUCCESS") == 15 and "node007 | UNREACHABLE" in played.text, played.text
    finally:
        subprocess.run([*control, "node007", "heal"], check=True)
