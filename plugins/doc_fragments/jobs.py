# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that take all jobs of a job file."""

from __future__ import annotations


class ModuleDocFragment:
    """The jobs: O(jobs)."""

    DOCUMENTATION = r"""
options:
  jobs:
    description: The jobs, as M(srt.slurm.job_spec) returns them.
    type: list
    elements: dict
    required: true
"""
