#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module harness: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: harness
short_description: Prepare environments with programs that measure
version_added: 0.1.0
description:
  - Makes one directory below O(path) for each program, such as C(lm-eval-0.4.13-x86_64). It has an interpreter, the
    standard library, all shared libraries and their loader, and so runs in any container of the architecture of this
    host, mounted at the same path.
  - An environment is moved to its place when it is complete, and is checked by running it. It must use no file of this
    host. One that works is left as it is.
  - C(pip) downloads the packages. For nodes of another architecture run the module on one of them.
requirements:
  - A Python with C(venv) and C(ensurepip), C(ldd) and C(ldconfig) on the host that runs the module.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  path:
    description: The directory on shared disk, C(harness_dir) of the cluster file.
    type: path
    required: true
  names:
    description: The programs, V(lm-eval), V(aiperf) or V(sgl-eval).
    type: list
    elements: str
    required: true
  python:
    description: The Python that is copied.
    type: path
    default: python3
attributes:
  check_mode:
    details: Nothing is installed.
    support: full
  diff_mode:
    details: There is no diff.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.stage_data
"""

EXAMPLES = r"""
- name: Prepare lm-eval
  srt.slurm.harness:
    path: /shared/srt-harness
    names: [lm-eval]
"""

RETURN = r"""
paths:
  description: The directory of each program.
  returned: success
  type: dict
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.harness import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
