#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module rl_stop: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rl_stop
short_description: End the jobs of an RL run
version_added: 0.1.0
description:
  - Ends both jobs of an RL run and waits until they are gone. The files of its coordination directory stay.

requirements:
  - The Slurm commands on the submit host.
extends_documentation_fragment:
  - srt.slurm.rl
  - srt.slurm.attributes
  - srt.slurm.attributes.action
attributes:
  check_mode:
    support: full
    details: Returns the jobs that it would end.
  diff_mode:
    support: none
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
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.rl_launch
"""

EXAMPLES = r"""
- name: End the newest run
  srt.slurm.rl_stop:
"""

RETURN = r"""
dir:
  description: The coordination directory.
  returned: success
  type: str
ended:
  description: Ids of the jobs that were ended, by side.
  returned: success
  type: dict
  sample: {"runtime": "4711"}
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.rl_stop import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
