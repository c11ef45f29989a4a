#!/usr/bin/python
# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Module job_migrate: rewrites a job file into the second layout."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: job_migrate
short_description: Rewrite a job file into the second layout
description:
  - Rewrites a job file of the first layout into the second, in place. Comments, quotes and the order of keys stay.
  - Base and overrides are rewritten each on their own.
  - Plans all jobs of the file before and after. If a plan differs, the module fails with the differences and writes
    nothing. Models and images need not exist.
  - In check mode nothing is written; with C(--diff) it shows what would change.
  - Always runs on the controller, and needs C(ruamel.yaml) there.
author:
  - srt.slurm developers (@srt-slurm)
version_added: 0.1.0
extends_documentation_fragment:
  - srt.slurm.attributes
  - srt.slurm.attributes.action
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
options:
  job_file:
    description: The file.
    type: path
    required: true
  cluster_file:
    description: Cluster file instead of the usual one.
    type: path
"""

EXAMPLES = r"""
- name: Rewrite a recipe
  srt.slurm.job_migrate:
    job_file: recipe.yaml
"""

RETURN = r"""
path:
  description: The file.
  returned: success
  type: str
jobs:
  description: The names of its jobs. Each has the same plan as before.
  returned: success
  type: list
  elements: str
notes:
  description: What was left out, and comments that are lost.
  returned: success
  type: list
  elements: str
differences:
  description: What would differ in the plans.
  returned: failure
  type: list
  elements: str
"""
