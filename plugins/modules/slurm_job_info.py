#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module slurm_job_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: slurm_job_info
short_description: Find the Slurm allocation of a service
version_added: 0.1.0
description:
  - Finds the job that M(srt.slurm.slurm_job) would find, by its user, its name and the digest of its request, or by its
    id. Changes neither the job nor its lease.
requirements:
  - The Slurm commands on the submit host.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  allocation:
    description: The allocation request, as for O(srt.slurm.slurm_job#module:allocation). Required without O(job_id).
    type: dict
  job_id:
    description: Look for this job instead. RV(job) is null when it is over.
    type: str
  output_dir:
    description:
      - Parent of the run directories.
      - It is an error if the job works below another output directory. The error names that directory.
      - It is also an error if C(OUTPUT_DIR/JOB_ID) belongs to an earlier job with the same id, and this job has not
        been adopted yet.
    type: path
    required: true
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.slurm_job
  - module: srt.slurm.run_info
"""

EXAMPLES = r"""
- name: Look for the job
  srt.slurm.slurm_job_info:
    allocation: "{{ spec.jobs[0].allocation }}"
    output_dir: /shared/outputs
  register: found

- name: Show whether it runs
  ansible.builtin.debug:
    msg: "{{ 'no job' if not found.job else found.job.state }}"
"""

RETURN = r"""
job:
  description: The allocation as in RV(srt.slurm.slurm_job#module:job), null when there is none.
  returned: success
  type: dict
  sample: {"id": "4711", "name": "quickstart", "state": "RUNNING", "run_dir": "/shared/outputs/4711"}
log:
  description: Output of the playbook inside the job, null when there is none.
  returned: success
  type: str
notes:
  description: Notes to the user. They are shown, too.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.slurm_job_info import ARGUMENT_SPEC, OPTIONS, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC, **OPTIONS)


if __name__ == "__main__":
    main()
