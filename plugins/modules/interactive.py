#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module interactive: a conversation about runs and jobs. The action plugin of the same name does the work."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: interactive
short_description: Talk about runs and jobs
version_added: 0.1.0
description:
  - Lists runs and job files, changes values of a job and checks each at once, shows what a job would do, submits it,
    and follows a run.
  - Asks at the terminal of C(ansible-playbook). From a pipe it takes one answer a line.
  - Always runs on the controller, where Slurm's commands must work.
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
options:
  playbooks:
    description: The directory with the playbooks of the collection.
    type: path
    required: true
  output_dir:
    description: Parent of the run directories. The default is that of the cluster file, else C(outputs).
    type: path
attributes:
  check_mode:
    details: Nothing is submitted.
    support: full
  diff_mode:
    details: There is no diff.
    support: none
author:
  - srt.slurm developers (@srt-slurm)
"""

EXAMPLES = r"""
- name: Talk
  srt.slurm.interactive:
    playbooks: "{{ playbook_dir }}"
"""

RETURN = r"""
submitted:
  description: The files of the jobs that were submitted.
  returned: success
  type: list
  elements: str
"""
