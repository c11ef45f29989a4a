# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The job language and the plan: assembles what the rooms below declare."""
