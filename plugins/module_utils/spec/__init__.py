# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""Machinery of job descriptions: typed fields, sections, sources that remember lines, merging.

Nothing in this room knows what a job is; the rooms above declare their own sections with it.
"""
