# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scraper: reads the metrics pages of workers, frontends and exporters while a point is measured.

It is a separate program: the files of this folder are copied into the run directory and run beside the program that
measures, with a low priority, as ``python3 <run_dir>/programs/scraper scrape ...``. It needs the standard library
alone. ``python3 <run_dir>/programs/scraper power ...`` is the exporter of nodes without one of their own.

==========  ===================================================================
page        a page of Prometheus as numbers
scrape      many pages again and again, and the file with what they said
power       readings of GPUs and CPUs of this node as such a page
main        all of it together; signals and exit codes
==========  ===================================================================
"""

from __future__ import annotations
