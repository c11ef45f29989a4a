#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module sweep_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: sweep_info
short_description: Get the state of a sweep
version_added: 0.1.0
description:
  - Reads the record of a sweep and Slurm's queue. Works on every machine that sees the directory, also after its end.
  - The sweep is that of the directory O(run_dir), that of the jobs O(job_names) if these are several, or the one that
    is going on in the newest allocation. With O(job_id), one allocation is meant, and no sweep.
extends_documentation_fragment:
  - srt.slurm.found_run
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  name:
    description: The name of the sweep of O(job_names).
    type: str
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.run_info
  - module: srt.slurm.sweep_run
"""

EXAMPLES = r"""
- name: Get the progress of a sweep
  srt.slurm.sweep_info:
    run_dir: /shared/outputs/sweeps/nightly
  register: sweep
"""

RETURN = r"""
folder:
  description: The directory of the sweep, null if no sweep is meant.
  returned: success
  type: str
state:
  description:
    - V(running) while a job of it waits or runs, V(finished) when nothing is left to measure, V(stopped) after
      C(playbooks/stop.yml), V(interrupted) when something is left and no job of it waits or runs.
  returned: success
  type: str
points:
  description: The numbers of points - C(total), C(valid), C(invalid), and C(left) for those that are not measured.
  returned: success
  type: dict
jobs:
  description: Its jobs that wait or run, with C(id), C(name), C(state) and C(reason).
  returned: success
  type: list
  elements: dict
text:
  description: The same for people.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.sweep_info import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
