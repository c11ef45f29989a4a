# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options of the modules that are about an RL run."""

from __future__ import annotations


class ModuleDocFragment:
    """Which settings the run has."""

    DOCUMENTATION = r"""
options:
  file:
    description: A YAML file of settings, on the submit host. Extra var C(rl_file).
    type: path
  conf:
    description:
      - A C(.conf) file of the original launcher, on the submit host. Extra var C(rl_conf).
      - It is read, not executed. Quotes, comments and C(${NAME}) mean what they mean in a shell.
    type: path
  settings:
    description: Settings by their names. The keys of the extra var C(rl) come first.
    type: dict
    default: {}
  overrides:
    description: Single settings that count more than all others. Extra vars C(rl_NAME) become overrides.
    type: dict
    default: {}
"""
