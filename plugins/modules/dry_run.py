#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module dry_run: what jobs would do."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: dry_run
short_description: Show and write what jobs would do
description:
  - Plans each job on placeholder nodes C(node0001) and so on, with job id C(JOBID) and addresses C(<addr:node0001>).
  - With C(--diff) it shows, for each job, the node map with GPUs and ports, the resolved job with the origin of each
    value, the sbatch script, every configuration file, the mounts, every srun line with its environment, the points of
    the benchmark, the tags of the run and the maximum cost of the job in GPU hours.
  - Writes the same into a directory for each job, unless in check mode. Asks neither Slurm nor the nodes.
  - Always runs on the controller.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.jobs
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  origins:
    description: The origins of the values of each job, as M(srt.slurm.job_spec) returns them.
    type: list
    elements: dict
    default: []
  notes:
    description: Additional lines for C(plan.txt), for example the notes of M(srt.slurm.job_spec).
    type: list
    elements: str
    default: []
  problems:
    description:
      - The problems of jobs that M(srt.slurm.job_spec) left out (O(srt.slurm.job_spec#module:partial)).
      - The module fails with them after it has written the dry runs of O(jobs).
    type: list
    elements: dict
    default: []
  path:
    description: Directory in which the module creates C(<name>_<time>/) for each job.
    type: path
    default: dry-runs
  output_dir:
    description: Parent of the run directories. The default is that of the job or the cluster file.
    type: path
  lease_s:
    description: The lease in the sbatch script, in seconds.
    type: float
    default: 120.0
  concurrencies:
    description: Points that would be measured. C(plan.json) has the others as well. Empty means all.
    type: list
    elements: int
    default: []
attributes:
  check_mode:
    details: Shows the same and writes nothing.
    support: full
  diff_mode:
    details: Shows the whole dry run of each job.
    support: full
seealso:
  - module: srt.slurm.job_spec
  - module: srt.slurm.topology_plan
"""

EXAMPLES = r"""
- name: Read the jobs of a file
  srt.slurm.job_spec:
    job_file: recipes/sweep.yaml
    check_paths: false
  register: prelude

- name: Write their dry runs
  srt.slurm.dry_run:
    jobs: "{{ prelude.jobs }}"
    origins: "{{ prelude.origins }}"
    path: dry-runs
  register: rehearsed
"""

RETURN = r"""
jobs:
  description: The jobs in the order of O(jobs).
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the job.
      type: str
      returned: always
    path:
      description: The directory that was written; null in check mode.
      type: str
      returned: always
    plan:
      description: Summary of the plan, as in RV(srt.slurm.topology_plan#module:plan).
      type: dict
      returned: always
    node_map:
      description: Map of nodes, GPUs, workers and ports, with the cost.
      type: str
      returned: always
    points:
      description: Labels of the points that would be measured.
      type: list
      elements: str
      returned: always
      sample: [c=4, c=16]
    left_out:
      description: Labels of the points that O(concurrencies) leaves out.
      type: list
      elements: str
      returned: always
    tags:
      description: Tags that would be stored with the run.
      type: list
      elements: str
      returned: always
    files:
      description: Names of the files in RV(jobs[].path).
      type: list
      elements: str
      returned: always
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.dry_run import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
