#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module rl_info: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rl_info
short_description: Show RL runs and how they are
version_added: 0.1.0
description:
  - Shows the jobs of an RL run, what they said of themselves, and what helps against a known failure.

requirements:
  - The Slurm commands on the submit host.
extends_documentation_fragment:
  - srt.slurm.rl
  - srt.slurm.attributes
  - srt.slurm.attributes.action
  - srt.slurm.attributes.info
options:
  places:
    description: File and line of settings, by name, for messages. The action fills it in.
    type: dict
    default: {}
  dir:
    description:
      - The coordination directory. Extra var C(rl_dir).
      - Without it, the newest one of the run whose name the settings have, or the newest of all.
    type: path
  list:
    description: Without O(dir) and without a name, list recent coordination directories, newest first.
    type: bool
    default: false
  lines:
    description: How many lines of the end of each output to show, of one run.
    type: int
    default: 20
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.rl_launch
"""

EXAMPLES = r"""
- name: Show recent runs
  srt.slurm.rl_info:
    list: true
"""

RETURN = r"""
runs:
  description: The runs, newest first.
  returned: success
  type: list
  elements: dict
  sample: [{"dir": "/home/me/.skyrl_jobs/20260102_030405_a1b2c3", "name": "skyrl", "jobs": {}}]
summary:
  description: The same for a person. These lines are shown, too.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.rl_info import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
