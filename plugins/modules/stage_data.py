#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module stage_data: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stage_data
short_description: Stage and check the data sets of a job
version_added: 0.1.0
description:
  - Makes sure, before a job asks for nodes, that the data sets of its benchmark are there and have the columns that the
    benchmark reads.
  - An address is downloaded once, to C(data_dir) of the cluster file. The first download records the SHA-256 in
    C(<file>.source.json). Later runs, and other addresses of a file of this name, are held to it.
requirements:
  - Access to the addresses from the submit host, for data that is not there yet.
extends_documentation_fragment:
  - srt.slurm.spec
  - srt.slurm.attributes
  - srt.slurm.attributes.action
attributes:
  check_mode:
    details: Nothing is downloaded; what is there is checked.
    support: full
  diff_mode:
    details: There is no diff.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.job_spec
  - module: srt.slurm.harness
"""

EXAMPLES = r"""
- name: Stage the data of the benchmark
  srt.slurm.stage_data:
    spec: "{{ spec.jobs[0].spec }}"
"""

RETURN = r"""
files:
  description: The data sets by their key in C(benchmark), each with C(path), C(sha256) and C(rows).
  returned: success
  type: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.stage_data import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
