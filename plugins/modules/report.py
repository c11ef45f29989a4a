#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module report: documentation and a call."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: report
short_description: Make the pages of a run or a sweep, and the list of all runs
version_added: 0.1.0
description:
  - Writes C(report.html) of a run or a sweep, C(rollup.svg) beside the rollup of a run, and C(index.html) of all runs
    in the same output directory. Each is one file that works without a network.
  - Reads what is in the directory. Slurm is not needed if O(run_dir) is set.
  - A point whose result has changed since it was evaluated is shown as not valid, whatever its rollup says.
  - It is an error if the files in the directory are of different runs.
extends_documentation_fragment:
  - srt.slurm.found_run
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  name:
    description: The name of the sweep of O(job_names), if these are several.
    type: str
  optional:
    description:
      - As at the end of a run. What keeps the report from being made is a note in RV(text) and no error, and nothing
        is done in check mode, if the page is newer than the rollup, or if the job says
        C(observability.build_dashboard=false).
    type: bool
    default: false
attributes:
  check_mode:
    details: Reads the directory and writes nothing.
    support: full
  diff_mode:
    support: none
author:
  - srt.slurm developers (@srt-slurm)
seealso:
  - module: srt.slurm.rollup
"""

EXAMPLES = r"""
- name: Make the page of a run again
  srt.slurm.report:
    run_dir: /shared/outputs/1234

- name: Make the page of a sweep
  srt.slurm.report:
    run_dir: /shared/outputs/sweeps/nightly
"""

RETURN = r"""
path:
  description: Path of C(report.html). Null if O(optional) and it was not made.
  returned: success
  type: str
picture:
  description: Path of C(rollup.svg). Null for a sweep, or if no point has the figures.
  returned: success
  type: str
index:
  description: Path of C(index.html). Null if it cannot be written; RV(text) says why.
  returned: success
  type: str
bytes:
  description: The size of RV(path). Null in check mode.
  returned: success
  type: int
seconds:
  description: How long it took to make them. Null in check mode.
  returned: success
  type: float
text:
  description: The same for people.
  returned: success
  type: str
"""

from ansible_collections.srt.slurm.plugins.module_utils.entry import run_module
from ansible_collections.srt.slurm.plugins.module_utils.stages.report import ARGUMENT_SPEC, run


def main():
    """Run the module."""
    run_module(run, ARGUMENT_SPEC)


if __name__ == "__main__":
    main()
