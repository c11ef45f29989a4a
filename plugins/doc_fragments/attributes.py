# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attributes of the modules. A module adds its own support and details."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible can do with a module: in general, of one with an action plugin, and of one that only gathers."""

    DOCUMENTATION = r"""
options: {}
attributes:
  action_group:
    description: Use C(group/srt.slurm.all) in C(module_defaults) to set defaults for this module.
    support: full
    membership:
      - srt.slurm.all
  check_mode:
    description: Can run in C(check_mode) and return what it would do, without changing anything.
  diff_mode:
    description: Shows in C(diff_mode) what changes, or would change in C(check_mode).
  platform:
    description: Systems that the module runs on.
    support: full
    platforms: posix
"""

    ACTION = r"""
options: {}
attributes:
  action:
    description: Has an action plugin, which does the work on the controller if that is the submit host.
    support: full
  async:
    description: Can be used with C(async).
    support: none
"""

    INFO = r"""
options: {}
attributes:
  check_mode:
    support: full
    details: Never changes anything.
  diff_mode:
    support: N/A
    details: Changes nothing, so there is no diff.
"""
