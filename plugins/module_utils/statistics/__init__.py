# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Statistics over repeats: plain functions over sequences of numbers, with the distributions of scipy.

What two services differ by is the logarithm of a ratio, so that a metric which doubles and one which halves count
alike. Nothing here knows what the numbers are of.

===========  ==================================================================
intervals    the confidence interval of a mean
ratios       the ratio of two sides with its error, its interval, its p-values
decisions    better, worse or equivalent, over several metrics (Holm)
sizes        the difference that can be seen, and the repeats that one needs
===========  ==================================================================
"""
