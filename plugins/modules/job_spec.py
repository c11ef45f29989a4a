#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module job_spec: a job description becomes a checked spec."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: job_spec
short_description: Check a job description and complete it
description:
  - Reads a job, lays the cluster file's defaults under it, checks it and fills in every default.
  - Every problem of a file is reported at once, with file, line, path and, where possible, the right key.
  - The job comes from O(job), from O(job_file), or from the extra vars of the run. There it is either a variable
    C(job), a variable C(job_file), or the top-level keys of the extra vars file that holds C(model) and C(resources).
    All forms give the same spec.
  - In the flat form a variable on the command line replaces the top-level key of the same name, for example
    C(-e name=other).
  - Extra vars that are nearly one of this collection's variables are errors that name the right one.
  - Values of environment variables whose names look secret (C(HF_TOKEN), C(STORE_PASSWORD)), whose values do (a URL
    with a password), or that come from a vault are replaced by references. Anything else from a vault is an error, but
    for short words, numbers and truth values of a file that is encrypted as a whole, and for such a job file itself.
  - Always runs on the controller, and never changes anything.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  job:
    description: The job itself.
    type: dict
  job_file:
    description:
      - A file with the job. A job may be the keys themselves, or stand under one key C(job).
      - A file with C(base) holds variants; C(file:override_name), C(file:zip_override_name[2]), C(file:base) or a glob
        after the colon chooses among them. Without it all variants are returned, the base not among them.
      - A job with C(sweep) becomes one job for each combination of its parameters.
      - Of a directory all files C(*.yaml) and C(*.yml) below it are read.
    type: path
  cluster_file:
    description:
      - The cluster file. By default the file named by the environment variable E(SRTSLURM_CONFIG), otherwise the
        first C(srtslurm.yaml) in the working directory and the directories above it.
    type: path
  setup_script:
    description: A script below C(configs_dir) that runs before each worker; replaces the job's own.
    type: str
  job_tags:
    description: Words that are stored with the run.
    type: list
    elements: str
    default: []
  check_paths:
    description: Whether model, container and Python must exist here. Turn it off for paths of compute nodes only.
    type: bool
    default: true
  output_dir:
    description:
      - Parent of the run directories; by default that of the cluster file, else C(outputs).
      - When the job has secrets it gets a private file with a random key, so that a secret has the same reference in
        every run and on every machine.
    type: path
  single:
    description: More than one job is an error, unless in check mode, where all are shown.
    type: bool
    default: false
  rehearse:
    description:
      - Nothing will be run. What this version cannot run yet is then a note instead of an error, as in check mode.
    type: bool
    default: false
  frozen:
    description: A file with an earlier answer of this module, which is given again. Nothing else is read.
    type: path
  keep:
    description: Whether the service stays up after the run - C(true), C(false), or the seconds that it stays up alone.
    type: str
    default: "false"
  lease_s:
    description:
      - Seconds after which the job ends itself without a sign of life of a controller. By default the number in
        O(keep), else 3600 with O(keep) and 120 without. 15 is the least.
    type: str
  concurrencies:
    description:
      - The points to measure - one number, text such as V(4,16), or a list. One that the job does not have is an error.
      - By default all points of the job.
    type: raw
  job_id:
    description: The allocation that the run is to work in. Only its form is checked - the number of one whole job.
    type: str
attributes:
  check_mode:
    details: Gives the same answer in check mode.
    support: full
  diff_mode:
    details: Nothing changes, so there is no diff.
    support: none
"""

EXAMPLES = r"""
- name: Read the job that the command line names
  srt.slurm.job_spec:
  register: prelude

- name: Read a certain file
  srt.slurm.job_spec:
    job_file: recipes/deepseek.yaml
    check_paths: false
  register: prelude

- name: Show what Slurm will be asked for
  ansible.builtin.debug:
    var: prelude.jobs[0].allocation
"""

RETURN = r"""
secrets_path:
  description:
    - A private file with the values of the secrets, which lives as long as this playbook run.
    - M(srt.slurm.slurm_job) and M(srt.slurm.topology_plan) take it.
  returned: when the job has secrets
  type: str
jobs:
  description: The jobs, one for each variant of the file.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the job.
      type: str
      returned: always
    spec:
      description: The complete job; M(srt.slurm.topology_plan) takes it.
      type: dict
      returned: always
    allocation:
      description: What Slurm is asked for; M(srt.slurm.slurm_job) takes it.
      type: dict
      returned: always
    metadata:
      description: What is stored as C(<job_id>.json), without the id.
      type: dict
      returned: always
    config_text:
      description: The complete job as YAML text, for the run directory.
      type: str
      returned: always
    output_dir:
      description: Where the cluster file wants run directories, or null.
      type: str
      returned: always
    digests:
      description: Digests of the allocation request and of the service.
      type: dict
      returned: always
keep:
  description: Whether the service stays up after the run.
  returned: success
  type: bool
lease_s:
  description: Seconds after which the job ends itself without a sign of life of a controller.
  returned: success
  type: float
concurrencies:
  description: The points to measure, empty for all.
  returned: success
  type: list
  elements: int
origins:
  description:
    - Where the values of each job came from, in the order of RV(jobs) - the path of each value that is no default, and
      a line of the job file, a setting of the cluster file, or an extra var.
  returned: success
  type: list
  elements: dict
notes:
  description: What a person should know about how the job was read.
  returned: success
  type: list
  elements: str
problems:
  description:
    - All problems, each with file, line, path, problem and remedy. What only some variants of a file have says in
      C(jobs) which.
  returned: when the job or the cluster file is wrong
  type: list
  elements: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.job_spec import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
