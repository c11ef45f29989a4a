# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets of jobs in containers, in a real run: they reach the worker, and neither a command line nor a file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
from cluster import ROOT, Cluster
from secret_watch import Watch, holders_of

NAMED, PLAIN = "Marker-inside-4be1", "a plain value"
# Workers live for a while and do nothing; everything else is the real program.
PYTHON = """#!/bin/sh
case "$*" in
    *dynamo.*) exec sleep 600 ;;
    *) exec {python} "$@" ;;
esac
"""
# Runs the command on the node itself, with an environment that an image might set.
APPTAINER = """#!/bin/sh
while [ "$1" != docker://reg.io/team/engine:v1 ]; do shift; done
shift
export HF_TOKEN=of-the-image PLAIN_SETTING=of-the-image
exec "$@"
"""


def program(folder, name, text):
    """Write an executable script."""
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A Slurm of one node with a container plugin, and with an apptainer that runs nothing in a container."""
    if not shutil.which("gcc") or not os.path.exists("/usr/include/slurm/spank.h"):
        pytest.skip("needs gcc and libslurm-dev")
    folder = tmp_path_factory.mktemp("contained")
    programs, library = folder / "bin", folder / "spank_container.so"
    image = folder / "image/root/usr/local/bin"
    image.mkdir(parents=True)
    programs.mkdir()
    (folder / "records").mkdir()
    for place in (programs, image):
        program(place, "python3", PYTHON.format(python=sys.executable))
    program(programs, "apptainer", APPTAINER)
    source = ROOT / "tests" / "support" / "spank_container.c"
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    made = Cluster(folder, 1, "--plugstack", f"required {library} {folder}/records {folder}/image")
    made.environment["PATH"] = f"{programs}:{made.environment['PATH']}"  # jobs have the PATH of their submitter
    yield made
    made.close()


@pytest.mark.parametrize("runtime", ["pyxis", "apptainer"])
def test_secrets_reach_the_container_and_nothing_else(cluster, runtime):
    site = cluster.folder / f"{runtime}.yaml"
    site.write_text(f"container_runtime: {runtime}\nuse_segment_sbatch_directive: false\n")
    job = cluster.job_file(
        f"contained-{runtime}",
        model={"path": str(cluster.model), "container": "docker://reg.io#team/engine:v1", "precision": "fp16"},
        resources={"gpu_type": "h100", "gpus_per_node": 8, "agg_nodes": 1, "agg_workers": 1},
        environment={"HF_TOKEN": NAMED, "PLAIN_SETTING": PLAIN},
        dynamo={"install": False},
        frontend={"type": "dynamo", "enable_multiple_frontends": False},
        health_check={"max_attempts": 4, "interval_seconds": 1},
    )
    watch = Watch([NAMED, PLAIN])
    watch.start()
    played = cluster.playbook(job, "-e", f"cluster_file={site}", "-e", "keep=600", "-vvv", "--diff")
    watch.stop()
    assert "is not healthy after 4 s" in played.text, played.text  # nothing serves here
    assert ("sleep", f"HF_TOKEN={NAMED}") in watch.holders
    assert ("sleep", f"PLAIN_SETTING={PLAIN}") in watch.holders
    assert watch.leaks == set()
    assert NAMED not in played.text
    assert holders_of(cluster.latest, [NAMED]) == [".secrets/env.json"]
    assert holders_of(cluster.folder / "records", [NAMED, PLAIN]) == []
    output = cluster.run("scontrol", "show", "job", cluster.latest.name) + cluster.run("scontrol", "show", "steps")
    assert NAMED not in output
    cluster.end(job)
