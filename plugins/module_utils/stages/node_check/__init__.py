# Copyright (c) 2026 srt.slurm developers
# SPDX-License-Identifier: Apache-2.0
"""The node check: what one node says of itself before models load. A program that runs on every node."""
