# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The holder: the one long-lived process of a job, run by the batch script on the first node.

A separate program: this folder is copied into the run directory and run as ``python3 <run_dir>/programs/holder serve``.
It needs the standard library of Python 3.8 and imports nothing above it.
"""

from .places import PROGRAMS

FOLDER = f"{PROGRAMS}/holder"  # of this program
# How it is run: nothing in the user's environment or home changes how Python works, and text is UTF-8 in any locale.
PYTHON = ("python3", "-I", "-X", "utf8")
