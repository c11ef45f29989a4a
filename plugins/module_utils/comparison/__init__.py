# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Comparing two sides by their repeats. This room reads files, and is independent of Slurm.

============  ==================================================================
measured_run  one run as evidence: its repeats, its load, its nodes
sides         the runs of a side: nothing counts twice, nothing is mixed
pairing       which repeats were measured next to each other
judgement     the statistics of each metric, and the verdicts
planning      how many repeats a difference needs
differences   what else differs: configuration, versions, nodes
document      compare.json: all of it, and whether the comparison passes
text, page    the same for people, as text and as a page
============  ==================================================================
"""
