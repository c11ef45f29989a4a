#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module earlier_points: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: earlier_points
short_description: Look for valid results of all points of a job
version_added: 0.1.0
description:
  - Tells whether earlier runs below O(output_dir) have valid results of all points that a run is to measure, by the
    digests of these points. Then the run has nothing to measure and needs no nodes.
  - Of the runs of this job, by its name, the one with most of the points gets the results of all others, with their
    origin. M(srt.slurm.rollup) can then consolidate it (RV(plan_path)). A job that has never run gets no results.
  - The answer is no while a load client measures a point of this job.
requirements:
  - The Slurm commands on the submit host.
extends_documentation_fragment:
  - srt.slurm.spec
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  allocation:
    description: >-
      The allocation request that M(srt.slurm.job_spec) returned (RV(srt.slurm.job_spec#module:jobs[].allocation)).
    type: dict
    required: true
  job_id:
    description: The allocation that the run would work in, instead of one found by name and digest.
    type: str
  output_dir:
    description: Parent of the run directories.
    type: path
    required: true
  concurrencies:
    description: Only these points are to be measured. Empty means all.
    type: list
    elements: int
    default: []
attributes:
  check_mode:
    details: The results stay where they are.
    support: full
  diff_mode:
    details: There is no diff.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.bench_run
  - module: srt.slurm.rollup
"""

EXAMPLES = r"""
- name: Look for valid results of all points
  srt.slurm.earlier_points:
    spec: "{{ spec.jobs[0].spec }}"
    allocation: "{{ spec.jobs[0].allocation }}"
    output_dir: /shared/outputs
  register: earlier

- name: Consolidate them
  srt.slurm.rollup:
    plan_path: "{{ earlier.plan_path }}"
  when: earlier.complete
"""

RETURN = r"""
complete:
  description: Whether all points are valid already.
  returned: success
  type: bool
run_dir:
  description: The run directory that has the results of all points, null unless RV(complete).
  returned: success
  type: str
plan_path:
  description: The plan in that directory, null unless RV(complete).
  returned: success
  type: str
job:
  description: The job that the run would use and may end, with its C(id) and C(run_dir). Null if there is none.
  returned: success
  type: dict
note:
  description: One line that says that nothing is left to measure, null unless RV(complete). It is shown, too.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.earlier_points import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
