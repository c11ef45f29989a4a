#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module sweep_record: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sweep_record
short_description: Write what a sweep has to do and what it has done
version_added: 0.1.0
description:
  - Groups the jobs of a sweep by what they can share. Jobs with an equal allocation request share an allocation, those
    of them with an equal service share its start.
  - Writes C(sweep.json), C(sweep.csv) with one row for each point, and C(sweep.txt) with the table, to C(sweeps/NAME)
    below O(output_dir). The results themselves are in C(variants/JOB) there, one run directory for each job.
  - M(srt.slurm.sweep_run) calls it before, between and after the jobs.
extends_documentation_fragment:
  - srt.slurm.jobs
  - srt.slurm.sweep
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  gather:
    description: Whether to bring jobs whose points are all valid in earlier runs to the sweep.
    type: bool
    default: false
  only:
    description: The names of the jobs that are to run. Empty means all.
    type: list
    elements: str
    default: []
  runs:
    description: How jobs that ran ended, by their names. RV(jobs[].failure) is taken from the key C(failure).
    type: dict
    default: {}
  state:
    description: The state of the sweep, for its record.
    type: str
    choices: [running, finished, stopped]
    default: running
attributes:
  check_mode:
    details: Returns the same and writes nothing.
    support: full
  diff_mode:
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.sweep_run
"""

EXAMPLES = r"""
- name: Read the jobs of a file
  srt.slurm.job_spec:
    job_file: recipes/sweep.yaml
  register: prelude

- name: Write the tables of their sweep
  srt.slurm.sweep_record:
    name: "{{ prelude.sweep }}"
    jobs: "{{ prelude.jobs }}"
    gather: true
"""

RETURN = r"""
folder:
  description: The directory of the sweep.
  returned: success
  type: str
output_dir:
  description: The parent of all run directories.
  returned: success
  type: str
groups:
  description:
    - The allocations for the jobs that are not complete, with their C(name), allocation C(request), C(nodes), C(gpus),
      C(time_limit) and C(gpu_hours) at most. C(services) lists the jobs that share a service.
    - Empty without O(gather) while the state is V(running).
  returned: success
  type: list
  elements: dict
shared:
  description: The number of C(allocations), of C(workers) that start, and the C(gpu_hours) at most.
  returned: success
  type: dict
alone:
  description: The same if each job had an allocation of its own.
  returned: success
  type: dict
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
    parameters:
      description: What it differs in from the others, by name.
      type: dict
      returned: always
    run_dir:
      description: Its run directory in the sweep.
      type: str
      returned: always
    complete:
      description: Whether all its points are valid, so that nothing is left to measure.
      type: bool
      returned: always
    failure:
      description: Why it failed, or was left out. Null if it did not.
      type: str
      returned: always
    labels:
      description: Its points.
      type: list
      elements: str
      returned: always
    known:
      description: Those of them that are valid already.
      type: list
      elements: str
      returned: always
    rows:
      description: Its points with their state and figures.
      type: list
      elements: dict
      returned: always
points:
  description: The numbers of points - C(total), C(valid), C(invalid), and C(left) for those that are not measured.
  returned: success
  type: dict
parameters:
  description: The names of all parameters.
  returned: success
  type: list
  elements: str
best:
  description: The best valid point by each metric.
  returned: success
  type: list
  elements: dict
text:
  description: The table.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.sweep_record import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
