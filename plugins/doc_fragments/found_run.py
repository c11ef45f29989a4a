# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that find a run."""

from __future__ import annotations


class ModuleDocFragment:
    """Which run is meant: O(run_dir), O(job_id), or the newest one of O(job_names)."""

    DOCUMENTATION = r"""
options:
  run_dir:
    description: The run directory. Without it and O(job_id), the newest run below O(output_dir) is used.
    type: path
  job_id:
    description:
      - The id of the job. Its run directory is below O(output_dir), or where Slurm reports the output of the job.
    type: str
  output_dir:
    description:
      - Parent of the run directories.
      - On the controller the default is the C(output_dir) of the cluster file, if it has one.
    type: path
    default: outputs
  job_names:
    description:
      - Without O(run_dir) and O(job_id), the newest run of a job with one of these names is used.
      - It is an error if O(run_dir) or O(job_id) selects a run whose job has another name.
    type: list
    elements: str
    default: []
  extra_vars:
    description:
      - Check the extra vars of the playbook run, as the playbooks of this collection do. Misspelt run options are
        errors, and a job among the extra vars sets O(job_names).
    type: bool
    default: false
"""
