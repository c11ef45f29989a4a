# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The holder: the one long-lived process of a job, run by the batch script on the first node.

A program of its own: this folder is copied into the run directory and run as ``python3 <run_dir>/holder serve``. It
needs the standard library of Python 3.8 and imports nothing above it.
"""

FOLDER = "holder"  # of the program in the run directory
