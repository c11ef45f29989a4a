#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module sweep_run: the jobs of a sweep. The action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sweep_run
short_description: Run the jobs of a sweep in as few allocations as possible
description:
  - Jobs with an equal allocation request share one allocation. Between two of them only the steps that differ start
    anew, and nothing if only the benchmark differs. An allocation ends when its jobs are done.
  - Measures only what no earlier run has measured, so that it continues after any interruption. A job whose points are
    all valid needs no allocation.
  - A job that fails does not prevent the next one. If its allocation has ended with it, the next one gets another. If
    others had used that allocation before, which may have ended by its time limit, the job is run once more.
  - Runs a playbook for each job, with the resolved job in the variable C(srt_slurm_frozen), and the inventory, the
    extra vars and the tags of the present run. With tags, no allocation is kept for the next job.
  - Shows one line for each point. The whole output of each playbook is in C(logs) in the directory of the sweep; with a
    submit host that is another machine, in C(sweep-logs) of the working directory.
  - The results are in C(sweeps/NAME) below O(output_dir), see M(srt.slurm.sweep_record).
  - Always runs on the controller.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.jobs
  - srt.slurm.sweep
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
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
  keep:
    description: Whether the service of the last job of each group stays up.
    type: bool
    default: false
  lease_s:
    description: Seconds without a controller after which an allocation ends.
    type: float
    default: 120.0
  teardown_timeout_s:
    description: Seconds that the end of an allocation may take.
    type: float
    default: 180.0
  only:
    description: The names of the jobs to run. The record and the table are about all of them. Empty means all.
    type: list
    elements: str
    default: []
  stop_on_failure:
    description: Whether to skip the remaining jobs after one that failed.
    type: bool
    default: false
attributes:
  check_mode:
    details: Shows the groups, the points that would be measured, the GPU hours at most, and what sharing saves.
    support: full
  diff_mode:
    support: none
seealso:
  - module: srt.slurm.job_spec
  - module: srt.slurm.sweep_record
"""

EXAMPLES = r"""
- name: Read the jobs of a file
  srt.slurm.job_spec:
    job_file: recipes/sweep.yaml
  register: prelude

- name: Run them
  srt.slurm.sweep_run:
    name: "{{ prelude.sweep }}"
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
      description: Exit code of its playbook, null when it was not run.
      type: int
      returned: always
    complete:
      description: Whether all its points are valid.
      type: bool
      returned: always
    failure:
      description: Why it failed or was left out, null if it did not.
      type: str
      returned: always
    log:
      description: The whole output of its playbook, null if it was not run.
      type: str
      returned: always
    job_id:
      description: Slurm's id of the job in which it was last run, null when it has no results.
      type: str
      returned: always
    valid:
      description: Whether all its points are valid and no stage failed, null when it has no results.
      type: bool
      returned: always
    verdict:
      description: >-
        The same in words. C(chosen points valid) with the names of the others when it measured chosen points only.
      type: str
      returned: always
    path:
      description: Its run directory in the sweep, null when it has no results.
      type: str
      returned: always
    parameters:
      description: What it differs in from the others, by name.
      type: dict
      returned: always
    points:
      description: What identifies each point, its state, and its figures.
      type: list
      elements: dict
      returned: always
groups:
  description: The allocations that were left to run, see RV(srt.slurm.sweep_record#module:groups).
  returned: always
  type: list
  elements: dict
folder:
  description: The directory of the sweep, with C(sweep.json) and C(sweep.csv).
  returned: always
  type: str
points:
  description: The numbers of points - C(total), C(valid), C(invalid) and C(left).
  returned: always
  type: dict
best:
  description: The best valid point by each metric.
  returned: always
  type: list
  elements: dict
shared:
  description: The number of allocations and starts of workers that are left, and their GPU hours at most.
  returned: always
  type: dict
alone:
  description: The same if each job had an allocation of its own.
  returned: always
  type: dict
text:
  description: The table.
  returned: always
  type: str
"""
