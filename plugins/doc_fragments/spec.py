# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that work from the spec of a job."""

from __future__ import annotations


class ModuleDocFragment:
    """The job: O(spec)."""

    DOCUMENTATION = r"""
options:
  spec:
    description: The spec that M(srt.slurm.job_spec) returned (RV(srt.slurm.job_spec#module:jobs[].spec)).
    type: dict
    required: true
"""
