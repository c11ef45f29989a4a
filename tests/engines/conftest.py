# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real engine without a GPU, and a sandbox for it."""

from __future__ import annotations

import subprocess

import pytest
from cluster import ROOT, Cluster

FOLDER = ROOT / ".cache" / "engines"


@pytest.fixture(scope="session")
def engine():
    """The folder with the engine's Python and the model, made if they are not there."""
    subprocess.run([str(ROOT / "tools" / "make-engines"), str(FOLDER)], cwd=ROOT, check=True)
    return FOLDER


@pytest.fixture(scope="session")
def cluster(tmp_path_factory, engine):
    """A Slurm of one node, and ways to run the playbook in it."""
    made = Cluster(tmp_path_factory.mktemp("engines"), 1)
    yield made
    made.close()
