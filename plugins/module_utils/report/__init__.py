# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages about runs: one HTML file each, made from a run directory, that works without a network.

==============  ======================================================================
inputs          a run directory, read and checked: inputs of different runs are refused
points          the points of one or several runs, and which of them may count
frontier        the best points of a comparison group, and the table at interactivity levels
requests        single requests of a point: distributions, TTFT against input length
stages          where the time went, from the journal
downsample      long series, made short without losing their extremes
chart           what all charts have in common; *_charts: their Vega-Lite specifications
scales, drawing specifications to SVG
html, style     building blocks of pages: escaped text, tables, colours, the script
run_page        report.html of a run; sweep_page, index_page: of a sweep, and of all runs
writing         writes the files
==============  ======================================================================

The specifications are plain Vega-Lite mappings: they are data, so that tests compare numbers and check them with
altair's schema. altair itself would build the same mappings, and takes a second to import.
"""

from __future__ import annotations
