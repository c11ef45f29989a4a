#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cluster_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster_info
short_description: Find out what a cluster has, and what its srtslurm.yaml should say
version_added: 0.1.0
description:
  - Asks Slurm for partitions, GPUs, time limits, accounts, the types of MPI and the options that C(sbatch) and C(srun)
    take. C(sbatch --test-only) tells whether C(--gpus-per-node), C(--segment) and C(--exclusive) are accepted; nothing
    is submitted.
  - Asks one idle node, by a small job of C(srun), for its architecture and its network interfaces. Where no node is
    idle, what only a node knows is not proposed, and RV(notes) say so.
  - Each proposal comes with its reason. A setting about which nothing is known has the value null.
requirements:
  - The Slurm commands on the submit host. C(sacctmgr) is not needed.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  partition:
    description: The partition to look at. The default is Slurm's own, unless only another one has GPUs.
    type: str
  account:
    description: The account of the small jobs. The default is the user's own.
    type: str
  shared_dir:
    description: A directory that this host and the nodes see, where the node that is asked writes its answer.
    type: path
    required: true
  ask_node:
    description: Whether an idle node is asked. In check mode none is.
    type: bool
    default: true
  wait_s:
    description: How long to wait for an idle node, in seconds.
    type: float
    default: 30.0
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.cluster_file
  - module: srt.slurm.doctor_info
"""

EXAMPLES = r"""
- name: Look at the cluster
  srt.slurm.cluster_info:
    shared_dir: /shared/srt
  register: cluster

- name: Show what it has
  ansible.builtin.debug:
    var: cluster.proposals
"""

RETURN = r"""
facts:
  description: What the cluster supports - C(slurm_version), C(architecture), C(accounting), C(pmix), C(pyxis),
    C(partition) and C(usable_nodes).
  returned: success
  type: dict
  sample: {"slurm_version": "23.11.4", "architecture": "aarch64", "accounting": "accounting_storage/slurmdbd",
    "pmix": "pmix_v4", "pyxis": true, "partition": "batch (18 nodes, 4 GPUs each, up to 4:00:00)", "usable_nodes": 18}
proposals:
  description: Settings of C(srtslurm.yaml), each with C(key), C(value) (null - better not set) and C(why).
  returned: success
  type: list
  elements: dict
  sample: [{"key": "default_partition", "value": "batch", "why": "Slurm's default"}]
questions:
  description: What a person may be asked about, by the key of the setting.
  returned: success
  type: dict
partitions:
  description: The partitions in words.
  returned: success
  type: list
  elements: str
notes:
  description: What could not be found out, and why.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.cluster_info import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
