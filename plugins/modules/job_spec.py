#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module job_spec: a job description becomes a checked spec."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: job_spec
short_description: Validate a job file and fill in its defaults
description:
  - Reads a job, merges it over the cluster file's defaults, validates it and fills in every default.
  - Reports all problems of a file at once, with file, line, path and, where possible, the correct key.
  - The job comes from O(job), from O(job_file), or from the extra vars of the run. There it is either a variable
    C(job), a variable C(job_file), or the top-level keys of the extra vars file that has C(model) and C(resources).
    All forms give the same spec.
  - In the flat form a variable on the command line replaces the top-level key of the same name, for example
    C(-e name=other).
  - A misspelt run option among the extra vars is an error that names the correct one.
  - Replaces secret values of environment variables by references. A value is secret if its name says so (C(HF_TOKEN),
    C(STORE_PASSWORD)), if the value says so (a URL with a password), or if it comes from a vault. Any other value from
    a vault is an error, except for short words, numbers and truth values of a file that is encrypted as a whole, and
    for the content of such a job file itself.
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
      - A file with the job. Its keys are at the top level, or under one key C(job). Templates in it are not filled in.
      - A file with C(base) has variants. C(file:override_name), C(file:zip_override_name[2]), C(file:base) or a glob
        after the colon selects among them. Without a selector all variants are returned, but not the base.
      - A job with C(sweep) becomes one job for each combination of its parameters.
      - A selector may also be the name of a job, the end that a sweep or an override gave to it (C(file:isl1024_osl8)),
        a glob of these, or its number from 0 (C(file:3)). A selector that matches nothing is an error that lists the
        jobs of the file.
      - A directory stands for all files C(*.yaml) and C(*.yml) below it.
    type: path
  cluster_file:
    description:
      - The cluster file. The default is the file in the environment variable E(SRTSLURM_CONFIG), otherwise the first
        C(srtslurm.yaml) in the working directory and the directories above it.
    type: path
  setup_script:
    description: A script below C(configs_dir) that runs before each worker; replaces the job's own.
    type: str
  set:
    description:
      - Values to set in the job, by their paths in the layout of its file, such as C(benchmark.isl=1024).
      - One of these, a list of them, or a mapping of paths to values. A text is read as YAML, but a mapping stays text.
      - In a file of several jobs they are set in each of them.
    type: raw
  unset:
    description: Paths of keys that are removed from the job, a list or with commas between them.
    type: raw
  job_tags:
    description: Tags that are stored with the run.
    type: list
    elements: str
    default: []
  check_paths:
    description: >-
      Whether model, container and Python must exist on the submit host. Set it to V(false) if they exist on compute
      nodes only.
    type: bool
    default: true
  output_dir:
    description:
      - Parent of the run directories. The default is that of the cluster file, else C(outputs).
      - If the job has secrets, the module creates a private file with a random key there, so that a secret has the same
        reference in every run and on every machine.
    type: path
  single:
    description: Whether more than one job is an error. In check mode all are shown.
    type: bool
    default: false
  rehearse:
    description:
      - Whether the jobs are only planned. Features that this version cannot run yet are then notes instead of errors,
        as in check mode.
    type: bool
    default: false
  partial:
    description: >-
      Whether jobs that are not valid are left out, as long as others are. Then RV(problems) and RV(msg) say what is
      wrong with them.
    type: bool
    default: false
  frozen:
    description: A file with an earlier result of this module. The module returns that result and reads nothing else.
    type: path
  keep:
    description: >-
      Whether the service stays up after the run - C(true), C(false), or the seconds that it stays up without a
      controller.
    type: str
    default: "false"
  lease_s:
    description:
      - Seconds without a heartbeat of a controller after which the job ends. The default is the number in O(keep), else
        3600 with O(keep) and 120 without. The minimum is 15.
    type: str
  concurrencies:
    description:
      - The points to measure - one number, text such as V(4,16), or a list. A point that the job does not have is an
        error.
      - The default is all points of the job.
    type: raw
  job_id:
    description: The allocation that the run works in. The module only checks that it is a valid id of a whole job.
    type: str
attributes:
  check_mode:
    details: Returns the same in check mode.
    support: full
  diff_mode:
    details: Nothing changes, so there is no diff.
    support: none
"""

EXAMPLES = r"""
- name: Read the job that the command line names
  srt.slurm.job_spec:
  register: prelude

- name: Read a given file
  srt.slurm.job_spec:
    job_file: recipes/deepseek.yaml
    check_paths: false
  register: prelude

- name: Show the allocation request
  ansible.builtin.debug:
    var: prelude.jobs[0].allocation
"""

RETURN = r"""
secrets_path:
  description:
    - A private file with the values of the secrets, for M(srt.slurm.slurm_job) and M(srt.slurm.topology_plan).
    - It exists as long as this playbook run.
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
      description: The complete job, for M(srt.slurm.topology_plan).
      type: dict
      returned: always
    allocation:
      description: The allocation request, for M(srt.slurm.slurm_job).
      type: dict
      returned: always
    metadata:
      description: The content of C(<job_id>.json), without the id.
      type: dict
      returned: always
    config_text:
      description: The complete job as YAML text, for the run directory.
      type: str
      returned: always
    output_dir:
      description: Parent of the run directories in the cluster file, or null.
      type: str
      returned: always
    digests:
      description: Digests of the allocation request and of the service.
      type: dict
      returned: always
    parameters:
      description: The parameters of the C(sweep) that made the job, with their values; empty without one.
      type: dict
      returned: always
sweep:
  description: The name that the jobs have in common - that of the job, of the base, or of the directory of job files.
  returned: success
  type: str
keep:
  description: Whether the service stays up after the run.
  returned: success
  type: bool
lease_s:
  description: Seconds without a heartbeat of a controller after which the job ends.
  returned: success
  type: float
concurrencies:
  description: The points to measure, empty for all.
  returned: success
  type: list
  elements: int
origins:
  description:
    - The origins of the values of each job, in the order of RV(jobs) - for the path of each value that is not a
      default, a line of the job file, a setting of the cluster file, or an extra var.
  returned: success
  type: list
  elements: dict
notes:
  description: Notes to the user about the job.
  returned: success
  type: list
  elements: str
msg:
  description: The RV(problems) as text, one a line.
  returned: when there are any
  type: str
problems:
  description:
    - All problems. The same list is in a failed result of M(srt.slurm.run_info) and M(srt.slurm.step_log_info) when
      extra vars are wrong.
  returned: when the job, the cluster file or an extra var is wrong, and with O(partial) when one of the jobs is
  type: list
  elements: dict
  contains:
    file:
      description: Path of the file, or C(extra vars) for the command line, null if unknown.
      type: str
    line:
      description: Number of the line, from 1, null if unknown.
      type: int
    path:
      description: The key, such as C(benchmark.concurrencies[0]).
      type: str
    code:
      description:
        - The kind of problem, one of the words in the table C(Kinds of problems) of C(docs/job-reference.md). Unlike
          RV(problems[].problem) it stays the same when a text is improved.
      type: str
      sample: unknown_key
    problem:
      description: What is wrong, in words.
      type: str
    remedy:
      description: What to do about it, null if that is clear.
      type: str
    jobs:
      description: The variants that have the problem.
      returned: when only some variants of a file have it
      type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.job_spec import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
