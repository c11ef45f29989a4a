# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program inside the two jobs of an RL run: ``python3 <coordination directory>/programs/rl SIDE DIR``.

A separate program: this folder is copied into the coordination directory. It needs the standard library of Python 3.8
and imports nothing above it.
"""
