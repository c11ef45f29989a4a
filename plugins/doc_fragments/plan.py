# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that work from a plan."""

from __future__ import annotations


class ModuleDocFragment:
    """Where the plan is: O(plan_path) or O(plan)."""

    DOCUMENTATION = r"""
options:
  plan_path:
    description: Path of C(plan.json), as in RV(srt.slurm.topology_plan#module:plan_path).
    type: path
  plan:
    description: The plan itself, instead of O(plan_path).
    type: dict
"""
