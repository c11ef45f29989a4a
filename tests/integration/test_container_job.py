# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A whole job in containers: a slow import, a root that is read-only unless asked otherwise, and a private /tmp."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys

import pytest
from cluster import ROOT, Cluster


@pytest.fixture
def cluster(tmp_path):
    """A Slurm of three nodes with a container plugin; an import lasts longer than one look at a stage (5 s)."""
    if not shutil.which("gcc") or not os.path.exists("/usr/include/slurm/spank.h"):
        pytest.skip("needs gcc and libslurm-dev")
    image, library = tmp_path / "image", tmp_path / "spank_container.so"
    (image / "root/opt/engine/bin").mkdir(parents=True)
    (image / "root/etc").mkdir()
    (image / "import").write_text("sleep 7\n")
    # The image has the Python of the engine on its own PATH.
    (image / "root/etc/environment").write_text("PATH=/opt/engine/bin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n")
    (image / "root/opt/engine/bin/python3").write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    (image / "root/opt/engine/bin/python3").chmod(0o755)
    (tmp_path / "records").mkdir()
    source = ROOT / "tests" / "support" / "spank_container.c"
    subprocess.run(["gcc", "-Wall", "-Werror", "-shared", "-fPIC", "-o", library, source], check=True)
    made = Cluster(tmp_path, 3, "--plugstack", f"required {library} {tmp_path}/records {image}")
    yield made
    made.close()


def test_a_job_in_containers_is_measured(cluster):
    site = cluster.folder / "site.yaml"
    site.write_text("container_runtime: pyxis\nuse_segment_sbatch_directive: false\n")
    model = {"path": str(cluster.model), "container": "docker://reg.io#team/engine:v1", "precision": "fp16"}
    job = cluster.job_file("contained", model=model, dynamo={"install": False})
    played = cluster.playbook(job, "-e", f"cluster_file={site}")
    assert played.rc == 0, played.text
    assert "importing the image: " in played.text, played.text
    assert "The results are valid." in played.text, played.text
    steps = [path.read_text() for path in (cluster.folder / "records").iterdir()]
    assert len(steps) == 9 and all("container-writable" in text for text in steps), steps
    assert not pathlib.Path("/mnt/root").exists()
    cluster.end(job)
