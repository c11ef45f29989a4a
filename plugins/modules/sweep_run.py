#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module sweep_run: several jobs, one after the other. The action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sweep_run
short_description: Run several jobs one after the other
description:
  - Runs a playbook for each job, to its end, before the next one starts. Each job has its own allocation, service,
    results and clean end. A job that fails does not prevent the next one.
  - The playbook gets the resolved job in the variable C(srt_slurm_frozen), and the inventory, the extra vars, the tags,
    C(--check) and C(--diff) of the present run.
  - The results of a job are those that M(srt.slurm.rollup) returned in that playbook. A job that ended before that, or
    ran in check mode, has none, even if earlier runs have results.
  - Always runs on the controller.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  jobs:
    description: The jobs, as M(srt.slurm.job_spec) returns them.
    type: list
    elements: dict
    required: true
  origins:
    description: The origins of the values of each job, as M(srt.slurm.job_spec) returns them.
    type: list
    elements: dict
    default: []
  secrets_path:
    description: The same as RV(srt.slurm.job_spec#module:secrets_path).
    type: path
  playbook:
    description: The playbook to run for each job.
    type: path
    required: true
  stop_on_failure:
    description: Whether to skip the remaining jobs after one that failed.
    type: bool
    default: false
attributes:
  check_mode:
    details: The playbook of each job runs in check mode.
    support: full
  diff_mode:
    details: The playbook of each job shows its own diff.
    support: full
seealso:
  - module: srt.slurm.job_spec
"""

EXAMPLES = r"""
- name: Read the jobs of a file
  srt.slurm.job_spec:
    job_file: recipes/sweep.yaml
  register: prelude

- name: Run them one after the other
  srt.slurm.sweep_run:
    jobs: "{{ prelude.jobs }}"
    playbook: "{{ playbook_dir }}/bench.yml"
"""

RETURN = r"""
jobs:
  description: The jobs in the order of O(jobs).
  returned: always
  type: list
  elements: dict
  contains:
    name:
      description: Name of the job.
      type: str
      returned: always
    rc:
      description: Exit code of its playbook, null when the job was skipped.
      type: int
      returned: always
    job_id:
      description: Slurm's id of the job, null when it has no results.
      type: str
      returned: always
    valid:
      description: Whether all its points are valid, null when it has no results.
      type: bool
      returned: always
    verdict:
      description: >-
        The same in words. C(chosen points valid) with the names of the others when it measured chosen points only.
      type: str
      returned: always
    path:
      description: Its run directory, null when it has no results.
      type: str
      returned: always
    points:
      description: What identifies each point, whether it is valid, and the figures in its summary.
      type: list
      elements: dict
      returned: always
"""
