#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module container_images: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: container_images
short_description: Import container images to files on shared disk
version_added: 0.1.0
description:
  - Imports each image once, with C(enroot import), to C(SHORT NAME.sqsh) below O(path), whoever else asks for it at
    the same time. A file is moved to its place when it is complete.
  - Where there is no C(enroot), nothing is imported, and RV(notes) have the commands to run elsewhere.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  path:
    description: The directory on shared disk.
    type: path
    required: true
  images:
    description: Images by their short names, such as C(docker://lmsysorg/sglang:v0.5.5), or paths of files.
    type: dict
    required: true
  architecture:
    description: The architecture of the nodes, V(x86_64) or V(aarch64). The default is that of this host.
    type: str
  enroot:
    description: The program.
    type: path
    default: enroot
attributes:
  check_mode:
    details: Nothing is imported.
    support: full
  diff_mode:
    details: There is no diff.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.cluster_file
"""

EXAMPLES = r"""
- name: Import the image of SGLang
  srt.slurm.container_images:
    path: /shared/srt/images
    images:
      sglang: docker://lmsysorg/sglang:v0.5.5
"""

RETURN = r"""
containers:
  description: The path of each image that is there, for C(containers) of the cluster file.
  returned: success
  type: dict
imported:
  description: The short names of the images that were imported.
  returned: success
  type: list
  elements: str
notes:
  description: Commands to run where there is an enroot.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.container_images import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
