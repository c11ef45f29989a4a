# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""From spec and allocation to the plan: steps, files, checks, digests, and how they are shown."""
