# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real engine without a GPU, and a sandbox for it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cluster import ROOT, Cluster

sys.path.insert(0, str(ROOT / "collections"))
FOLDER = ROOT / ".cache" / "engines"
HARNESSES = ROOT / ".cache" / "harness"


@pytest.fixture(scope="session")
def engine():
    """The folder with the engine's Python and the model, made if they are not there."""
    subprocess.run([str(ROOT / "tools" / "make-engines"), str(FOLDER)], cwd=ROOT, check=True)
    return FOLDER


@pytest.fixture(scope="session")
def lm_eval():
    """harness_dir with lm-eval, made by the playbook if it is not there. The sandbox has no way to the packages."""
    names = [f"harness_dir={HARNESSES}", "harnesses=lm-eval"]
    words = ["--tags", "harness", *(word for name in names for word in ("-e", name))]
    subprocess.run([sys.executable, "-m", "ansible", "playbook", "playbooks/setup.yml", *words], cwd=ROOT, check=True)
    return HARNESSES


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, engine):
    """A Slurm of one node, and ways to run the playbook in it."""
    made = Cluster(tmp_path_factory.mktemp("engines"), 1)
    yield made
    made.close()
