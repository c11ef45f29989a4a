#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module slurm_sandbox: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: slurm_sandbox
short_description: Run a real Slurm of many nodes on one machine
version_added: 0.1.0
description:
  - Starts munged, slurmctld and one slurmd per node from the distribution's packages, each node in network, host name,
    mount and IPC namespaces of its own, with its own address, name and ports. Or removes all of it.
  - Does not need root. An ordinary user's sandbox lives inside one user namespace in which the user id stays the same.
  - Creates nothing in the network of the machine itself, so several sandboxes do not interfere, although all use the
    same names and addresses.
extends_documentation_fragment:
  - srt.slurm.attributes
options:
  state:
    description:
      - V(started) starts it, repairs missing parts (a daemon, a cut link) while jobs continue, and restarts it for
        other settings, which ends its jobs.
      - V(absent) ends every process in it, including other commands that run inside, and removes its directory.
    type: str
    choices: [started, absent]
    default: started
  dir:
    description:
      - Absolute path of the sandbox's own directory. It must not exist yet, be empty, or be a sandbox's.
      - Its parent must exist. Removal deletes the directory too, unless it contains other files.
    type: path
    required: true
  nodes:
    description: Number of nodes, C(node001) and so on.
    type: int
    default: 4
  gpus_per_node:
    description:
      - GPUs of each node, as Slurm sees them. They are character devices, so C(CUDA_VISIBLE_DEVICES) is set as on a
        real node, but they compute nothing.
    type: int
    default: 8
  gpu_type:
    description: Slurm's name for the type of the GPUs.
    type: str
    default: h100
  cpus_per_node:
    description: Processors of each node, as Slurm sees them.
    type: int
    default: 64
  memory_mb:
    description: Memory of each node in MB, as Slurm sees it.
    type: int
    default: 512000
  partition:
    description: Name of the default partition.
    type: str
    default: gpu
  cpu_nodes:
    description: How many of the nodes, the last ones, have no GPU and are in a partition of their own.
    type: int
    default: 0
  cpu_partition:
    description: Name of that partition.
    type: str
    default: cpu
  slurmd_timeout_s:
    description: Seconds after which Slurm sets a silent node down.
    type: int
    default: 60
  kill_wait_s:
    description: Seconds between SIGTERM and SIGKILL of a cancelled job.
    type: int
    default: 2
  small_disk_mb:
    description:
      - Size in MB of a disk that all nodes share, the folder C(disk) of O(dir), to rehearse a full disk.
      - It is in memory and disappears with the sandbox. V(0) means none.
    type: int
    default: 0
  slurm_conf:
    description: Additional lines of C(slurm.conf), after the sandbox's own and before the nodes.
    type: list
    elements: str
    default: []
  plugstack:
    description: Lines of C(plugstack.conf), such as C(required /path/to/plugin.so).
    type: list
    elements: str
    default: []
  timeout_s:
    description: Seconds in which the nodes must become usable.
    type: float
    default: 60.0
  keep_log:
    description: Whether O(state=absent) keeps the C(log) folder of the directory.
    type: bool
    default: false
requirements:
  - "Debian or Ubuntu packages: slurm-wlm, munge; libpmix-dev for C(srun --mpi=pmix)"
attributes:
  check_mode:
    support: full
  diff_mode:
    details: Has no diff.
    support: none
notes:
  - Commands reach the cluster through RV(exec). Inside there is no route to other networks, so downloads fail.
author:
  - srt.slurm developers (@srt-slurm)
"""

EXAMPLES = r"""
- name: Start a Slurm of 16 nodes on this machine
  srt.slurm.slurm_sandbox:
    dir: /home/ada/.sandbox
    nodes: 16
  register: sandbox

- name: Show its nodes
  ansible.builtin.command:
    argv: "{{ sandbox.exec + ['sinfo', '-N'] }}"
  changed_when: false

- name: Remove it, with everything that runs in it
  srt.slurm.slurm_sandbox:
    dir: /home/ada/.sandbox
    state: absent
"""

RETURN = r"""
action:
  description: What was done, or in check mode would be done.
  returned: success
  type: str
  choices: [keep, start, repair, restart, remove]
dir:
  description: The directory.
  returned: success
  type: str
nodes:
  description: The nodes, empty with O(state=absent).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Slurm's name of the node, which is also its host name.
      type: str
    address:
      description: Its IPv4 address inside the sandbox.
      type: str
  sample: [{name: node001, address: 10.77.0.11}]
slurm_conf_path:
  description: Path of slurm.conf.
  returned: success
  type: str
exec:
  description: Prefix of a command to run it inside.
  returned: success
  type: list
  elements: str
  sample: [/home/ada/.sandbox/exec, --]
duration_s:
  description: Duration in seconds.
  returned: success
  type: float
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.sandbox.entry import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
