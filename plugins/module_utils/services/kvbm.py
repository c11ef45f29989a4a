# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Dynamo's KV block manager: its leader uses two ports, which must be unique on a node."""

from __future__ import annotations

from collections.abc import Mapping

from ..schema.section import port
from ..topology.layout import Layout, Process
from ..topology.ports import Family

PORTS = {
    "kvbm": port(5600, "First pair of ports of the leaders of dynamo's KV block manager; numbered per node."),
}
FAMILY = Family("kvbm", who="leader", shared=True, size=2)


def named_in(variables: Mapping[str, str]) -> bool:
    """Return whether the environment *variables* of a worker request it."""
    return str(variables.get("DYN_CONNECTOR", "")).lower() == "kvbm"


def environment(process: Process, layout: Layout) -> dict[str, str]:
    """Return the variables that name the leader of *process*; values of the job take precedence."""
    number, nodes = process.ports.get(FAMILY.name), process.endpoint.nodes
    if number is None:
        return {}
    # On one node the workers find the leader automatically.
    env = {"DYN_KVBM_LEADER_ZMQ_HOST": layout.address(nodes[0])} if len(nodes) > 1 else {}
    return {**env, "DYN_KVBM_LEADER_ZMQ_PUB_PORT": str(number), "DYN_KVBM_LEADER_ZMQ_ACK_PORT": str(number + 1)}
