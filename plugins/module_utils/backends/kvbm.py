# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""dynamo's KV block manager: its leader uses two ports, which must be unique on a node."""

from __future__ import annotations

from ..topology.ports import Family


def families(backend, spec):
    """Return the port families that the block manager adds to those of *backend*."""
    if any(backend.uses_kvbm(spec, mode) for mode in backend.modes(spec)):
        return (Family("kvbm", who="leader", shared=True, size=2),)
    return ()


def environment(process, layout):
    """Return the variables that name the leader of *process*; values of the job take precedence."""
    port, nodes = process.ports.get("kvbm"), process.endpoint.nodes
    if port is None:
        return {}
    # On one node the workers find the leader automatically.
    env = {"DYN_KVBM_LEADER_ZMQ_HOST": layout.address(nodes[0])} if len(nodes) > 1 else {}
    return {**env, "DYN_KVBM_LEADER_ZMQ_PUB_PORT": str(port), "DYN_KVBM_LEADER_ZMQ_ACK_PORT": str(port + 1)}
