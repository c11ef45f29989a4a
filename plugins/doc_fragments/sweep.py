# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that are about a whole sweep."""

from __future__ import annotations


class ModuleDocFragment:
    """Which sweep is meant, and what of it is to be measured."""

    DOCUMENTATION = r"""
options:
  name:
    description: The name of the sweep, RV(srt.slurm.job_spec#module:sweep).
    type: str
    required: true
  output_dir:
    description: Parent of the run directories, by default that of the first job.
    type: path
  concurrencies:
    description: The points that are measured. Empty means all.
    type: list
    elements: int
    default: []
  force:
    description: Whether points that are valid already are measured again.
    type: bool
    default: false
  job_id:
    description: The allocation in which all jobs run. By default each group has its own.
    type: str
  max_parallel:
    description: How many allocations may run side by side. If there are fewer groups, they are divided.
    type: int
    default: 1
"""
