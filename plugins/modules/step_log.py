#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Module step_log: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: step_log
short_description: Show the log of a step, also while it grows
version_added: 0.1.0
description:
  - Finds the log of a step in the run directory and returns its last lines, or shows new lines until the step ends.
  - New lines are shown when the task runs on the controller itself. Elsewhere only the result tells them, at the end.
options:
  run_dir:
    description: The run directory. Without it and without O(job_id) the newest run below O(output_dir) is taken.
    type: path
  job_id:
    description:
      - The number of the job. Its run directory is below O(output_dir), or where Slurm says that its output goes.
    type: str
  output_dir:
    description:
      - Parent of the run directories.
      - On the controller the C(output_dir) of the cluster file is the default.
    type: path
    default: outputs
  job_names:
    description:
      - Without O(run_dir) and O(job_id) the newest run of a job with one of these names is taken.
      - A run that O(run_dir) or O(job_id) names is an error if its job has another name.
    type: list
    elements: str
    default: []
  extra_vars:
    description:
      - Check the extra vars of the playbook run, as the playbooks of this collection do - near misses of their
        variables are errors, and a job among them stands for O(job_names).
    type: bool
    default: false
  step:
    description:
      - Name of the step, such as V(decode_0), V(nginx) or V(bench_c4).
      - V(playbook) is the output of a playbook that runs inside the job, V(job) that of the batch script.
      - The default is V(playbook) where there is one, else V(job).
    type: str
  node:
    description: Only the log of this node, of a step on several nodes.
    type: str
  lines:
    description: How many of the last lines are returned, and shown first.
    type: int
    default: 20
  follow:
    description: Show new lines until the step has ended.
    type: bool
    default: false
  timeout_s:
    description: Follow for so long at most. V(0) follows to the end.
    type: float
    default: 0.0
attributes:
  check_mode:
    description: Returns the last lines and follows nothing.
    support: full
  diff_mode:
    description: There is nothing that differs.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.run_status
"""

EXAMPLES = r"""
- name: Show the last lines of a worker
  srt.slurm.step_log:
    job_id: "4711"
    output_dir: /shared/outputs
    step: decode_0

- name: Follow the newest run to its end
  srt.slurm.step_log:
    output_dir: /shared/outputs
    follow: true
"""

RETURN = r"""
step:
  description: The step, or V(playbook), or V(job).
  returned: success
  type: str
state:
  description: V(waiting), V(starting), V(running), V(unowned) or V(ended).
  returned: success
  type: str
paths:
  description: The log files, one for each node.
  returned: success
  type: list
  elements: str
lines:
  description: Their last lines.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.runner import run_module
from ansible_collections.srt.slurm.plugins.module_utils.slurm.logs import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
