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
  - Root is not needed. An ordinary user's sandbox lives inside one user namespace in which the user stays who they are.
  - Nothing is made in the network of the machine itself, so several sandboxes do not meet, although all use the same
    names and addresses.
extends_documentation_fragment:
  - srt.slurm.attributes
options:
  state:
    description:
      - V(started) starts it, repairs what is missing (a daemon, a cut link) while jobs go on, and starts it anew if it
        has other settings, which ends its jobs.
      - V(absent) ends every process in it, also commands that somebody runs inside, and removes its directory.
    type: str
    choices: [started, absent]
    default: started
  dir:
    description:
      - Absolute path of the sandbox's own directory. It must not exist yet, be empty, or be a sandbox's.
      - Its parent must exist. On removal also the directory goes, unless something else was put there.
    type: path
    required: true
  nodes:
    description: Number of nodes, C(node001) and so on.
    type: int
    default: 4
  gpus_per_node:
    description:
      - GPUs that Slurm believes each node has. They are character devices, so C(CUDA_VISIBLE_DEVICES) is set as on a
        real node, but they compute nothing.
    type: int
    default: 8
  gpu_type:
    description: Type of the GPUs in Slurm's words.
    type: str
    default: h100
  cpus_per_node:
    description: Processors that Slurm believes each node has.
    type: int
    default: 64
  memory_mb:
    description: Memory that Slurm believes each node has, in MB.
    type: int
    default: 512000
  partition:
    description: Name of the one partition.
    type: str
    default: gpu
  slurmd_timeout_s:
    description: Seconds after which Slurm calls a silent node down.
    type: int
    default: 60
  kill_wait_s:
    description: Seconds between SIGTERM and SIGKILL of a cancelled job.
    type: int
    default: 2
  small_disk_mb:
    description:
      - Size in MB of a disk that all nodes share, the folder C(disk) of O(dir), to rehearse a disk that is full.
      - It is in memory and goes with the sandbox. V(0) makes none.
    type: int
    default: 0
  slurm_conf:
    description: More lines for slurm.conf. They come after the sandbox's own and before the nodes.
    type: list
    elements: str
    default: []
  plugstack:
    description: Lines of plugstack.conf, such as C(required /path/to/plugin.so).
    type: list
    elements: str
    default: []
  timeout_s:
    description: Seconds that the nodes may take to become usable.
    type: float
    default: 60.0
  keep_log:
    description: With O(state=absent), leave the directory's C(log) folder.
    type: bool
    default: false
requirements:
  - "Debian or Ubuntu packages: slurm-wlm, munge; libpmix-dev for C(srun --mpi=pmix)"
attributes:
  check_mode:
    support: full
  diff_mode:
    details: Returns nothing to compare.
    support: none
notes:
  - Commands reach the cluster through RV(exec). Inside there is no way to other networks, downloads included.
author:
  - srt.slurm developers (@srt-slurm)
"""

EXAMPLES = r"""
- name: Have a Slurm of 16 nodes on this machine
  srt.slurm.slurm_sandbox:
    dir: /home/ada/.sandbox
    nodes: 16
  register: sandbox

- name: Look at it
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
      description: Slurm's name of the node, its host name also.
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
  description: Words to put before a command to run it inside.
  returned: success
  type: list
  elements: str
  sample: [/home/ada/.sandbox/exec, --]
duration_s:
  description: Seconds that this took.
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
