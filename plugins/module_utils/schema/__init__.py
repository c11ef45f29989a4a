# Copyright (c) 2026 srt.slurm developers
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Machinery of typed sections: fields, problems with file and line, merging, YAML with the line of each value.

Nothing here knows what a job is; the rooms above declare their own sections with it.
"""
