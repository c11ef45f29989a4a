#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module topology_plan: spec and allocation become the plan."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: topology_plan
short_description: Plan which process runs where
description:
  - Places workers on nodes and GPUs, gives out ports, and writes the plan with all steps, configuration files and
    health checks into the run directory.
  - The same input gives the same plan. A plan that is made again keeps the ports of the one before, so that running
    workers stay as they are.
  - Workers that do not fit, and ports that collide, are errors that show the sum.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  spec:
    description: The job, as M(srt.slurm.job_spec) returns it.
    type: dict
    required: true
  job:
    description:
      - The allocation, as M(srt.slurm.slurm_job) returns it, with C(id), C(run_dir) and C(nodes).
      - Without it the plan is made for a job C(JOBID) on nodes C(node0001) and so on.
    type: dict
  origins:
    description: Where each value of the job came from, as M(srt.slurm.job_spec) returns it; shown in check mode.
    type: dict
  secrets:
    description: Values of secrets by reference, written to a private file of the run directory.
    type: dict
  secrets_path:
    description: The same as RV(srt.slurm.job_spec#module:secrets_path). Only the controller can read it.
    type: path
attributes:
  check_mode:
    details: Plans and writes nothing; RV(plan_path) is then a temporary file of the controller.
    support: full
  diff_mode:
    details:
      - Shows node map, steps and configuration files before and after.
      - In check mode also the job and the mounts of its containers, each value with the place where it is from.
    support: full
"""

EXAMPLES = r"""
- name: Plan the service on the nodes that Slurm gave
  srt.slurm.topology_plan:
    spec: "{{ prelude.jobs[0].spec }}"
    job: "{{ allocated.job }}"
  register: planned

- name: Show who sits where
  ansible.builtin.debug:
    msg: "{{ planned.node_map }}"
"""

RETURN = r"""
plan_path:
  description: The plan's file, which the stages read. In check mode a file that is gone after the run.
  returned: success
  type: str
  sample: /shared/outputs/4711/plan.json
plan:
  description: Numbers of the plan - nodes, endpoints, steps per tier, checks, points, frontend_url, digests.
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
node_map:
  description: A small picture of nodes, GPUs, workers and ports.
  returned: success
  type: str
frontend_url:
  description: Where the service answers.
  returned: success
  type: str
notes:
  description: What the plan decided for the user.
  returned: success
  type: list
  elements: str
layout_notes:
  description:
    - Those of RV(notes) that follow from the nodes - nodes and GPUs without a worker, ports that had to step aside.
    - They are shown as lines, also without C(-v). The others were shown by M(srt.slurm.job_spec).
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
