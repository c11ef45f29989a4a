#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module doctor_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: doctor_info
short_description: Check whether a cluster, its environment and a job are fine
version_added: 0.1.0
description:
  - Checks the cluster file, Slurm, its version, accounts, partitions, time limits and the options that C(sbatch) takes,
    the programs on shared disk, and, by one small job on idle nodes, what preflight checks before models load - shared
    disk, clocks, models, images, mounts, ports, GPUs and disks.
  - Each check is one line with what was found and what to do.
requirements:
  - The Slurm commands on the submit host; without them that is what the lines say.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  jobs:
    description: Jobs to check as well, as M(srt.slurm.job_spec) returns them.
    type: list
    elements: dict
    default: []
  job_error:
    description: What is wrong with the job file, if it could not be read.
    type: str
  cluster_file:
    description: The cluster file, as for M(srt.slurm.job_spec).
    type: path
  settings:
    description: The settings of the cluster file. The action reads them in the controller if they are not given.
    type: dict
  settings_path:
    description: The path of the file that has O(settings).
    type: path
  cluster_error:
    description: What is wrong with the cluster file. The action fills it in.
    type: str
  shared_dir:
    description: A directory that nodes should see. The default is C(output_dir) of the cluster file, else the working
      directory.
    type: path
  nodes:
    description: How many idle nodes are asked, at most. V(0) asks none.
    type: int
    default: 8
  wait_s:
    description: How long to wait for idle nodes, in seconds.
    type: float
    default: 30.0
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.preflight
  - module: srt.slurm.cluster_info
"""

EXAMPLES = r"""
- name: Check the cluster
  srt.slurm.doctor_info:
  register: doctor
"""

RETURN = r"""
checks:
  description: The checks, each with C(check), C(state) (C(ok), C(warning), C(bad), C(skipped)), C(text) and C(remedy).
  returned: success
  type: list
  elements: dict
lines:
  description: The same as lines for people.
  returned: success
  type: list
  elements: str
healthy:
  description: Whether no check is bad.
  returned: success
  type: bool
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.doctor_info import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
