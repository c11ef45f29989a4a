#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module step_log_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: step_log_info
short_description: Show or follow the log of a step
version_added: 0.1.0
description:
  - Finds the log of a step in the run directory and returns its last lines, or shows new lines until the step ends.
  - Shows new lines only if the task runs on the controller itself. Elsewhere the result has them, at the end.
extends_documentation_fragment:
  - srt.slurm.found_run
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  step:
    description:
      - Name of the step, such as V(decode_0), V(nginx) or V(bench_c4).
      - V(playbook) is the output of a playbook that runs inside the job, V(job) that of the batch script.
      - The default is V(playbook) where there is one, else V(job).
    type: str
  node:
    description: The node whose log is shown, for a step on several nodes.
    type: str
  lines:
    description: How many of the last lines are returned and shown first.
    type: int
    default: 20
  follow:
    description: Show new lines until the step has ended.
    type: bool
    default: false
  timeout_s:
    description: Seconds to follow the log at most. V(0) follows it until the step ends.
    type: float
    default: 0.0
attributes:
  check_mode:
    details: Returns the last lines and follows nothing.
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.run_info
"""

EXAMPLES = r"""
- name: Show the last lines of a worker
  srt.slurm.step_log_info:
    job_id: "4711"
    output_dir: /shared/outputs
    step: decode_0

- name: Follow the newest run to its end
  srt.slurm.step_log_info:
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

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.step_log_info import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
