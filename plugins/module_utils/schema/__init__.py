# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Machinery of typed sections: fields, problems with file and line, merging, YAML with the place of each value.

Nothing in this room knows what a job is; the rooms above declare their own sections with it.
"""
