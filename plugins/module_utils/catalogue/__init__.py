# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All runs below an output directory, one record each. This room reads files, and is independent of Slurm.

===========  ==================================================================
entries      one run as a record, from the files of its directory
index        the records of all runs, kept in SQLite; the files are the truth
selection    which runs are meant: by tag, name, model, verdict, date
listing      the runs as text
===========  ==================================================================
"""
