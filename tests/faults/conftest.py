# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: GPL-3.0-or-later
"""One cluster for all fault tests, whole again after each."""

from __future__ import annotations

import pytest
from cluster import wait_for
from faults import Faults


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    """The cluster of all fault tests."""
    made = Faults(tmp_path_factory.mktemp("faults"))
    yield made
    made.close()


# Modules whose quick tests reach the holder directly: through Slurm each playbook takes a second longer.
DIRECT = ("test_controller", "test_preflight")


@pytest.fixture(autouse=True)
def _transport(cluster, request, monkeypatch):
    """Reach the holder through Slurm, as where the nodes do not share the login's /tmp, or directly."""
    if request.path.stem in DIRECT and not request.node.get_closest_marker("slow"):
        monkeypatch.delitem(cluster.environment, "SRT_SLURM_TRANSPORT")


@pytest.fixture(autouse=True)
def _whole(cluster):
    """Begin with a whole cluster, and leave nothing broken for the next test."""
    wait_for(cluster.usable, "all nodes to be idle")
    yield
    cluster.clear()
    for job_id in cluster.jobs():
        cluster.run("scancel", job_id, check=False)
    wait_for(lambda: cluster.jobs() == [], "the queue to be empty", timeout_s=120)
