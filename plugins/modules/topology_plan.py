#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module topology_plan: spec and allocation become the plan."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: topology_plan
short_description: Plan the steps of a job on its nodes
description:
  - Places workers on nodes and GPUs, assigns ports, and writes the plan with all steps, configuration files and health
    checks into the run directory.
  - The same input gives the same plan. A new plan keeps the ports of the previous one, so that running workers stay as
    they are.
  - It is an error if workers do not fit or ports collide. The error shows the calculation.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.spec
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  job:
    description:
      - The allocation, as M(srt.slurm.slurm_job) returns it, with C(id), C(run_dir) and C(nodes).
      - Without it the plan is for a job C(JOBID) on nodes C(node0001) and so on, and nothing is written.
    type: dict
  origins:
    description: The origins of the values of the job, as M(srt.slurm.job_spec) returns them, shown in check mode.
    type: dict
  secrets:
    description: Values of secrets by reference, written to a private file of the run directory.
    type: dict
  secrets_path:
    description: The same as RV(srt.slurm.job_spec#module:secrets_path). Only the controller can read it.
    type: path
  health_timeout_s:
    description: >-
      Seconds that the plan gives the service to become healthy; 0 means the time in the job's health_check.
    type: float
    default: 0.0
attributes:
  check_mode:
    details: >-
      Plans and writes nothing to the run directory, as without O(job). RV(plan_path) is a temporary file on the
      controller.
    support: full
  diff_mode:
    details:
      - Shows node map, steps and configuration files before and after.
      - In check mode also the job and the mounts of its containers, each value with its origin.
    support: full
"""

EXAMPLES = r"""
- name: Plan the service on the allocated nodes
  srt.slurm.topology_plan:
    spec: "{{ prelude.jobs[0].spec }}"
    job: "{{ allocated.job }}"
  register: planned

- name: Show the node map
  ansible.builtin.debug:
    msg: "{{ planned.node_map }}"
"""

RETURN = r"""
plan_path:
  description: >-
    The file of the plan, which the stages read. In check mode and without O(job) a file that is removed after the run.
  returned: success
  type: str
  sample: /shared/outputs/4711/plan.json
plan:
  description: Summary of the plan - nodes, endpoints, steps per tier, checks, points, frontend_url, digests.
  returned: success
  type: dict
groups:
  description: Node names by inventory group.
  returned: success
  type: dict
  sample: {srt_head: [node001], srt_prefill: [node001, node002]}
nodes:
  description: The nodes, each with name, address, roles and gpus.
  returned: success
  type: list
  elements: dict
inventory:
  description:
    - For C(add_host), C(groups) has the inventory groups of each node. C(limited_to) has the nodes that C(--limit)
      leaves; it is empty without this option. C(first) is the first node that is left.
  returned: success
  type: dict
  sample: {groups: {node001: [srt_nodes, srt_head]}, first: node001, limited_to: []}
node_map:
  description: Map of nodes, GPUs, workers and ports.
  returned: success
  type: str
frontend_url:
  description: URL of the service.
  returned: success
  type: str
notes:
  description: Notes to the user about decisions of the plan.
  returned: success
  type: list
  elements: str
layout_notes:
  description:
    - The RV(notes) that follow from the nodes - nodes and GPUs without a worker, ports that moved to avoid a collision.
    - They are shown as lines, also without C(-v). M(srt.slurm.job_spec) has shown the others.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.topology_plan import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
