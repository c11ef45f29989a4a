#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module rl_launch: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rl_launch
short_description: Submit the two jobs of an RL run
version_added: 0.1.0
description:
  - Submits the runtime job, which serves sandboxes over HTTP, and the training job, which calls it. They are joined by
    a coordination directory.
  - Finds both by the name of the run and the digest of their settings, and changes nothing if they are there.
  - Checks all settings, the slots of the runtime, files and partitions before anything is submitted.
  - Options that a task does not name are taken from extra vars C(rl_NAME).

requirements:
  - The Slurm commands on the submit host.
extends_documentation_fragment:
  - srt.slurm.rl
  - srt.slurm.attributes
  - srt.slurm.attributes.action
attributes:
  check_mode:
    support: full
    details: Shows scripts, settings and their origins in the diff. Writes and submits nothing.
  diff_mode:
    support: full
options:
  places:
    description: File and line of settings, by name, for messages. The action fills it in.
    type: dict
    default: {}
  runtime_only:
    description: Submit the runtime job alone. It serves until it is ended.
    type: bool
    default: false
  training_only:
    description: Submit the training job alone. Needs O(runtime_url), or O(smoke).
    type: bool
    default: false
  skip_runtime:
    description: The same, by the name that the original launcher has for it.
    type: bool
    default: false
  runtime_url:
    description: Address of an existing runtime, which is asked for its health. Only the training job is submitted.
    type: str
  api_key:
    description: Key of the runtime. By default a new one is made for each pair of jobs.
    type: str
  smoke:
    description: Only see whether the server answers C(/health), and whether the trainer can be imported.
    type: bool
    default: false
  replace:
    description: End active jobs of the run whose settings differ, and submit anew.
    type: bool
    default: false
  watch:
    description: Wait until both jobs have ended, and show their changes. It is an error if one has not completed.
    type: bool
    default: false
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.rl_info
  - module: srt.slurm.rl_stop
"""

EXAMPLES = r"""
- name: Train
  srt.slurm.rl_launch:
    file: /shared/rl/dev.yaml
  register: launched

- name: Train with other settings beside it
  srt.slurm.rl_launch:
    file: /shared/rl/dev.yaml
    overrides:
      name: small
      train_batch_size: 2
"""

RETURN = r"""
action:
  description: C(submit), or C(keep) if both jobs were there.
  returned: success
  type: str
dir:
  description: The coordination directory.
  returned: success
  type: str
jobs:
  description: Ids of the jobs, by side.
  returned: success
  type: dict
  sample: {"runtime": "4711", "training": "4712"}
run:
  description: The state of the run, as RV(srt.slurm.rl_info#module:runs) has it.
  returned: success
  type: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.rl_launch import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
