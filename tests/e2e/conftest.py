# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox of eight nodes for all end-to-end tests but those of RL runs, which have one of three."""

from __future__ import annotations

import sys

import pytest
from cluster import ROOT, Cluster
from rl_pairs import Pairs

sys.path.insert(0, str(ROOT / "collections"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real Slurm and ways to run the playbook in it."""
    # As long as a playbook in a job that is cancelled may take for its last words; the sandbox's own 2 s are too short
    # for it on a busy machine.
    made = Cluster(tmp_path_factory.mktemp("e2e"), 8, "--kill-wait-s", "15")
    yield made
    made.close()


@pytest.fixture(scope="session")
def rl_cluster(tmp_path_factory):
    """A real Slurm with two GPU nodes and one without GPUs, and ways to run RL runs in it."""
    made = Pairs(tmp_path_factory.mktemp("rl"))
    yield made
    made.close()


@pytest.fixture
def rl(rl_cluster):
    """The same for one test: after it no job is left, and nothing of a job on its node."""
    yield rl_cluster
    rl_cluster.clean_up()
