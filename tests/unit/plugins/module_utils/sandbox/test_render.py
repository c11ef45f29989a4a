# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess

import pytest
from ansible_collections.srt.slurm.plugins.module_utils.sandbox import render
from ansible_collections.srt.slurm.plugins.module_utils.sandbox.settings import settings_from

SPACES = {kind: {"fd": fd, "id": 4026530000 + fd} for fd, kind in enumerate(("net", "uts", "ipc", "mnt", "user"), 5)}


def record(user_namespace=False, pid=2**22 + 1):
    return {"pid": pid, "user_namespace": user_namespace, "control": SPACES, "nodes": {"node001": SPACES}}


def test_slurm_conf():
    settings = settings_from({"nodes": 2, "cpus_per_node": 7, "slurm_conf": ["JobRequeue=0"], "slurmd_timeout_s": 9})
    lines = render.slurm_conf(settings, "/s", "/short", "ada").splitlines()
    assert "SlurmctldHost=login(10.77.0.1)" in lines
    assert "SlurmUser=ada" in lines
    assert "SlurmdTimeout=9" in lines
    assert "SlurmdSpoolDir=/short/spool/%n" in lines
    assert (
        "NodeName=node002 NodeAddr=10.77.0.12 CPUs=6 Sockets=2 CoresPerSocket=3 ThreadsPerCore=1 RealMemory=512000 "
        "Gres=gpu:h100:8 State=UNKNOWN"
    ) in lines
    assert lines[-1].startswith("PartitionName=gpu Nodes=node[001-002] ")
    assert "JobRequeue=0" in lines[: lines.index(next(line for line in lines if line.startswith("NodeName")))]


@pytest.mark.parametrize(
    ("gpus", "text"),
    [
        (0, ""),
        (1, "NodeName=node[001-004] Name=gpu Type=h100 File=/s/dev/gpu0\n"),
        (8, "NodeName=node[001-004] Name=gpu Type=h100 File=/s/dev/gpu[0-7]\n"),
    ],
)
def test_gres(gpus, text):
    settings = settings_from({"gpus_per_node": gpus})
    assert render.gres_conf(settings, "/s") == text
    assert len(render.gpu_files(settings, "/s")) == gpus
    assert ("Gres=" in render.slurm_conf(settings, "/s", "/s", "ada")) == bool(gpus)


def test_the_last_nodes_may_have_no_gpus_and_a_partition_of_their_own():
    given = settings_from({"nodes": 4, "cpu_nodes": 2, "cpu_partition": "small"})
    lines = render.slurm_conf(given, "/s", "/s", "me").splitlines()
    nodes = [line for line in lines if line.startswith("NodeName=")]
    assert [" Gres=gpu:h100:8" in line for line in nodes] == [True, True, False, False]
    partitions = [line.split()[:3] for line in lines if line.startswith("PartitionName=")]
    assert partitions == [
        ["PartitionName=gpu", "Nodes=node[001-002]", "Default=YES"],
        ["PartitionName=small", "Nodes=node[003-004]", "MaxTime=INFINITE"],
    ]
    assert render.gres_conf(given, "/s").startswith("NodeName=node[001-002] ")


def test_hosts_keep_foreign_names_only():
    text = "127.0.0.1 localhost lap\n10.9.9.9 node001 # old\n10.1.1.1 registry registry.example # x\n"
    lines = render.hosts(settings_from({"nodes": 1}), text).splitlines()
    assert lines == [
        "127.0.0.1 localhost",
        "10.77.0.1 login",
        "10.77.0.11 node001",
        "127.0.0.1 lap",
        "10.1.1.1 registry registry.example",
    ]


def test_way_in_enters_by_descriptors_of_the_anchor():
    text = render.way_in("/s", record(user_namespace=True, pid=77), "boot")
    assert "node001) net=4026530005 into='--net=/proc/77/fd/5 --uts=/proc/77/fd/6 --ipc=/proc/77/fd/7" in text
    assert "exec nsenter --user=/proc/77/fd/9 --preserve-credentials $into --" in text
    assert "--user" not in render.way_in("/s", record(), "boot")


@pytest.mark.parametrize(
    ("argv", "text"),
    [
        (["true"], "does not run. 'sandbox start --dir {dir}' starts it"),
        (["--node", "node002", "--", "true"], "there is no node node002"),
        (["--node", "node001"], "usage: exec"),
    ],
)
def test_way_in_says_what_is_wrong(tmp_path, argv, text):
    script = tmp_path / "exec"
    script.write_text(render.way_in(str(tmp_path), record(), "boot"))
    script.chmod(0o755)
    done = subprocess.run([script, *argv], capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 125
    assert text.format(dir=tmp_path) in done.stderr
