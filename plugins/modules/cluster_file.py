#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module cluster_file: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: cluster_file
short_description: Add settings to srtslurm.yaml
version_added: 0.1.0
description:
  - Writes a new C(srtslurm.yaml) with comments, or adds the settings that an existing one lacks to its end.
  - What is in the file stays as it is - values, unknown keys, comments and order. A value that differs from the one
    that is given is kept, and RV(notes) say so. Mappings such as C(containers) get the names that they lacked.
  - A file that cannot be extended without a change of what is there is left alone; the error says what to add by hand.
  - Always runs on the controller, which reads the file.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  path:
    description: The file. The default is that which jobs find, else C(srtslurm.yaml) in the working directory.
    type: path
  settings:
    description: Settings by their key. Empty text stands for nothing; V(none) leaves out what is proposed.
    type: dict
    default: {}
  proposals:
    description: Settings for what O(settings) do not have, as M(srt.slurm.cluster_info) returns them.
    type: list
    elements: dict
    default: []
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.cluster_info
"""

EXAMPLES = r"""
- name: Write the defaults of the cluster
  srt.slurm.cluster_file:
    path: /shared/srt/srtslurm.yaml
    settings:
      default_partition: batch
      gpus_per_node: 4
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
settings:
  description: All settings of the file, by their current names.
  returned: success
  type: dict
added:
  description: The keys that were added.
  returned: success
  type: list
  elements: str
notes:
  description: Values that were kept although others were given, and keys that jobs do not understand.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.cluster_file import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
