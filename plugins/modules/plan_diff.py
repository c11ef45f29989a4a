#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module plan_diff: what differs between the plans of two jobs."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: plan_diff
short_description: Show what differs between the plans of two jobs
description:
  - Plans both jobs on placeholder nodes and compares what they would do, with the request to Slurm, the steps, their
    command lines and environments, files, checks and points, and the jobs themselves.
  - The files may have different layouts. Models and images need not exist.
  - Always runs on the controller.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
attributes:
  check_mode:
    support: full
    details: Never changes anything.
  diff_mode:
    support: N/A
    details: Changes nothing, so there is no diff.
options:
  a:
    description: A job file with one job, or C(FILE:SELECTOR).
    type: path
    required: true
  b:
    description: The other one.
    type: path
    required: true
  cluster_file:
    description: Cluster file instead of the usual one.
    type: path
"""

EXAMPLES = r"""
- name: What does the override change?
  srt.slurm.plan_diff:
    a: recipe.yaml:base
    b: recipe.yaml:override_big
"""

RETURN = r"""
same:
  description: Whether both would do the same.
  returned: success
  type: bool
differences:
  description: One line for each difference.
  returned: success
  type: list
  elements: str
names:
  description: The names of both jobs.
  returned: success
  type: list
  elements: str
"""
