# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox of eight nodes for all end-to-end tests."""

from __future__ import annotations

import sys

import pytest
from cluster import ROOT, Cluster

sys.path.insert(0, str(ROOT / "collections"))


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """A real Slurm and ways to run the playbook in it."""
    # As long as a playbook in a job that is cancelled may take for its last words; the sandbox's own 2 s are too short
    # for it on a busy machine.
    made = Cluster(tmp_path_factory.mktemp("e2e"), 8, "--kill-wait-s", "15")
    yield made
    made.close()
