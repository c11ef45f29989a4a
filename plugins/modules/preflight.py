#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module preflight: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: preflight
short_description: Look at the nodes of a job before models load
version_added: 0.1.0
description:
  - One step over all nodes of the job, in which each node reports whether its GPUs are visible and idle, whether the
    ports that the plan wants are free, whether F(/dev/shm), disks and mounts are as they should be, and its clock.
  - What finished jobs of the same output directory left on a node (directories below F(/tmp), processes) is reported
    and removed. Only what carries the mark of such a run directory, belongs to the user, and whose job Slurm no longer
    lists is touched.
  - What outlived a step of this job is removed as well, unless a later step started it.
  - While another controller looks at the nodes of the same job it is waited for, for O(timeout_s) at most. Then its
    step is ended.
  - Nothing is done when all steps of the plan run already.
extends_documentation_fragment:
  - srt.slurm.plan
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  min_free_mib:
    description: Free space in MiB that the run directory and F(/tmp) must have on every node.
    type: int
    default: 256
  min_shm_mib:
    description: Free space in MiB that F(/dev/shm) should have. Less is told, but does not fail.
    type: int
    default: 1024
  clock_skew_s:
    description: Seconds that a node's clock may be off. More is told, but does not fail.
    type: float
    default: 5.0
  clean:
    description: Whether to remove what finished jobs of ours left. If not, it is told in RV(notes).
    type: bool
    default: true
  ignore:
    description: Checks whose problems do not matter.
    type: list
    elements: str
    choices: [clock, disk, gpu, mount, port, shm]
    default: []
  timeout_s:
    description: Seconds until all nodes must have reported.
    type: float
    default: 120.0
attributes:
  check_mode:
    details: Returns at once and looks at nothing.
    support: full
  diff_mode:
    details: There is nothing to show.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.srun_worker
"""

EXAMPLES = r"""
- name: Look at the nodes
  srt.slurm.preflight:
    plan_path: "{{ plan.plan_path }}"

- name: Look at nodes whose ports somebody else may use
  srt.slurm.preflight:
    plan_path: "{{ plan.plan_path }}"
    ignore: [port]
    clean: false
"""

RETURN = r"""
nodes:
  description: What each node said, in the order of the plan. Empty when nothing was done.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    node:
      description: Name of the node.
      type: str
      sample: node003
    time:
      description: Its clock, seconds since the epoch.
      type: float
    gpus:
      description: How many GPUs nvidia-smi shows; null where there is no nvidia-smi.
      type: int
    unchecked:
      description: What the node could not look at, each with C(check) and C(why).
      type: list
      elements: dict
    nonce:
      description: What tells this report from those of earlier looks and other controllers.
      type: str
    stale:
      description: What finished jobs left.
      type: list
      elements: str
    cleaned:
      description: What was removed.
      type: list
      elements: str
    problems:
      description: As in RV(problems), without the node.
      type: list
      elements: dict
problems:
  description: All problems.
  returned: always, also on failure
  type: list
  elements: dict
  contains:
    node:
      description: The node.
      type: str
    check:
      description: V(clock), V(disk), V(gpu), V(mount), V(port) or V(shm).
      type: str
    fatal:
      description: Whether it fails the module.
      type: bool
    text:
      description: What is wrong.
      type: str
      sample: port 8081 of decode_0 is taken by another process (Address already in use)
notes:
  description:
    - Checks that nodes could not do, and with O(clean=false) each thing that is left on a node. They fail nothing.
    - They are shown as lines, also without C(-v).
  returned: always, also on failure
  type: list
  elements: str
  sample: ["gpu not checked on node001, node002: no nvidia-smi"]
cleaned:
  description: What was removed, with the node.
  returned: always, also on failure
  type: list
  elements: str
bad_nodes:
  description: The nodes with faults, which another try leaves out.
  returned: failure
  type: list
  elements: str
retryable:
  description: Whether another allocation may do better.
  returned: failure
  type: bool
duration_s:
  description: Seconds that it took.
  returned: always, also on failure
  type: float
  sample: 0.3
skipped_because:
  description: Why nothing was done, null if something was.
  returned: success
  type: str
  sample: all steps run already
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.preflight import ARGUMENT_SPEC, OPTIONS, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
