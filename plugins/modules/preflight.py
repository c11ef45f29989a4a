#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module preflight: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: preflight
short_description: Check the nodes of a job before models load
version_added: 0.1.0
description:
  - Runs one step over all nodes of the job. Each node reports whether its GPUs are visible and idle, whether the ports
    of the plan are free, whether F(/dev/shm), disks and mounts are in order, whether a process may open enough files
    and connections for the concurrency of the points and the number of steps, its clock,
      and whether the Python of a load client without a container has the packages that it needs.
  - Takes the fingerprints of the model, the tokenizer, image files and further models of the engine on the nodes that
    use them. It is an error if nodes see different files, or lack the model or the tokenizer. If they all see other
    files than the host of the plan, or only they have them, the plan at O(plan_path) is replaced by one with their
    fingerprints, so that earlier points of other files do not count. Asks registries for the digests of image tags,
    for a few seconds.
  - Reports and removes the leftovers of finished jobs of the same output directory on a node (directories below
    F(/tmp), processes). It touches only leftovers that carry the mark of such a run directory, belong to the user, and
    whose job Slurm no longer lists.
  - Keeps the state of the nodes in C(provenance.json) for C(rollup.json). That is the kernel, network interfaces, GPUs
    with driver, clocks and errors, the version of Slurm, and the git state of mounted directories.
  - Also removes processes that outlived a step of this job, unless a later step started them.
  - If a concurrent controller checks the nodes of the same job, waits for it, O(timeout_s) at most, and then ends its
    step.
  - Does nothing when all steps of the plan run already, unless some of those files exist on the nodes only.
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
    description: Free space in MiB that F(/dev/shm) should have. Less is a warning, not an error.
    type: int
    default: 1024
  clock_skew_s:
    description: >-
      Seconds by which a node's clock may differ from that of the submit host. More is a warning, not an error.
    type: float
    default: 5.0
  clean:
    description: Whether to remove the leftovers of finished jobs of the collection. If not, RV(notes) names them.
    type: bool
    default: true
  ignore:
    description: Checks whose problems are ignored.
    type: list
    elements: str
    choices: [client, clock, disk, gpu, image, limit, mount, port, shm]
    default: []
  timeout_s:
    description: Seconds in which all nodes must report.
    type: float
    default: 120.0
attributes:
  check_mode:
    details: Returns at once and checks nothing.
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
- name: Check the nodes
  srt.slurm.preflight:
    plan_path: "{{ plan.plan_path }}"

- name: Check nodes whose ports foreign processes may use
  srt.slurm.preflight:
    plan_path: "{{ plan.plan_path }}"
    ignore: [port]
    clean: false
"""

RETURN = r"""
nodes:
  description: The reports of the nodes, in the order of the plan. Empty when nothing was done.
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
      description: What the node could not check, each with C(check) and C(why).
      type: list
      elements: dict
    nonce:
      description: Distinguishes this report from those of earlier checks and of concurrent controllers.
      type: str
    stale:
      description: Leftovers of finished jobs.
      type: list
      elements: str
    cleaned:
      description: What was removed.
      type: list
      elements: str
    inputs:
      description: What the node found out about the files that the results depend on.
      type: dict
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
      description: V(client), V(clock), V(disk), V(files), V(gpu), V(image), V(limit), V(mount), V(port) or V(shm).
      type: str
    fatal:
      description: Whether it fails the task.
      type: bool
    text:
      description: What is wrong.
      type: str
      sample: port 8081 of decode_0 is in use by another process (Address already in use)
notes:
  description:
    - Checks that nodes could not do, what is not known of files, and with O(clean=false) the leftovers on each node.
      They do not fail the task.
    - They are shown as lines, also without C(-v).
  returned: always, also on failure
  type: list
  elements: str
  sample: ["gpu not checked on node001, node002: no nvidia-smi"]
inputs:
  description: The files that the results depend on, with their fingerprints, one line each.
  returned: when the nodes were checked
  type: list
  elements: str
cleaned:
  description: What was removed, with the node.
  returned: always, also on failure
  type: list
  elements: str
bad_nodes:
  description: The faulty nodes, which a retry leaves out.
  returned: failure
  type: list
  elements: str
retryable:
  description: Whether a retry in another allocation may succeed.
  returned: failure
  type: bool
duration_s:
  description: Duration in seconds.
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
