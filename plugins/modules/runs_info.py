#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module runs_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: runs_info
short_description: List the runs below an output directory
version_added: 0.1.0
description:
  - Lists the runs below O(output_dir), those of the jobs of sweeps among them, the newest first. The verdict of a run
    is that of its rollup.
  - The file C(runs.sqlite) in O(output_dir) is an index. It is brought up to date from the files of the runs with each
    call, and may be removed at any time.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  output_dir:
    description:
      - Parent of the run directories.
      - On the controller the default is the C(output_dir) of the cluster file, if it has one.
    type: path
    default: outputs
  tags:
    description: Only runs that have all these tags.
    type: list
    elements: str
    default: []
  name:
    description:
      - Only runs of jobs with this name. The wildcards V(*), V(?) and V([]) count, upper and lower case do not.
    type: str
  model:
    description: Only runs of the model with this name, with the same wildcards.
    type: str
  valid:
    description: Only runs that are valid, or only those that are not.
    type: bool
  since:
    description: Only runs since this day or time (UTC), such as V(2026-11-30), or since so long ago, such as V(7d).
    type: str
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.run_info
  - module: srt.slurm.compare
"""

EXAMPLES = r"""
- name: List the valid runs of the last week
  srt.slurm.runs_info:
    output_dir: /shared/outputs
    valid: true
    since: 7d
  register: runs
"""

RETURN = r"""
runs:
  description:
    - The runs, each with C(id) (the job id, or the sweep and the job), C(path), C(job_id), C(name), C(model),
      C(topology), C(benchmark_type), C(isl), C(osl), C(best) by C(best_metric), C(valid), C(verdict), C(points),
      C(valid_points), C(tags) and C(date) (UTC). What is not known is null.
  returned: success
  type: list
  elements: dict
total:
  description: The number of all runs below the directory.
  returned: success
  type: int
text:
  description: The runs as a table.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.runs_info import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
